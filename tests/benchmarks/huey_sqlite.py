"""huey on SQLite with synchronous=FULL, one worker thread. It keeps no order per user."""

import time

from huey import SqliteHuey
from measuring import DATABASE, EVENTS, PACED, RATE, drained, note, notes, report

huey = SqliteHuey("bench", filename=DATABASE.removeprefix("sqlite:///"), fsync=True, results=False)


@huey.task()
def handle(number: int, made_at: float) -> None:
    note(number, made_at)


def until(count: int) -> None:
    limit = time.monotonic() + 120
    while len(notes) < count and time.monotonic() < limit:
        time.sleep(0.01)


for number in range(EVENTS):
    handle(number, time.time())
consumer = huey.create_consumer(workers=1, periodic=False, initial_delay=0.01, max_delay=0.01)
consumer.start()
until(EVENTS)
result = drained()
began = time.monotonic()
for number in range(PACED):
    time.sleep(max(0.0, began + number / RATE - time.monotonic()))
    handle(number, time.time())
until(PACED)
report(*result)
consumer.stop()
