"""
A worker that is cut off from the database while it works, and comes back: another one has had its
work meanwhile, and what it says late does not count.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from handlers.router import Router
from receiver.serving import free_port
from receiver.standins.faults import Slow
from receiver.standins.server import serving_in_thread
from receiver.standins.smooch import SmoochState, smooch_app
from storage.database import Database
from tests.parts.cable import Cable, cable
from tests.receiver.worker import Clock, Worker, plain, said, smooch_account
from tests.soak.processes import Hookline, toml

WAIT = 40.0  # seconds until something that must come about has not

# Notes who handles what; the first handler of the worker "a" ends when it is cut off.
HANDLERS = """
import asyncio
import os
from pathlib import Path

from handlers import Context, MessageReceived, Router

router = Router()
folder, me = Path(os.environ["FOLDER"]), os.environ["ME"]

@router.on_message
async def answer(ctx: Context[MessageReceived]) -> None:
    with (folder / "notes").open("a") as notes:
        notes.write(f"{me}: {ctx.event.text}\\n")
    while me == "a" and not (folder / "go").exists():
        await asyncio.sleep(0.01)
    ctx.reply(f"re {ctx.event.text}")
"""


@dataclass
class Pair:
    """Two workers, "a" behind the cut, "b" not. worker: stores webhooks, and looks at tables."""

    folder: Path
    url: str
    provider: SmoochState
    account: dict[str, Any]
    worker: Worker
    between: Cable
    stack: ExitStack

    def start(self, name: str) -> Hookline:
        """One of them."""
        url = make_url(self.url)
        behind = url.set(port=self.between.port) if name == "a" else url
        settings = {
            "database_url": behind.render_as_string(hide_password=False),
            "admin_port": free_port(),
            "handlers": [str(self.folder / "answer.py")],
            "lease": "4s",
        }
        written = toml(settings, {"chat": self.account})
        env = {"FOLDER": str(self.folder), "ME": name}
        made = self.stack.enter_context(Hookline(self.folder / name, written, "work", **env))
        made.start()
        return made

    def go(self) -> None:
        """Let the handler of "a" end."""
        (self.folder / "go").touch()

    def notes(self) -> list[str]:
        file = self.folder / "notes"
        return file.read_text().splitlines() if file.exists() else []

    def replies(self) -> list[str]:
        return [message["text"] for message in list(self.provider.messages)]

    def jobs(self) -> int:
        """Unfinished work, without what waits for a human."""
        return int(self.worker.rows("SELECT count(*) FROM job WHERE state <> 4")[0][0])


def until(holds: Callable[[], bool]) -> None:
    """Wait for it, not for ever."""
    end = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


@pytest.fixture
def pair(postgres_url: str, tmp_path: Path) -> Iterator[Pair]:
    provider, opened = SmoochState(adopt=True), Database(postgres_url)
    (tmp_path / "answer.py").write_text(HANDLERS)
    with ExitStack() as stack:
        stack.callback(opened.close)
        url = stack.enter_context(serving_in_thread(smooch_app(provider)))
        between = stack.enter_context(cable(make_url(postgres_url).port or 5432))
        worker = plain(opened, Router(), Clock(datetime.now(UTC)))
        account = smooch_account(provider, url)
        yield Pair(tmp_path, postgres_url, provider, account, worker, between, stack)


def test_what_its_handler_did_is_refused_when_another_has_done_it(pair: Pair) -> None:
    pair.worker.receive(said("first"))
    cut_off = pair.start("a")
    until(lambda: pair.notes() == ["a: first"])
    pair.between.hold()
    pair.go()  # its handler succeeds, and cannot say so

    other = pair.start("b")
    until(lambda: pair.replies() == ["re first"] and not pair.jobs())
    assert pair.worker.rows("SELECT attempts, outcome FROM run") == [(2, "done")]

    pair.between.let_go()
    assert other.stop_when_up() == 0
    pair.worker.receive(said("second"))  # which "a" takes only when it has settled the first
    until(lambda: len(pair.replies()) == 2 and not pair.jobs())
    assert pair.notes() == ["a: first", "b: first", "a: second"]
    assert pair.replies() == ["re first", "re second"]
    assert pair.worker.statuses() == ["sent", "sent"]
    runs = pair.worker.rows("SELECT attempts, outcome FROM run ORDER BY event_id")
    assert runs == [(2, "done"), (1, "done")]
    assert cut_off.stop() == 0
    assert cut_off.surprises() == other.surprises() == 0


def test_what_it_sent_is_uncertain_and_stays_so(pair: Pair) -> None:
    pair.go()
    pair.provider.faults.next(Slow(1.0), on="/messages")
    pair.worker.receive(said("first"))
    cut_off = pair.start("a")
    until(lambda: any("/messages" in seen.path for seen in list(pair.provider.requests)))
    pair.between.hold()  # its request is under way, and its answer cannot be noted

    other = pair.start("b")
    until(lambda: pair.worker.statuses() == ["uncertain"])
    assert pair.replies() == ["re first"]

    pair.between.let_go()
    assert other.stop_when_up() == 0
    pair.worker.receive(said("second"))
    until(lambda: len(pair.replies()) == 2 and not pair.jobs())
    assert pair.replies() == ["re first", "re second"]
    assert pair.worker.statuses() == ["uncertain", "sent"]
    assert cut_off.stop() == 0
    assert cut_off.surprises() == other.surprises() == 0
