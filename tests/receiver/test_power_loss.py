"""
The power fails: what is left of SQLite's file and its log, as they are at one moment under load,
holds everything that was acknowledged until then.
"""

import asyncio
import random
import shutil
import signal
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from receiver.bench.bodies import number_of
from receiver.serving import free_port
from storage.database import Database
from tests.soak.client import ACCOUNTS, Providers, until_served
from tests.soak.processes import Hookline, toml

MOMENTS = 5
CONNECTIONS = 8


@dataclass(frozen=True)
class Left:
    """What is found at one moment. acked: until then, as far as the senders know."""

    file: Path
    acked: set[int]


async def moments(process: Hookline, port: int, folder: Path) -> list[Left]:
    """Load it, and take what there is at some random moments."""
    chance = random.Random(11)
    providers = Providers(port, 20, chance)
    found = []
    process.start()
    await until_served(process, port)
    async with asyncio.TaskGroup() as group:
        group.create_task(providers.run(CONNECTIONS))
        for number in range(MOMENTS):
            await asyncio.sleep(chance.uniform(0.1, 0.6))
            found.append(left(process, folder / f"left{number}", providers))
        providers.stopping = True
    assert await asyncio.to_thread(process.stop) == 0
    return found


def left(process: Hookline, folder: Path, providers: Providers) -> Left:
    """A copy of both files while time stands still for the process."""
    folder.mkdir()
    process.signal(signal.SIGSTOP)
    try:
        acked = set(providers.acked)
        for name in ("hookline.db", "hookline.db-wal"):
            shutil.copy(process.folder / name, folder / name)
    finally:
        process.signal(signal.SIGCONT)
    return Left(folder / "hookline.db", acked)


def stored(file: Path) -> set[int]:
    """The webhooks in it, if it is whole."""
    connection = sqlite3.connect(file)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {number_of(row[0]) for row in connection.execute("SELECT message_id FROM event")}
    finally:
        connection.close()


def test_everything_that_was_acknowledged_is_there_after_it(tmp_path: Path) -> None:
    port, chance = free_port(), random.Random(12)
    settings = {"port": port, "admin_port": free_port(), "log_level": "error"}
    arguments = ("serve", "--no-work")
    with Hookline(tmp_path / "served", toml(settings, ACCOUNTS), *arguments) as process:
        found = asyncio.run(moments(process, port, tmp_path))
    assert len(found[-1].acked) > len(found[0].acked), "there was load"
    for one in found:
        torn = shutil.copytree(one.file.parent, one.file.parent.with_suffix(".torn"))
        with (torn / "hookline.db-wal").open("ab") as log:
            log.write(chance.randbytes(chance.randint(1, 9000)))  # a write that was under way
        assert one.acked <= stored(one.file)
        assert one.acked <= stored(torn / "hookline.db")


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    opened = Database(f"sqlite:///{tmp_path}/hookline.db")
    try:
        with opened.write() as tx:
            assert tx.run("PRAGMA journal_mode").fetchone()[0] == "wal"
            assert tx.run("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    finally:
        opened.close()
