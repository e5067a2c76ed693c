"""A clock that is stepped: order and leases hold, and a wrong clock is told as what it is."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from handlers import Context, MessageReceived, Router
from receiver.send import Sender
from storage.database import Database
from tests.conftest import NOW
from tests.parts.process import stored
from tests.receiver.reception import NEW, SINCH, SMOOCH, Clock, receiving, said, texted
from tests.receiver.worker import Clock as WorkersClock
from tests.receiver.worker import Worker, limits, plain
from tests.receiver.worker import said as told

STEPS = [timedelta(minutes=m) for m in (0, 10, -10, -60, 5, -5)]


def test_the_order_is_that_of_arrival_whatever_the_clock_does(database: Database) -> None:
    seen: list[str | None] = []
    router = Router()

    @router.on_message
    async def note(ctx: Context[MessageReceived]) -> None:
        seen.append(ctx.event.message_id)

    async def main() -> None:
        async with receiving(database.url, clock=(clock := Clock())) as here:
            for number, step in enumerate(STEPS):
                clock.now = NOW + step
                assert await here.send(SMOOCH, said(number), NEW) == 200
        later = WorkersClock(NOW + timedelta(days=1))
        worker = Worker(database, router, here.accounts, Sender(later), later, limits())
        await worker.dispatch()

    asyncio.run(main())
    wanted = [f"ann-{number}" for number in range(len(STEPS))]
    rows = stored(database.url)
    assert [row.message_id for row in rows] == wanted
    assert [row.received_at for row in rows] == [NOW + step for step in STEPS]
    assert seen == wanted


@pytest.mark.parametrize("step", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_a_clock_that_is_stepped_during_a_lease_makes_nothing_run_twice(
    step: timedelta, database: Database
) -> None:
    runs: list[str | None] = []
    router = Router()
    clock = WorkersClock()

    @router.on_message
    async def stepped(ctx: Context[MessageReceived]) -> None:
        runs.append(ctx.event.text)
        clock.forward(step)

    worker = plain(database, router, clock)
    worker.receive(told("one"), told("two"), told("three"))
    asyncio.run(worker.dispatch())
    if step < timedelta(0):  # what is due later by the new clock is only later
        clock.forward(-4 * step)
        asyncio.run(worker.dispatch())
    assert runs == ["one", "two", "three"]
    assert worker.events() == [("message.received", "done")] * 3


def test_a_clock_that_is_behind_is_told_with_every_refusal(database: Database) -> None:
    async def main() -> None:
        async with receiving(database.url, clock=(clock := Clock())) as here:
            headers = [here.signed(SINCH, texted(number), NEW) for number in range(3)]
            clock.now = NOW - timedelta(minutes=10)
            for number, signed in enumerate(headers):
                assert await here.post(SINCH, texted(number), signed) == 401
            clock.now = NOW
            assert await here.post(SINCH, texted(0), headers[0]) == 200

    with capture_logs() as logs:
        asyncio.run(main())
    reasons = [line["reason"] for line in logs if line["event"] == "webhook_refused"]
    assert len(reasons) == 3
    assert all("10 minutes in the future" in why and "is a clock wrong?" in why for why in reasons)


def test_a_clock_that_is_ahead_refuses_nothing(database: Database) -> None:
    async def main() -> None:
        async with receiving(database.url, clock=(clock := Clock())) as here:
            headers = here.signed(SINCH, texted(1), NEW)
            clock.now = NOW + timedelta(minutes=10)
            assert await here.post(SINCH, texted(1), headers) == 200

    asyncio.run(main())
    assert [row.message_id for row in stored(database.url)] == ["text-1"]
