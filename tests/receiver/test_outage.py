"""A PostgreSQL that goes away and comes back: nothing is lost, doubled or overtaken."""

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.spool import Spool
from storage.database import Database
from storage.inbox import Delivery
from tests.conftest import NOW, missing
from tests.parts import postgres
from tests.parts.postgres import Server
from tests.parts.process import stored
from tests.receiver.reception import NEW, SINCH, SMOOCH, Reception, receiving, said, texted

USERS = 8
_databases = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL of this file's own, since it is stopped and started."""
    try:
        with postgres.server() as running:
            yield running
    except FileNotFoundError as error:
        missing(str(error))


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A new one in it."""
    url = postgres.create_database(server.url, f"outage_{next(_databases)}")
    opened = Database(url, pool_size=4)
    opened.migrate()
    yield opened
    opened.close()


def run(
    database: Database, spool: Path, what: Callable[[Reception], Any], **options: Any
) -> tuple[list[int], list[Any]]:
    """Receive while `what` goes on; the statuses and the log."""

    async def main() -> list[int]:
        async with receiving(database.url, NEW, spool_dir=str(spool), **options) as here:
            await what(here)
            return here.statuses

    with capture_logs() as logs:
        return asyncio.run(main()), logs


async def until_empty(spool: Path, seconds: float = 20) -> None:
    """Until everything is taken in."""
    until = time.monotonic() + seconds
    while any(name.endswith(".spool") for name in os.listdir(spool)):
        assert time.monotonic() < until, "the spool does not get empty"
        await asyncio.sleep(0.02)


def order_of(database: Database) -> dict[str, list[int]]:
    """The numbers of each user's messages, in the order in which they were stored."""
    found = defaultdict(list)
    for row in stored(database.url):
        assert row.body is not None
        user, _, number = str(row.message_id).partition("-")
        assert json.loads(row.body)["appUser"]["_id"] == user
        found[user].append(int(number))
    return found


async def _stop(server: Server) -> None:
    await asyncio.to_thread(server.stop)


async def _start(server: Server) -> None:
    await asyncio.to_thread(server.start, "fsync=off", "max_connections=200")


def test_an_outage_under_load_loses_nothing_and_keeps_the_order(
    server: Server, database: Database, tmp_path: Path
) -> None:
    acked: dict[str, list[int]] = defaultdict(list)
    stopping = asyncio.Event()

    async def talk(here: Reception, user: str) -> None:
        """One user's messages, each sent when the last was acknowledged."""
        for number in count():
            if stopping.is_set():
                return
            while await here.send(SMOOCH, said(number, user), NEW) != 200:
                pass
            acked[user].append(number)

    async def outages(here: Reception) -> None:
        users = [asyncio.create_task(talk(here, f"u{number}")) for number in range(USERS)]
        for _ in range(2):
            await asyncio.sleep(0.3)
            await _stop(server)
            await asyncio.sleep(0.7)
            await _start(server)
            await until_empty(tmp_path)
        await asyncio.sleep(0.2)  # directly again
        stopping.set()
        await asyncio.gather(*users)

    statuses, logs = run(database, tmp_path, outages)
    assert set(statuses) == {200}
    assert sum(line.get("spooled", False) for line in logs) > USERS
    assert not [line for line in logs if "exc_info" in line or "Traceback" in str(line)]
    assert [line["event"] for line in logs].count("spool_empty") == 2
    assert order_of(database) == acked


def test_what_was_left_over_goes_first(server: Server, database: Database, tmp_path: Path) -> None:
    async def while_away(here: Reception) -> None:
        await _stop(server)
        for number in range(5):
            await here.send(SMOOCH, said(number), NEW)

    async def afterwards(here: Reception) -> None:
        for number in range(5, 8):
            await here.send(SMOOCH, said(number), NEW)
        await until_empty(tmp_path)
        await here.send(SMOOCH, said(8), NEW)

    statuses, logs = run(database, tmp_path, while_away)
    asyncio.run(_start(server))
    assert statuses == [200] * 5
    assert "spool_kept" in [line["event"] for line in logs]
    more, logs = run(database, tmp_path, afterwards)
    assert more == [200] * 4
    assert "spool_left_over" in [line["event"] for line in logs]
    assert order_of(database) == {"ann": list(range(9))}


