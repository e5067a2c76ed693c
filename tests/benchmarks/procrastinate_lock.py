"""procrastinate with a lock for each user, so that a user's jobs run one at a time and in order."""

import asyncio
import time

from measuring import DATABASE, EVENTS, PACED, RATE, USERS, drained, note, notes, report
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=DATABASE))


@app.task(name="handle")
async def handle(number: int, made_at: float) -> None:
    note(number, made_at)


async def defer(number: int) -> None:
    user = handle.configure(lock=f"user-{number % USERS}")
    await user.defer_async(number=number, made_at=time.time())


async def main() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for start in range(0, EVENTS, 50):
            await asyncio.gather(*(defer(n) for n in range(start, min(start + 50, EVENTS))))
        await app.run_worker_async(concurrency=100, wait=False, install_signal_handlers=False)
        result = drained()
        worker = app.run_worker_async(concurrency=100, install_signal_handlers=False)
        working = asyncio.create_task(worker)
        await asyncio.sleep(1)
        began = time.monotonic()
        for number in range(PACED):
            await asyncio.sleep(began + number / RATE - time.monotonic())
            await defer(number)
        until = time.monotonic() + 60
        while len(notes) < PACED and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        report(*result)
        working.cancel()
        await asyncio.wait([working])


asyncio.run(main())
