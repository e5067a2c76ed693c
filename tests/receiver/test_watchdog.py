"""Loops that stand still are seen, and named, from outside."""

import asyncio
import ctypes
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from structlog.testing import capture_logs

from handlers import Context, MessageReceived, Router
from handlers.event import Event
from handlers.router import Handler
from receiver.calling import call
from receiver.watchdog import Watchdog
from tests.conftest import NOW

Lines = list[Any]


def quick() -> Watchdog:
    return Watchdog(interval=0.01, limit=0.1)


def handler(function: Callable[[Context[MessageReceived]], Any]) -> Handler:
    router = Router()
    router.on_message(function)
    return router.handlers[0]


def context() -> Context[Event]:
    event = MessageReceived(id="m1", text="a text of nobody's business")
    log = structlog.get_logger().bind(event_id=7, account="chat")
    return Context(event=event, account="chat", provider="smooch", now=NOW, log=log)


def until_logged(lines: Lines, event: str) -> dict[str, Any]:
    """The first line of that name, once it is there; blocks whoever asks."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for line in list(lines):
            if line["event"] == event:
                return dict(line)
        time.sleep(0.005)
    raise AssertionError(f"no {event} in {lines}")


def watched(main: Callable[[Watchdog, Lines], Coroutine[Any, Any, None]]) -> Lines:
    """Run it in a loop that is watched as "workers"; what was logged."""

    async def run(watchdog: Watchdog, lines: Lines) -> None:
        with watchdog, watchdog.watching("workers"):
            await main(watchdog, lines)

    with capture_logs() as lines:
        asyncio.run(run(quick(), lines))
    return list(lines)


def test_a_handler_that_blocks_is_told_once_and_again_when_it_is_over() -> None:
    with capture_logs() as lines:

        async def blocks(_: Context[MessageReceived]) -> None:
            until_logged(lines, "loop_blocked")
            time.sleep(0.2)  # noqa: ASYNC251 - the handler that one should not write

        async def main() -> None:
            with quick() as watchdog, watchdog.watching("workers"):
                assert await call(handler(blocks), context(), 30) is None
                await asyncio.to_thread(until_logged, lines, "loop_unblocked")

        asyncio.run(main())
    first = next(number for number, line in enumerate(lines) if line.get("handler"))
    blocked, over = [line for line in lines[first:] if line["event"] != "process_stalled"][:2]
    place, seconds = blocked.pop("at"), blocked.pop("seconds")
    assert blocked == {
        "event": "loop_blocked",
        "log_level": "warning",
        "part": "workers",
        "handler": handler(blocks).name,
        "event_id": 7,
        "account": "chat",
    }
    assert " > test_watchdog.py:" in place
    assert 0.1 <= seconds < over.pop("seconds")
    assert over == {"event": "loop_unblocked", "log_level": "warning", "part": "workers"}


def test_what_is_no_handler_is_told_by_its_place() -> None:
    async def main(_: Watchdog, lines: Lines) -> None:
        await asyncio.sleep(0.05)
        until_logged(lines, "loop_blocked")

    blocked = next(line for line in watched(main) if line["event"] == "loop_blocked")
    assert blocked["handler"] is None
    assert "test_watchdog.py:" in blocked["at"]
    assert blocked["at"].endswith(" until_logged")


def test_a_handler_that_waits_or_has_a_thread_is_not_blamed() -> None:
    began, release = threading.Event(), threading.Event()

    async def waits(_: Context[MessageReceived]) -> None:
        while not release.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def sleeps(_: Context[MessageReceived]) -> None:
        began.set()
        release.wait(10)

    async def main(_: Watchdog, lines: Lines) -> None:
        async with asyncio.TaskGroup() as group:
            for function in (waits, sleeps):
                group.create_task(call(handler(function), context(), 30))
            while not began.is_set():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            until_logged(lines, "loop_blocked")
            release.set()

    told = [line for line in watched(main) if line["event"] == "loop_blocked"]
    assert [line["handler"] for line in told] == [None] * len(told)


def test_the_lag_of_each_loop_can_be_asked_for() -> None:
    seen: list[dict[str, dict[str, float]]] = []

    async def main(watchdog: Watchdog, lines: Lines) -> None:
        until_logged(lines, "loop_blocked")
        seen.append(watchdog.lags())
        await asyncio.to_thread(until_logged, lines, "loop_unblocked")
        while watchdog.lags()["workers"]["now"] >= seen[0]["workers"]["now"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        seen.append(watchdog.lags())

    watched(main)
    during, after = (each["workers"] for each in seen)
    assert during["now"] >= 0.1
    assert after["last_minute"] >= during["now"] > after["now"]


def test_a_loop_that_is_gone_is_not_watched() -> None:
    async def run(watchdog: Watchdog) -> None:
        with watchdog.watching("workers"):
            await asyncio.sleep(0.05)
            assert list(watchdog.lags()) == ["workers"]

    with quick() as watchdog, capture_logs() as lines:
        asyncio.run(run(watchdog))
        time.sleep(0.3)
        assert watchdog.lags() == {}
        watchdog.tell("left_behind", "workers", events=1)
    assert lines == [
        {"event": "left_behind", "log_level": "warning", "part": "workers", "events": 1}
    ]


def test_code_that_does_not_let_go_of_the_interpreter_is_seen_when_it_does() -> None:
    hold = ctypes.PyDLL(None).usleep  # unlike time.sleep it keeps the interpreter's lock

    with quick(), capture_logs() as lines:
        time.sleep(0.05)
        hold(400_000)
        until_logged(lines, "process_stalled")
    stalled = next(line for line in lines if line["event"] == "process_stalled")
    assert stalled["seconds"] >= 0.1


def test_it_ends_with_its_block() -> None:
    with quick():
        assert "watchdog" in {thread.name for thread in threading.enumerate()}
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}
