"""Handlers that never give their loop back, or want to end the process, in a real `serve`."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from storage.database import Database
from tests.parts.process import ACCOUNT, Serving, Talk, ask, request, serve, stored
from tests.receiver.worker import said

WEBHOOKS = 50
MODULE = "hookline_file_orders"  # of handlers in a file orders.py

# Each message is an order; the file "blocked" says that it is carried out, "release" ends it.
HANDLERS = """
import asyncio
import os
import time
from pathlib import Path

from handlers import Context, MessageReceived, Router, when

router = Router()

def is_released():
    Path("blocked").touch()
    return Path("release").exists()

@router.on_message(when.text("^sleep$"))
async def sleep(ctx: Context[MessageReceived]) -> None:
    while not is_released():
        time.sleep(0.05)

@router.on_message(when.text("^compute$"))
async def compute(ctx: Context[MessageReceived]) -> None:
    while not is_released():
        sum(range(500_000))

@router.on_message(when.text("^leave a thread$"))
async def leave(ctx: Context[MessageReceived]) -> None:
    is_released()
    await asyncio.to_thread(time.sleep, 600)

@router.on_message(when.text("^wait$"))
async def wait(ctx: Context[MessageReceived]) -> None:
    is_released()
    await asyncio.sleep(600)

@router.on_message(when.text("^exit$"))
async def exits(ctx: Context[MessageReceived]) -> None:
    raise SystemExit(3)

@router.on_message(when.text("^interrupt$"))
async def interrupts(ctx: Context[MessageReceived]) -> None:
    raise KeyboardInterrupt

@router.on_message(when.text("^exit in a thread$"))
def exits_there(ctx: Context[MessageReceived]) -> None:
    raise SystemExit(3)

@router.on_message(when.text("^exit in a task$"))
async def exits_beside(ctx: Context[MessageReceived]) -> None:
    await asyncio.gather(exits(ctx), asyncio.sleep(0.01))

@router.on_message(when.text("^end at once$"))
async def ends(ctx: Context[MessageReceived]) -> None:
    os._exit(3)

@router.on_message
async def hello(ctx: Context[MessageReceived]) -> None:
    pass
