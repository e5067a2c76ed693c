"""How fast an account may send, and what becomes of one whose provider does not answer."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from handlers import Context, MessageReceived, Router
from receiver.cli.main import app
from receiver.standins.faults import Answer, Lost, throttled
from storage.database import Database
from tests.receiver.worker import NOW, Stage, World, said, texted, world

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stand-ins' address."""
    with Stage() as ready:
        yield ready


def echo() -> Router:
    router = Router()

    @router.on_message
    async def answer(ctx: Context[MessageReceived]) -> None:
        ctx.reply(ctx.event.text or "")

    return router


def write(here: World, count: int, start: int = 0) -> None:
    """So many people write to the Smooch account, each once."""
    names = range(start, start + count)
    here.worker.receive(*(said(f"hi {n}", user=f"user{n:03}") for n in names))


def asked(here: World) -> int:
    return len(here.smooch.requests)


def paused(here: World) -> timedelta | None:
    rows = here.worker.rows("SELECT paused_until FROM throttle WHERE account = 'chat'")
    if not rows or rows[0][0] is None:
        return None
    epoch = NOW.replace(year=1970, month=1, day=1, hour=0)
    return epoch + timedelta(microseconds=rows[0][0]) - here.clock()


async def _second(here: World, span: timedelta = SECOND) -> int:
    """How many requests the next second brings."""
    before = asked(here)
    here.clock.forward(span)
    await here.worker.work()
    return asked(here) - before


def test_an_account_sends_at_its_rate_and_others_as_they_like(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, echo(), chat={"rate": 3}) as here:
            write(here, 11)
            here.worker.receive(*(texted(f"m {n}") for n in range(9)), account="texts")
            await here.worker.work()
            assert asked(here) == 3
            assert len(here.sinch.messages) == 9
            assert [await _second(here) for _ in range(4)] == [3, 3, 2, 0]
            write(here, 9, start=20)
            assert await _second(here, HOUR) == 3, "what was not used is not saved up"

    stage.run(main())


def test_a_rate_below_one_lets_one_request_through_now_and_then(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, echo(), chat={"rate": 0.25}) as here:
            write(here, 3)
            assert [await _second(here) for _ in range(9)] == [1, 0, 0, 0, 1, 0, 0, 0, 1]

    stage.run(main())


def test_all_workers_share_one_bucket(stage: Stage, databases: Callable[[], Database]) -> None:
    one, other = databases(), databases()

    async def main() -> None:
        async with world(stage, one, echo(), chat={"rate": 5}) as here:
            write(here, 12)
            await here.worker.dispatch()
            first = here.worker.deliverer.step([], 3)
            here.worker.deliverer._database = other
            assert len(first) == 3
            assert len(here.worker.deliverer.step([], 20)) == 2
            assert here.worker.deliverer.step([], 20) == []

    stage.run(main())


ILL = {
    "unauthorized": Answer(401),
    "forbidden": Answer(403),
    "throttled": throttled(),
    "unavailable": Answer(503),
    "lost": Lost(),
}


@pytest.mark.parametrize("fault", ILL.values(), ids=ILL)
def test_after_five_failures_in_a_row_an_account_is_left_alone(
    stage: Stage, database: Database, fault: Answer
) -> None:
    async def main() -> None:
        async with world(stage, database, echo()) as here:
            write(here, 4)
            here.smooch.faults.next(fault, times=99)
            await here.worker.work()
            assert (asked(here), paused(here)) == (4, None)
            write(here, 1, start=10)
            await here.worker.work()
            assert (asked(here), paused(here)) == (5, 10 * SECOND)
            write(here, 9, start=20)
            here.worker.receive(texted("hi"), account="texts")
            await here.worker.work()
            assert asked(here) == 5
            assert len(here.sinch.messages) == 1, "the others go on"

    stage.run(main())


@pytest.mark.parametrize("fault", [Answer(400), Answer(404)])
def test_what_is_wrong_with_one_request_is_no_fault_of_the_account(
    stage: Stage, database: Database, fault: Answer
) -> None:
    async def main() -> None:
        async with world(stage, database, echo()) as here:
            here.smooch.faults.next(*[Answer(503)] * 4, fault, *[Answer(503)] * 4, times=1)
            for number in range(9):
                write(here, 1, start=number)
                await here.worker.work()
            assert (asked(here), paused(here)) == (9, None)

    stage.run(main())


def test_pauses_double_up_to_ten_minutes_and_each_ends_with_one_probe(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, echo(), max_attempts=99) as here:
            write(here, 10)
            here.smooch.faults.next(Answer(503), times=999)
            await here.worker.work()
            before, pauses = asked(here), []
            for _ in range(8):
                wait = paused(here)
                assert wait is not None
                pauses.append(int(wait.total_seconds()))
                assert await _second(here, wait - SECOND / 1000) == 0
                here.worker.receive(said(f"again {len(pauses)}", user="somebody"))
                assert await _second(here, SECOND / 1000) == 1
            assert pauses == [10, 20, 40, 80, 160, 320, 600, 600]
            assert asked(here) == before + 8

    stage.run(main())


