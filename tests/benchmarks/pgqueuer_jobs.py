"""pgqueuer: jobs in batches from PostgreSQL. It keeps no order per user."""

import asyncio
import time

import asyncpg
from measuring import DATABASE, EVENTS, PACED, RATE, drained, note, notes, report
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job


def payload(number: int) -> bytes:
    return f"{number} {time.time()}".encode()


async def until(count: int) -> None:
    limit = time.monotonic() + 120
    while len(notes) < count and time.monotonic() < limit:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def main() -> None:
    connection, filling = await asyncpg.connect(DATABASE), await asyncpg.connect(DATABASE)
    worker, queries = PgQueuer(AsyncpgDriver(connection)), Queries(AsyncpgDriver(filling))
    await queries.install()

    @worker.entrypoint("handle")
    async def handle(job: Job) -> None:
        number, made_at = (job.payload or b"").split()
        note(int(number), float(made_at))

    for start in range(0, EVENTS, 500):
        some = [payload(n) for n in range(start, min(start + 500, EVENTS))]
        await queries.enqueue(["handle"] * len(some), some, [0] * len(some))
    running = asyncio.create_task(worker.run(batch_size=100))
    await until(EVENTS)
    result = drained()
    began = time.monotonic()
    for number in range(PACED):
        await asyncio.sleep(began + number / RATE - time.monotonic())
        await queries.enqueue("handle", payload(number))
    await until(PACED)
    report(*result)
    worker.shutdown.set()
    await asyncio.wait([running], timeout=10)


asyncio.run(main())