"""

TOML = f"""
handlers = ["orders.py"]
max_attempts = 1
{ACCOUNT}
"""


SHORT = {"LEASE": "2s"}  # until another process may have what a dead one had


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.py").write_text(HANDLERS)
    return tmp_path


@pytest.fixture
def serving(folder: Path) -> Iterator[Serving]:
    with serve(folder, TOML) as running:
        yield running


def post(serving: Serving, text: str, user: str) -> int:
    """The status of the answer to this message."""
    answer = ask(serving.port, request(said(text, user=user)))
    assert answer is not None
    return answer.status


def until_exists(path: Path) -> None:
    end = time.monotonic() + 15
    while not path.exists():
        assert time.monotonic() < end, f"no {path.name}"
        time.sleep(0.02)


def until_settled(serving: Serving) -> dict[str, int]:
    """How many events are of each status, once none is pending."""
    end = time.monotonic() + 15
    while True:
        found = [row.status for row in stored(serving.database_url)]
        if "pending" not in found:
            return {status: found.count(status) for status in set(found)}
        assert time.monotonic() < end, found
        time.sleep(0.05)


def failures(serving: Serving) -> list[str]:
    """What the runs of handlers failed with."""
    database = Database(serving.database_url)
    try:
        with database.read() as tx:
            return [row[0] for row in tx.run("SELECT error FROM run WHERE error IS NOT NULL")]
    finally:
        database.close()


@pytest.mark.parametrize("order", ["sleep", "compute"])
def test_a_handler_that_blocks_is_named_and_no_webhook_waits_for_it(
    serving: Serving, order: str
) -> None:
    assert post(serving, order, "ann") == 200
    until_exists(serving.folder / "blocked")
    assert [post(serving, "hi", f"u{n}") for n in range(WEBHOOKS)] == [200] * WEBHOOKS

    told = serving.said("loop_blocked")
    first = stored(serving.database_url)[0]
    assert told["part"] == "workers"
    assert told["handler"] == f"{MODULE}.{order}"
    assert told["event_id"] == first.id
    assert told["account"] == "support"
    assert told["seconds"] >= 1
    assert re.search(rf"\borders\.py:\d+ {order}\b", told["at"])

    ready = httpx.get(f"{serving.admin}/readyz", trust_env=False)
    assert ready.status_code == 200
    lag = ready.json()["lag"]
    assert lag["workers"]["now"] > 1
    assert lag["receiver"]["now"] < lag["workers"]["now"]

    (serving.folder / "release").touch()
    assert serving.said("loop_unblocked", part="workers")["seconds"] >= told["seconds"]
    assert until_settled(serving) == {"done": 1 + WEBHOOKS}
    assert [line["event"] for line in serving.lines].count("loop_blocked") == 1
    assert serving.stop() == 0


def test_a_stop_leaves_a_handler_behind_that_does_not_end_and_the_next_process_has_its_event(
    folder: Path,
) -> None:
    with serve(folder, TOML, settings=SHORT) as serving:
        assert post(serving, "compute", "ann") == 200
        until_exists(folder / "blocked")
        assert post(serving, "hi", "ann") == 200
        assert serving.stop(seconds=15) == 0
        told = serving.said("left_behind")
        assert (told["part"], told["handler"]) == ("workers", f"{MODULE}.compute")
        assert (told["events"], told["actions"]) == (1, 0)
        assert [row.status for row in stored(serving.database_url)] == ["pending"] * 2
    (folder / "release").touch()
    with serve(folder, TOML, settings=SHORT) as serving:
        assert until_settled(serving) == {"done": 1, "dead": 1}
    assert failures(serving) == []


def test_a_stop_does_not_wait_for_threads_that_a_handler_has_started(serving: Serving) -> None:
    assert post(serving, "leave a thread", "ann") == 200
    until_exists(serving.folder / "blocked")
    assert serving.stop(seconds=15) == 0
    assert serving.said("stopped_early")["unsettled"] == 1
    assert serving.said("stopped")


def test_a_slow_client_and_a_slow_handler_have_their_last_seconds_together(
    serving: Serving,
) -> None:
    assert post(serving, "wait", "ann") == 200
    until_exists(serving.folder / "blocked")
    with Talk(serving.port) as talk:
        talk.send(request(b"{", length=1000))
        assert serving.stop(seconds=13) == 0, "each has eight seconds"
    assert serving.said("stopped_early")["unsettled"] == 1


@pytest.mark.parametrize(
    ("order", "handler", "error"),
    [
        ("exit", "exits", "SystemExit: 3"),
        ("interrupt", "interrupts", "KeyboardInterrupt: "),
        ("exit in a thread", "exits_there", "SystemExit: 3"),
        ("exit in a task", "exits_beside", "SystemExit: 3"),
    ],
)
def test_a_handler_that_exits_has_failed_and_the_worker_goes_on(
    serving: Serving, order: str, handler: str, error: str
) -> None:
    assert post(serving, order, "ann") == 200
    assert post(serving, "hi", "bob") == 200
    assert until_settled(serving) == {"dead": 1, "done": 1}
    assert failures(serving) == [f"RuntimeError: {MODULE}.{handler} raised {error}"]
    assert serving.stop() == 0


def test_a_handler_that_ends_the_process_is_given_up_and_holds_up_nobody_for_ever(
    folder: Path,
) -> None:
    with serve(folder, TOML, settings=SHORT) as serving:
        assert post(serving, "end at once", "ann") == 200
        assert serving.process.wait(10) == 3
    with serve(folder, TOML, settings=SHORT) as serving:
        assert post(serving, "hi", "ann") == 200
        assert until_settled(serving) == {"dead": 1, "done": 1}
        assert serving.stop() == 0


def test_a_port_that_is_taken_is_told_in_a_line(serving: Serving, tmp_path: Path) -> None:
    taken = {"PORT": str(serving.port)}
    with pytest.raises(AssertionError, match="it did not start") as caught:  # noqa: SIM117
        with serve(tmp_path / "two", ACCOUNT, settings=taken):
            pass
    told = str(caught.value)
    assert "cannot listen on" in told
    assert "Traceback" not in told
