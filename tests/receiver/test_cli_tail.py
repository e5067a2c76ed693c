"""`hookline tail`: every event once, as it comes in."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from handlers.events import MessageReceived
from handlers.people import User
from storage import inbox
from storage.database import Database
from storage.following import BACK, LATE, Following
from storage.inbox import Delivery
from tests.conftest import NOW
from tests.parts.process import COMMAND, SECRET

SETTINGS = f'[accounts.chat]\nprovider = "smooch"\nwebhook_secrets = ["{SECRET}"]\n'


def delivery(number: int, user: str, account: str = "chat") -> Delivery:
    event = MessageReceived(id=f"{user}:{number}", user=User(user), text=f"text {number}")
    return Delivery(account, f"{user} {number}".encode(), (event,), NOW)


def write(database: Database, *deliveries: Delivery) -> None:
    with database.write() as tx:
        inbox.save(tx, deliveries, NOW)


@dataclass
class Tail:
    """A running `hookline tail`."""

    process: subprocess.Popen[bytes]
    lines: "queue.Queue[str]"

    def next(self) -> str:
        """The next line of its output."""
        return self.lines.get(timeout=20)

    def stop(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


@contextmanager
def tailing(folder: Path, url: str, *args: str) -> Iterator[Tail]:
    (folder / "hookline.toml").write_text(SETTINGS, encoding="utf-8")
    process = subprocess.Popen(
        [*COMMAND, "tail", *args],
        cwd=folder,
        env={**os.environ, "HOOKLINE_DATABASE_URL": url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
    )
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.decode().rstrip("\n"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield Tail(process, lines)
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def key(line: str) -> str:
    found: dict[str, Any] = json.loads(line)
    return str(found["key"])


def test_what_was_there_comes_first_then_what_comes(database: Database, tmp_path: Path) -> None:
    write(database, *(delivery(number, "ann") for number in range(5)))
    with tailing(tmp_path, database.url, "--json", "--limit", "2") as tail:
        assert [key(tail.next()) for _ in range(2)] == ["ann:3", "ann:4"]
        for number in range(5, 8):
            write(database, delivery(number, "ann"), delivery(number, "bob"))
            assert [key(tail.next()) for _ in range(2)] == [f"ann:{number}", f"bob:{number}"]
        assert tail.stop() == 0
        assert tail.lines.empty()


def test_only_what_is_wanted_is_shown(database: Database, tmp_path: Path) -> None:
    with tailing(tmp_path, database.url, "--user", "bob", "--account", "chat") as tail:
        write(database, delivery(1, "bob"))
        assert " bob " in tail.next()
        write(database, delivery(2, "ann"), delivery(3, "bob", "other"), delivery(4, "bob"))
        cells = tail.next().split()
        assert cells[1:6] == ["2026-11-21", "12:00:00", "chat", "message.received", "bob"]
        assert tail.stop() == 0


def test_nothing_is_told_twice_however_often_it_is_looked_at(database: Database) -> None:
    following, told, now = Following(), list[int](), 0.0
    write(database, *(delivery(number, "before") for number in range(BACK + 10)))
    with database.read() as tx:
        greatest = following.start(tx, now)
    for number in range(30):
        write(database, delivery(number, "ann"))
        now += LATE / 10
        with database.read() as tx:
            told += following.news(tx, now)
    with database.read() as tx:
        assert following.news(tx, now + 10 * LATE) == []
    assert told == sorted(set(told))
    assert len(told) == 30
    assert min(told) > greatest


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("late", [0.0, LATE - 1])
def test_what_commits_later_with_a_smaller_id_is_told_as_well(
    databases: Callable[[], Database], late: float
) -> None:
    """Two receivers over one PostgreSQL: ids are given before the commit. SQLite has one writer."""
    one, other = databases(), databases()
    write(one, delivery(0, "before"))
    following = Following()
    with one.write() as slow:
        inbox.save(slow, [delivery(1, "slow")], NOW)
        slow.run("SELECT 1").fetchall()  # it has come so far
        with other.read() as tx:
            following.start(tx, 0.0)
        write(other, delivery(1, "quick"))
        with other.read() as tx:
            [quick] = following.news(tx, 1.0)
    with other.read() as tx:
        [first] = following.news(tx, 1.0 + late)
        assert following.news(tx, 1.0 + late) == []
    assert first < quick
