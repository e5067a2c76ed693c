"""The loop under dispatch and delivery: nothing that was worked on is forgotten."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy.exc import DataError, OperationalError

from receiver.engine import Engine


@dataclass
class Desk:
    """In place of a database: what waits, and what was settled, in batches.

    raises: what the next steps raise. refuses: a result that is never taken.
    """

    waiting: list[int]
    settled: list[list[str]] = field(default_factory=list)
    claimed: int = 0
    raises: list[Exception] = field(default_factory=list)
    refuses: str | None = None

    def step(self, results: Sequence[str], room: int) -> list[int]:
        if self.raises:
            raise self.raises.pop(0)
        if self.refuses in results:
            raise DataError("INSERT", {}, ValueError("a NUL"))
        if results:
            self.settled.append(list(results))
        taken, self.waiting = self.waiting[:room], self.waiting[room:]
        self.claimed += len(taken)
        return taken

    @property
    def done(self) -> list[str]:
        return [result for batch in self.settled for result in batch]


def engine(
    desk: Desk, work: Callable[[int], Coroutine[Any, Any, str]], room: int = 10, **times: float
) -> Engine[int, str]:
    quick = {"poll": 0.02, "pause": 0.01, "grace": 5.0} | times
    return Engine("test", desk.step, work, lambda result: f"spoilt {result}", room, **quick)


async def named(item: int) -> str:
    return f"done {item}"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.005)


async def _run(desk: Desk, made: Engine[int, str], amount: int) -> None:
    running = asyncio.create_task(made.run())
    await until(lambda: len(desk.done) == amount)
    made.stop()
    await running


def test_all_is_worked_on_and_settled_once_however_long_each_takes() -> None:
    desk = Desk(list(range(60)))
    under_way, most = 0, 0

    async def work(item: int) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep((item * 7 % 5) * 0.003)
        under_way -= 1
        return f"done {item}"

    asyncio.run(_run(desk, engine(desk, work, room=8), 60))
    assert sorted(desk.done) == sorted(f"done {n}" for n in range(60))
    assert most == 8


def test_results_are_kept_while_the_database_is_away() -> None:
    desk = Desk([1, 2])

    async def work(item: int) -> str:
        away = OperationalError("COMMIT", {}, ConnectionError())
        desk.raises = [away, away, away]
        return f"done {item}"

    asyncio.run(_run(desk, engine(desk, work), 2))
    assert sorted(desk.done) == ["done 1", "done 2"]


def test_a_result_that_the_database_does_not_take_spoils_no_other() -> None:
    desk = Desk([1, 2, 3], refuses="done 2")
    asyncio.run(_run(desk, engine(desk, named), 3))
    assert sorted(desk.done) == ["done 1", "done 3", "spoilt done 2"]


def test_a_bug_in_a_claim_is_tried_again() -> None:
    desk = Desk([1], raises=[ZeroDivisionError()])
    asyncio.run(_run(desk, engine(desk, named), 1))
    assert desk.done == ["done 1"]


@pytest.mark.parametrize("bug", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_a_bug_in_the_work_loses_that_item_only(bug: type[BaseException]) -> None:
    async def work(item: int) -> str:
        if item == 1:
            raise bug
        return f"done {item}"

    desk = Desk([1, 2, 3])
    asyncio.run(_run(desk, engine(desk, work, room=1), 2))
    assert desk.done == ["done 2", "done 3"]


def test_a_stop_ends_and_settles_what_is_under_way_and_claims_nothing_more() -> None:
    desk = Desk([1, 2, 3])
    release = asyncio.Event()

    async def work(item: int) -> str:
        await release.wait()
        return f"done {item}"

    async def main() -> None:
        made = engine(desk, work, room=2)
        running = asyncio.create_task(made.run())
        await until(lambda: desk.claimed == 2)
        made.stop()
        await asyncio.sleep(0.05)
        assert not running.done()
        release.set()
        await running

    asyncio.run(main())
    assert sorted(desk.done) == ["done 1", "done 2"]
    assert desk.waiting == [3]


def test_a_stop_does_not_wait_for_ever() -> None:
    desk = Desk([1])
    ended: list[str] = []

    async def work(item: int) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "never"

    async def main() -> None:
        made = engine(desk, work, grace=0.05)
        running = asyncio.create_task(made.run())
        await until(lambda: desk.claimed == 1)
        made.stop()
        await running
        await asyncio.sleep(0)

    asyncio.run(main())
    assert (ended, desk.done) == (["cancelled"], [])


def test_a_stop_while_the_database_is_away_does_not_wait_for_ever() -> None:
    away = OperationalError("COMMIT", {}, ConnectionError())
    desk = Desk([1])

    async def work(item: int) -> str:
        desk.raises = [away] * 10_000
        return "done"

    async def main() -> None:
        made = engine(desk, work, grace=0.1)
        running = asyncio.create_task(made.run())
        await until(lambda: len(desk.raises) < 10_000 and desk.claimed == 1)
        made.stop()
        await asyncio.wait_for(running, 5)

    asyncio.run(main())


def test_a_wake_up_is_heard_at_once() -> None:
    desk = Desk([])

    async def main() -> None:
        made = engine(desk, named, poll=60)
        running = asyncio.create_task(made.run())
        await asyncio.sleep(0.02)
        desk.waiting.append(1)
        made.wake()
        await until(lambda: desk.done == ["done 1"])
        made.stop()
        await running

    asyncio.run(main())


def test_a_wake_up_from_another_thread_is_heard_at_once() -> None:
    desk = Desk([])

    async def main() -> None:
        made = engine(desk, named, poll=60)
        made.wake()
        running = asyncio.create_task(made.run())
        await asyncio.sleep(0.02)
        desk.waiting.append(1)
        await asyncio.to_thread(made.wake)
        await until(lambda: desk.done == ["done 1"])
        await asyncio.to_thread(made.stop)
        await running
        made.wake()

    asyncio.run(main(), debug=True)  # which refuses what is not safe between threads


def test_the_grace_counts_from_the_stop_and_not_from_when_a_blocked_loop_hears_of_it() -> None:
    desk = Desk([1, 2])
    began, release = threading.Event(), threading.Event()

    async def work(item: int) -> str:
        if item == 1:
            began.set()
            release.wait(10)
            return "done 1"
        await asyncio.sleep(60)
        return "never"

    def stop(made: Engine[int, str]) -> None:
        began.wait(10)
        made.stop()
        time.sleep(0.4)
        made.stop()  # a second call brings no second grace
        release.set()

    async def main() -> None:
        made = engine(desk, work, poll=60, grace=0.3)
        stopping = threading.Thread(target=stop, args=(made,))
        stopping.start()
        await made.run()
        assert made.unsettled >= 1
        stopping.join()

    asyncio.run(main())
    assert desk.done == []


def test_work_that_nobody_announced_is_found_by_looking() -> None:
    desk = Desk([])

    async def main() -> None:
        made = engine(desk, named, poll=0.02)
        running = asyncio.create_task(made.run())
        await asyncio.sleep(0.02)
        desk.waiting.append(1)
        await until(lambda: desk.done == ["done 1"])
        made.stop()
        await running

    asyncio.run(main())


@pytest.mark.parametrize("amount", [1, 50])
def test_threads_that_are_all_taken_do_not_keep_it_from_settling(amount: int) -> None:
    desk = Desk([1])
    release = threading.Event()

    async def main() -> None:
        others = [asyncio.create_task(asyncio.to_thread(release.wait, 10)) for _ in range(amount)]
        await _run(desk, engine(desk, named), 1)
        release.set()
        await asyncio.gather(*others)

    asyncio.run(main())
    assert desk.done == ["done 1"]