def test_an_account_that_works_again_drains_in_order_and_at_its_rate(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, echo(), chat={"rate": 8}, max_attempts=99) as here:
            write(here, 5)
            here.smooch.faults.next(Answer(503), times=5)
            await here.worker.work()
            write(here, 15, start=50)
            await here.worker.work()
            assert asked(here) == 5
            assert await _second(here, 10 * SECOND) == 8, "a probe, and then a second's worth"
            assert paused(here) is None
            while here.worker.due_in(2):
                assert await _second(here) <= 8
            assert len(here.smooch.messages) == 20
            assert {row[0] for row in here.worker.rows("SELECT status FROM action")} == {"sent"}

    stage.run(main())


def test_one_probe_is_under_way_at_a_time_and_a_lost_one_is_followed_by_another(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, echo(), chat={"uncertain": "repeat"}) as here:
            write(here, 5)
            here.smooch.faults.next(Answer(503), times=5)
            await here.worker.work()
            write(here, 5, start=20)
            await here.worker.dispatch()
            here.clock.forward(10 * SECOND)
            assert len(here.worker.deliverer.step([], 20)) == 1
            assert here.worker.deliverer.step([], 20) == []
            here.clock.forward(60 * SECOND)  # the lease's
            [probe] = here.worker.deliverer.step([], 20)
            here.worker.deliverer.step([await here.worker.deliverer.work(probe)], 0)
            assert len(here.worker.deliverer.step([], 20)) > 1

    stage.run(main())


def test_a_probe_that_asks_nothing_leaves_it_to_the_next(stage: Stage, database: Database) -> None:
    router = Router()

    @router.on_message
    async def answer(ctx: Context[MessageReceived]) -> None:
        if ctx.event.text == "add":
            ctx.add_identity("sms", "+15145550123")  # not without asking, at Smooch: Unsupported
        else:
            ctx.reply("hi")

    async def main() -> None:
        async with world(stage, database, router) as here:
            here.smooch.faults.next(Answer(503), times=5)
            for number in range(5):
                write(here, 1, start=number)
                await here.worker.work()
            here.worker.receive(said("add", user="first"))
            write(here, 2, start=60)
            assert await _second(here, 10 * SECOND) >= 2
            assert paused(here) is None

    stage.run(main())


def test_retry_after_is_for_the_whole_account_and_for_no_other(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, echo()) as here:
            here.smooch.faults.next(throttled("30"))
            write(here, 1)
            await here.worker.work()
            write(here, 3, start=10)
            here.worker.receive(texted("hi"), account="texts")
            await here.worker.work()
            assert asked(here) == 1
            assert len(here.sinch.messages) == 1
            assert await _second(here, 30 * SECOND - SECOND / 1000) == 0
            assert await _second(here, SECOND / 1000) == 4

    stage.run(main())


def test_a_pause_survives_a_restart(stage: Stage, databases: Callable[[], Database]) -> None:
    async def main() -> None:
        async with world(stage, databases(), echo()) as here:
            write(here, 5)
            here.smooch.faults.next(Answer(503), times=5)
            await here.worker.work()
        async with world(stage, databases(), echo()) as here:
            write(here, 5, start=20)
            await here.worker.work()
            assert asked(here) == 0
            assert await _second(here, 10 * SECOND) >= 5

    stage.run(main())


def test_the_command_shows_how_accounts_fare(
    stage: Stage, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = f"""
    database_url = "{database.url}"
    [accounts.chat]
    provider = "smooch"
    webhook_secrets = ["s"]
    rate = 50
    [accounts.idle]
    provider = "avaamo"
    """

    async def main() -> None:
        async with world(stage, database, echo()) as here:
            write(here, 6)
            here.clock.now = NOW.replace(year=2999)  # a pause that lasts until the command runs
            here.smooch.faults.next(Answer(404), *[Answer(401)] * 5)
            await here.worker.dispatch()
            await here.worker.deliver()

    stage.run(main())
    (tmp_path / "hookline.toml").write_text(toml)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["accounts", "--json"])
    assert result.exit_code == 0, result.output
    chat, idle = map(json.loads, result.output.splitlines())
    assert (chat["account"], chat["provider"], chat["rate"]) == ("chat", "smooch", 50.0)
    assert (chat["queued"], chat["dead"], chat["error"]) == (5, 1, "unauthorized")
    assert chat["paused_until"].startswith("2999-")
    assert (idle["queued"], idle["paused_until"], idle["error"]) == (0, None, None)
    table = CliRunner().invoke(app, ["accounts"]).output
    assert "unauthorized" in table
