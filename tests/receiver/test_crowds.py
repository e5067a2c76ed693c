"""Many at once: bounded waits, an honest 503 for who does not fit, and nobody is lost."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from receiver.commit import BATCH, GroupCommit
from receiver.ledger import Ledger, Result, Stored
from storage import keys
from storage.database import Database
from storage.inbox import Delivery
from storage.tables import Queue
from tests.conftest import NOW
from tests.parts.process import (
    ACCOUNT,
    Serving,
    message,
    message_id,
    request,
    serve,
    stored,
)
from tests.receiver.reception import NEW, SMOOCH, known, receiving, said

CROWD = 500
HANDLERS = 'handlers = ["handlers.echo"]\n'


async def post(port: int, data: bytes) -> int:
    """The status of one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(30):
            return int((await reader.readline()).split()[1])
    finally:
        writer.close()


async def crowd(ports: Sequence[int], *bodies: bytes) -> list[int]:
    """All of them at once."""
    numbered = enumerate(bodies)
    posts = (post(ports[n % len(ports)], request(body)) for n, body in numbered)
    return list(await asyncio.gather(*posts))


def plain(url: str) -> str:
    """The URL as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def until_done(server: Serving, url: str) -> None:
    """Until every event is handled."""
    until = time.monotonic() + 30
    while {row.status for row in stored(url)} != {"done"}:
        assert time.monotonic() < until, server.log.read_text()[-2000:]
        time.sleep(0.3)


def test_five_hundred_at_once_are_stored_and_handled_over_a_few_connections(
    database_url: str, tmp_path: Path
) -> None:
    toml = f'database_url = "{database_url}"\nspool_dir = ""\n{HANDLERS}{ACCOUNT}'
    bodies = [message(f"crowd {number}") for number in range(CROWD)]
    with serve(tmp_path, toml) as server:
        first = asyncio.run(crowd([server.port], *bodies))
        assert set(first) <= {200, 503}
        missed = [body for body, status in zip(bodies, first, strict=True) if status == 503]
        assert asyncio.run(crowd([server.port], *missed[:400])) == [200] * len(missed[:400])
        until_done(server, database_url)
        assert server.stop() == 0
        bad = [line for line in server.lines if line["event"] in ("webhook_bug", "engine_bug")]
    assert bad == []
    counted = Counter(row.message_id for row in stored(database_url) if row.message_id)
    acked = [number for number, status in enumerate(first) if status == 200]
    assert {message_id(f"crowd {number}") for number in acked} <= set(counted)
    assert set(counted.values()) == {1}


def test_five_hundred_copies_at_two_processes_are_one_event(
    postgres_url: str, tmp_path: Path
) -> None:
    toml = f'database_url = "{postgres_url}"\nspool_dir = ""\n{ACCOUNT}'
    with (
        serve(tmp_path / "one", toml, "--no-work") as one,
        serve(tmp_path / "two", toml, "--no-work") as two,
    ):
        copies = [message("copied")] * CROWD
        statuses = asyncio.run(crowd([one.port, two.port], *copies))
        assert statuses == [200] * CROWD
        one.stop()
        two.stop()
        told = [line for line in one.lines + two.lines if line["event"] == "webhook_received"]
    assert len(told) == CROWD, "one line for each"
    assert Counter(line["new"] for line in told) == {0: CROWD - 1, 1: 1}
    assert [row.message_id for row in stored(postgres_url)] == [message_id("copied")]


def test_workers_that_have_all_their_connections_do_not_keep_webhooks_out(
    postgres_url: str, tmp_path: Path
) -> None:
    toml = f'database_url = "{postgres_url}"\nspool_dir = ""\n{HANDLERS}{ACCOUNT}'
    with serve(tmp_path, toml) as server, psycopg.connect(plain(postgres_url)) as blocking:
        blocking.execute("LOCK TABLE action, run IN ACCESS EXCLUSIVE MODE")  # no handler settles
        bodies = [message(f"held {number}") for number in range(60)]
        assert asyncio.run(crowd([server.port], *bodies)) == [200] * 60
        blocking.rollback()
        until_done(server, postgres_url)


def test_a_person_who_has_to_wait_keeps_only_those_of_the_same_transaction(
    postgres_url: str, tmp_path: Path
) -> None:
    """PostgreSQL has many writers: a second transaction goes on beside one that is held up."""
    lane = keys.lane(Queue.DISPATCH, keys.user("support", "held"))

    async def main() -> None:
        async with receiving(postgres_url) as here:
            with psycopg.connect(plain(postgres_url)) as blocking:
                blocking.execute("SELECT pg_advisory_xact_lock(%s)", (lane,))
                held = asyncio.create_task(here.send(SMOOCH, said(1, "held"), NEW))
                while not await asyncio.to_thread(waiting, postgres_url):
                    assert not held.done()
                assert await here.send(SMOOCH, said(1, "free"), NEW) == 200
                assert not held.done()
            assert await held == 200

    asyncio.run(main())
    assert {row.message_id for row in stored(postgres_url)} == {"held-1", "free-1"}


def waiting(url: str) -> bool:
    """Whether somebody waits for a lock."""
    with psycopg.connect(plain(url)) as look:
        sql = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        [(count,)] = look.execute(sql).fetchall()
        return bool(count)


def test_what_does_not_fit_into_the_queue_is_deferred_at_once_and_the_rest_stored(
    postgres_url: str, tmp_path: Path
) -> None:
    toml = f'database_url = "{postgres_url}"\nspool_dir = ""\nqueue_limit = 20\n{ACCOUNT}'
    bodies = [message(f"shed {number}") for number in range(200)]
    with serve(tmp_path, toml, "--no-work") as server:
        with psycopg.connect(plain(postgres_url)) as blocking:
            blocking.execute("LOCK TABLE event IN ACCESS EXCLUSIVE MODE")

            async def main() -> list[int]:
                posts = [asyncio.create_task(post(server.port, request(b))) for b in bodies]
                for shed, answered in enumerate(asyncio.as_completed(posts), start=1):
                    assert await answered == 503
                    if shed == 100:  # they did not wait for those that fitted
                        break
                blocking.rollback()
                return list(await asyncio.gather(*posts))

            statuses = asyncio.run(main())
        assert server.said("webhook_deferred")["reason"] == "too much is waiting"
        count = Counter(statuses)
        assert set(count) == {200, 503}
        acked = [message_id(f"shed {n}") for n, status in enumerate(statuses) if status == 200]
        assert set(acked) == {row.message_id for row in stored(postgres_url)}
        assert asyncio.run(crowd([server.port], *bodies[:10])) == [200] * 10


def test_one_that_the_database_does_not_take_spoils_none_of_those_beside_it(
    database: Database,
) -> None:
    accounts = known(NEW)

    def delivery(number: int) -> Delivery:
        inbound = accounts[SMOOCH].provider.inbound
        assert inbound is not None
        [event] = inbound.parse(said(number))
        odd = replace(event, trigger="\ud800") if number == 20 else event
        return Delivery(SMOOCH, said(number), (odd,), NOW)

    async def main() -> list[Stored | BaseException]:
        commit = GroupCommit(Ledger(database, lambda: NOW))
        commit.start()
        saves = (commit.save(delivery(number)) for number in range(40))
        results = await asyncio.gather(*saves, return_exceptions=True)
        await commit.stop()
        return results

    results = asyncio.run(main())
    failed = [n for n, result in enumerate(results) if isinstance(result, BaseException)]
    assert failed == [20]
    ids = [row.message_id for row in stored(database.url)]
    assert ids == [f"ann-{number}" for number in range(40) if number != 20]


def test_a_crowd_shares_a_transaction_and_so_does_who_came_meanwhile(database: Database) -> None:
    sizes: list[int] = []

    class Counting(Ledger):
        def write(self, batch: Sequence[Delivery]) -> list[Result]:
            sizes.append(len(batch))
            time.sleep(0.1)
            return super().write(batch)

    async def main() -> None:
        commit = GroupCommit(Counting(database, lambda: NOW))
        commit.start()
        early = [asyncio.create_task(commit.save(saying(number))) for number in range(40)]
        await asyncio.sleep(0.05)
        late = [asyncio.create_task(commit.save(saying(number))) for number in range(40, 70)]
        await asyncio.gather(*early, *late)
        await commit.stop()

    asyncio.run(main())
    assert sizes == [40, 30]


def test_what_waits_at_the_end_is_written_in_transactions_of_a_bounded_size(
    database: Database,
) -> None:
    sizes: list[int] = []

    class Counting(Ledger):
        def write(self, batch: Sequence[Delivery]) -> list[Result]:
            sizes.append(len(batch))
            return super().write(batch)

    async def main() -> None:
        commit = GroupCommit(Counting(database, lambda: NOW))
        commit.start()
        saves = [asyncio.create_task(commit.save(saying(n))) for n in range(BATCH + 1)]
        await asyncio.sleep(0)  # all have come, and nothing of it is handed over
        await commit.stop()
        await asyncio.gather(*saves)

    asyncio.run(main())
    assert sizes == [BATCH, 1]
    assert len(stored(database.url)) == BATCH + 1


def saying(number: int) -> Delivery:
    """A message, read."""
    inbound = known(NEW)[SMOOCH].provider.inbound
    assert inbound is not None
    return Delivery(SMOOCH, said(number), tuple(inbound.parse(said(number))), NOW)
