"""The working half's own thread: its failure is the process's, and it starts and stops cleanly."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from handlers import Router
from receiver.settings import Settings
from receiver.watchdog import Watchdog
from receiver.working import Worker
from storage.database import Database


class Failing(Worker):
    """One whose engines have a bug."""

    async def _work(self) -> None:
        raise ZeroDivisionError


def made(kind: Callable[..., Worker], database: Database) -> Worker:
    settings = Settings.model_validate({"database_url": database.url})

    def clock() -> datetime:
        return datetime.now(UTC)

    return kind(settings, {}, Router(), database, clock, None, Watchdog())


def test_its_failure_ends_what_runs_beside_it(database: Database) -> None:
    async def main() -> None:
        async with made(Failing, database).working():
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert caught.group_contains(ZeroDivisionError)


def test_what_the_block_raises_comes_out_as_it_is(database: Database) -> None:
    async def main() -> None:
        async with made(Worker, database).working():
            raise OSError("the port is taken")

    with pytest.raises(OSError, match="the port is taken"):
        asyncio.run(main())


def test_nothing_of_it_is_left_afterwards(database: Database) -> None:
    worker = made(Worker, database)
    before = set(threading.enumerate())

    async def main() -> None:
        async with worker.working():
            while set(threading.enumerate()) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            worker.wake()
        worker.wake()
        worker.stop()

    asyncio.run(main())
    assert not worker.left_behind
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread.name