def test_a_full_spool_defers(server: Server, database: Database, tmp_path: Path) -> None:
    async def away(here: Reception) -> None:
        await _stop(server)
        for number in range(6):
            await here.send(SMOOCH, said(number), NEW)
        await _start(server)
        await until_empty(tmp_path)
        await here.send(SMOOCH, said(5), NEW)

    size = len(said(0))
    statuses, logs = run(database, tmp_path, away, spool_max_bytes=size * 4)
    assert statuses == [200] * 3 + [503] * 3 + [200]
    assert "spool_full" in [line["event"] for line in logs]
    assert order_of(database) == {"ann": [0, 1, 2, 5]}


def test_without_a_spool_it_is_a_503(server: Server, database: Database) -> None:
    async def away() -> list[int]:
        async with receiving(database.url, NEW) as here:
            await _stop(server)
            await here.send(SMOOCH, said(1), NEW)
            await _start(server)
            await here.send(SMOOCH, said(1), NEW)
            return here.statuses

    assert asyncio.run(away()) == [503, 200]
    assert order_of(database) == {"ann": [1]}


def test_replays_are_told_when_they_are_taken_in(
    server: Server, database: Database, tmp_path: Path
) -> None:
    async def away(here: Reception) -> None:
        await here.send(SINCH, texted(0), NEW, "first")
        await _stop(server)
        await here.send(SINCH, texted(1), NEW, "once")
        await here.send(SINCH, texted(1), NEW, "once")
        await here.send(SINCH, texted(2), NEW, "first")
        await _start(server)
        await until_empty(tmp_path)

    statuses, logs = run(database, tmp_path, away)
    assert statuses == [200] * 4
    assert [row.message_id for row in stored(database.url)] == ["text-0", "text-1", "text-2"]
    [alarm] = [line for line in logs if line["event"] == "nonce_reused"]
    assert (alarm["account"], alarm["stored"]) == (SINCH, True)


def left_over(folder: Path, *deliveries: Delivery) -> None:
    spool = Spool(folder, 2**20)
    spool.open()
    spool.append(deliveries, begin=True)
    spool.close()


def test_what_cannot_be_stored_is_set_aside_and_stops_nothing(
    database: Database, tmp_path: Path
) -> None:
    good = [Delivery(SMOOCH, said(number), (), NOW) for number in range(3)]
    bad = good[0]._replace(account="no such\0account")
    left_over(tmp_path, good[0], bad, good[1])

    async def nothing(_: Reception) -> None:
        await until_empty(tmp_path)

    _, logs = run(database, tmp_path, nothing)
    [told] = [line for line in logs if line["event"] == "spool_set_aside"]
    assert bad.body in Path(told["file"]).read_bytes()
    assert order_of(database) == {"ann": [0, 1]}


def test_what_was_acknowledged_is_stored_without_its_account(
    database: Database, tmp_path: Path
) -> None:
    left_over(tmp_path, Delivery("gone", said(1), (), NOW - timedelta(days=2)))

    async def nothing(_: Reception) -> None:
        await until_empty(tmp_path)

    run(database, tmp_path, nothing)
    [row] = stored(database.url)
    assert (row.account, row.type, row.body) == ("gone", "unparsed", said(1))
    assert row.error == "its account is not configured any more"


def test_a_body_that_cannot_be_read_is_kept_through_the_spool(
    server: Server, database: Database, tmp_path: Path
) -> None:
    async def away(here: Reception) -> None:
        await _stop(server)
        await here.send(SMOOCH, b"no json", NEW)
        await _start(server)
        await until_empty(tmp_path)

    statuses, _ = run(database, tmp_path, away)
    assert statuses == [200]
    assert [(row.type, row.body) for row in stored(database.url)] == [("unparsed", b"no json")]
