"""Refused requests: kept, bounded, without a secret, and turned into events when it is mended."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver import notebook, quarantine
from receiver.quarantine import Judged
from storage import quarantine as kept
from storage.database import Database
from storage.quarantine import Bounds, Refusal
from tests.conftest import NOW
from tests.parts.process import COMMAND, stored
from tests.receiver.reception import (
    NEW,
    OLD,
    SINCH,
    SMOOCH,
    WRONG,
    Clock,
    Reception,
    body_of,
    known,
    receiving,
    said,
    texted,
)

BOUNDS = Bounds(requests=10_000, bytes=64 * 1024 * 1024, age=timedelta(days=7), per_peer=1000)
BOTH = pytest.mark.parametrize("account", [SMOOCH, SINCH])


def run(
    database: Database, what: Callable[[Reception], Any], *secrets: str, **options: Any
) -> list[int]:
    """Receive with these secrets while `what` goes on; the statuses."""

    async def main() -> list[int]:
        async with receiving(database.url, *secrets, **options) as here:
            await what(here)
            return here.statuses

    return asyncio.run(main())


def reverify(database: Database, *secrets: str, **options: Any) -> list[Judged]:
    given: dict[str, Any] = {"only": None, "now": NOW, "dry_run": False} | options
    return list(quarantine.reverify(database, known(*secrets), **given))


def rows(database: Database) -> list[Refusal]:
    with database.read() as tx:
        return kept.read(tx, kept.in_order(tx, None))


def message_ids(database: Database) -> list[str | None]:
    return [row.message_id for row in stored(database.url)]


@BOTH
def test_a_refused_request_becomes_an_event_when_the_secret_is_mended(
    account: str, database: Database
) -> None:
    async def post(here: Reception) -> None:
        for number in range(5):
            await here.send(account, body_of(account, number), NEW)
            here.clock.now += timedelta(seconds=1)
        await here.send(account, body_of(account, 99), "somebody-else's")

    clock = Clock()
    assert run(database, post, WRONG, clock=clock) == [401] * 6
    assert message_ids(database) == []
    assert [one.reason for one in reverify(database, WRONG) if one.genuine] == []

    judged = reverify(database, OLD, NEW, now=NOW + timedelta(days=3))
    assert [one.genuine for one in judged] == [True] * 5 + [False]
    assert [one.new for one in judged] == [1] * 5 + [None]
    prefix = {SMOOCH: "ann", SINCH: "text"}[account]
    assert message_ids(database) == [f"{prefix}-{number}" for number in range(5)]
    assert [row.body for row in rows(database)] == [body_of(account, 99)]
    assert [one.genuine for one in reverify(database, OLD, NEW)] == [False]
    assert len(message_ids(database)) == 5


def test_what_the_provider_sent_again_meanwhile_is_one_event(database: Database) -> None:
    async def first(here: Reception) -> None:
        await here.post(SINCH, texted(1), here.signed(SINCH, texted(1), NEW, "once"))

    assert run(database, first, WRONG) == [401]
    assert run(database, first, NEW) == [200]
    assert [(one.genuine, one.new) for one in reverify(database, NEW)] == [(True, 0)]
    assert message_ids(database) == ["text-1"]
    assert rows(database) == []


def test_two_at_once_take_each_one_in_once(databases: Callable[[], Database]) -> None:
    async def post(here: Reception) -> None:
        for number in range(30):
            await here.send(SMOOCH, said(number), NEW)

    first, second = databases(), databases()
    run(first, post, WRONG)
    with ThreadPoolExecutor(2) as pool:
        judged = list(pool.map(lambda one: reverify(one, NEW), (first, second)))
    assert sum(one.new or 0 for found in judged for one in found) == 30
    assert message_ids(first) == [f"ann-{number}" for number in range(30)]


def test_a_dry_run_changes_nothing(database: Database) -> None:
    async def post(here: Reception) -> None:
        await here.send(SMOOCH, said(1), NEW)

    run(database, post, WRONG)
    [told] = reverify(database, NEW, dry_run=True)
    assert (told.genuine, told.new, told.reason) == (True, None, None)
    assert len(rows(database)) == 1
    assert message_ids(database) == []


def test_a_reused_nonce_stays_however_genuine(database: Database) -> None:
    async def post(here: Reception) -> None:
        await here.send(SINCH, texted(1), NEW, "once")
        await here.send(SINCH, texted(2), NEW, "once")

    assert run(database, post, NEW) == [200, 401]
    [told] = reverify(database, NEW)
    assert (told.genuine, told.new) == (True, None)
    assert "nonce" in str(told.reason)
    assert message_ids(database) == ["text-1"]


def test_a_signature_that_was_too_old_when_it_came_stays(database: Database) -> None:
    async def post(here: Reception) -> None:
        headers = here.signed(SINCH, texted(1), NEW)
        here.clock.now += timedelta(hours=25)
        await here.post(SINCH, texted(1), headers)

    assert run(database, post, NEW) == [401]
    [told] = reverify(database, NEW)
    assert (told.genuine, told.reason) == (False, rows(database)[0].reason)


def test_only_the_account_that_is_named_is_verified_again(database: Database) -> None:
    async def post(here: Reception) -> None:
        await here.send(SINCH, texted(1), NEW)
        await here.send(SMOOCH, said(1), NEW)

    run(database, post, WRONG)
    assert [one.account for one in reverify(database, NEW, only=SMOOCH)] == [SMOOCH]
    assert message_ids(database) == ["ann-1"]


def test_an_account_that_is_gone_keeps_its_requests(database: Database) -> None:
    async def post(here: Reception) -> None:
        await here.send(SMOOCH, said(1), NEW)

    run(database, post, WRONG)
    [told] = quarantine.reverify(database, {}, None, NOW, dry_run=False)
    assert (told.genuine, told.reason) == (False, "its account is not configured")
    assert len(rows(database)) == 1


# What came -> whether it can prove itself later. Doubled and missing headers never do.
HEADERS: dict[str, tuple[list[tuple[str, str]], bool]] = {
    "a key": ([("x-api-key", NEW)], True),
    "another key": ([("x-api-key", NEW + "x")], False),
    "no key": ([], False),
    "an empty key": ([("x-api-key", "")], False),
    "the key twice": ([("x-api-key", NEW), ("x-api-key", NEW)], False),
    "a wrong key and the key": ([("x-api-key", WRONG), ("x-api-key", NEW)], False),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_key_is_recognised_by_its_digest_alone(name: str, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    headers, genuine = HEADERS[name]

    async def post(here: Reception) -> None:
        await here.client.post(f"/webhooks/{SMOOCH}", content=said(1), headers=headers)

    run(database, post, OLD)
    [row] = rows(database)
    given = [header.value for header in row.headers if header.name == "x-api-key"]
    assert len(given) == len(headers)
    assert not {NEW, WRONG} & set(given)
    assert [one.genuine for one in reverify(database, OLD, NEW)] == [genuine]
    database.close()


def test_no_presented_secret_is_anywhere(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)

    async def post(here: Reception) -> None:
        for _ in range(2):
            await here.client.post(
                f"/webhooks/{SMOOCH}",
                content=said(1),
                headers={"X-API-Key": NEW, "Authorization": f"Bearer {OLD}", "Cookie": OLD},
            )

    run(database, post, WRONG)
    one, other = rows(database)
    assert [header.name for header in one.headers] == ["x-api-key"]
    assert one.headers != other.headers, "the digests are salted"
    database.close()
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not [secret for secret in (NEW, OLD, WRONG) if secret.encode() in files]


def test_what_is_packed_is_kept_and_never_unpacked(database: Database) -> None:
    body = b"\x1f\x8b" + b"packed" * 10

    async def post(here: Reception) -> None:
        headers = {**here.signed(SMOOCH, body, NEW), "content-encoding": "gzip"}
        await here.post(SMOOCH, body, headers)

    assert run(database, post, NEW) == [415]
    [row] = rows(database)
    assert (row.status, row.body, row.reason) == (415, body, "a content encoding")
    assert [one.new for one in reverify(database, NEW)] == [1]
    assert [row.type for row in stored(database.url)] == ["unparsed"]


def refusal(number: int, peer: str = "192.0.2.1", size: int = 10) -> Refusal:
    when = NOW + timedelta(seconds=number)
    return Refusal(SMOOCH, when, peer, 401, "wrong", b"salt", (), b"x" * size)


# name -> (bounds, what comes: (peer, size) each, which of them stay)
BOUNDED: dict[str, tuple[dict[str, Any], list[tuple[str, int]], list[int]]] = {
    "number": ({"requests": 3}, [("a", 1)] * 5, [2, 3, 4]),
    "bytes": ({"bytes": 100}, [("a", 60), ("b", 50), ("c", 50)], [1, 2]),
    "one that is too large": ({"bytes": 100}, [("a", 60), ("b", 101)], []),
    "sender": ({"per_peer": 2}, [("a", 1), ("b", 1), ("a", 1), ("a", 1)], [1, 2, 3]),
    "age": ({"age": timedelta(seconds=58)}, [("a", 1)] * 4, [2, 3]),
    "all at once": (
        {"requests": 3, "per_peer": 2},
        [("a", 1), ("b", 1), ("a", 1), ("a", 1), ("c", 1)],
        [2, 3, 4],
    ),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_the_oldest_make_room(name: str, database: Database) -> None:
    changes, came, stay = BOUNDED[name]
    refusals = [refusal(number, peer, size) for number, (peer, size) in enumerate(came)]
    bounds = replace(BOUNDS, **changes)
    with database.write() as tx:
        kept.add(tx, refusals)
        gone = kept.evict(tx, bounds, NOW + timedelta(seconds=60))
        again = kept.evict(tx, bounds, NOW + timedelta(seconds=60))
    assert [row.received_at for row in rows(database)] == [refusals[n].received_at for n in stay]
    assert (gone, again) == (len(came) - len(stay), 0)


def test_a_flood_is_bounded_and_good_webhooks_pass(sqlite_url: str) -> None:
    database = Database(sqlite_url)

    async def flood(here: Reception) -> None:
        for number in range(200):
            bad = (here.send(SMOOCH, b"bad %d" % n, WRONG) for n in range(50))
            await asyncio.gather(*bad, here.send(SMOOCH, said(number), NEW))

    with capture_logs() as logs:
        statuses = run(database, flood, NEW, quarantine_requests=3000)
    assert (statuses.count(401), statuses.count(200)) == (10_000, 200)
    assert len(message_ids(database)) == 200
    found = rows(database)
    assert 0 < len(found) <= 300
    left_out = sum(line.get("left_out", 0) for line in logs)
    refused = [line for line in logs if line["event"] == "webhook_refused"]
    assert len(refused) == 10_000
    assert left_out + len(found) <= 10_000
    database.close()


def test_one_sender_cannot_take_the_place_of_others(database: Database) -> None:
    async def flood(here: Reception) -> None:
        for number in range(notebook.WAITING + 100):
            await here.send(SMOOCH, b"bad %d" % number, WRONG)

    async def main() -> None:
        async with receiving(database.url, NEW, peer="192.0.2.1") as one:
            await flood(one)
            book = notebook.Notebook(database, one.accounts, one.clock, BOUNDS)
            for number in range(notebook.WAITING * 2):
                book.refused(refusal(number, peer="192.0.2.1"))
            book.refused(refusal(1, peer="192.0.2.99"))
            task = asyncio.create_task(book.run())
            book.stop()
            await task

    asyncio.run(main())
    assert "192.0.2.99" in {row.peer for row in rows(database)}


def test_refusals_wait_while_the_database_is_away(database: Database, now: Any) -> None:
    with capture_logs() as logs:

        async def main() -> None:
            book = notebook.Notebook(broken, known(NEW), lambda: NOW, BOUNDS)
            book.refused(refusal(1))
            book.used(SMOOCH, 0)
            task = asyncio.create_task(book.run())
            await asyncio.sleep(notebook.PAUSE * 1.5)
            with database.write() as tx:
                tx.run("ALTER TABLE hidden RENAME TO quarantine")
            book.stop()
            await task

        broken = Database(database.url)
        with database.write() as tx:
            tx.run("ALTER TABLE quarantine RENAME TO hidden")
        asyncio.run(main())
        broken.close()
    assert [line["event"] for line in logs] == ["database_away"]
    assert len(rows(database)) == 1
    with database.read() as tx:
        assert tx.run("SELECT uses FROM secret_use").scalar_one() == 1


def command(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """What a command says as JSON."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"], cwd=folder, capture_output=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_commands_list_and_verify_again(database: Database, tmp_path: Path) -> None:
    async def post(here: Reception) -> None:
        await here.send(SMOOCH, said(1), NEW)
        await here.send(SMOOCH, b"forged", "somebody-else's")

    run(database, post, WRONG)
    (tmp_path / "hookline.toml").write_text(
        f'database_url = "{database.url}"\n[accounts.{SMOOCH}]\nprovider = "smooch"\n'
        f'webhook_secrets = ["{NEW}"]\n'
    )
    listed = command(tmp_path, "quarantine")
    assert {row["reason"] for row in listed} == {
        "the header x-api-key matches no configured secret"
    }
    assert set(listed[0]) == {"id", "account", "received_at", "peer", "status", "reason", "size"}
    assert len(command(tmp_path, "quarantine", "--limit", "1")) == 1

    dry = command(tmp_path, "quarantine", "reverify", "--dry-run")
    assert [row["genuine"] for row in dry] == [True, False]
    done = command(tmp_path, "quarantine", "reverify", "--account", SMOOCH)
    assert [(row["genuine"], row["new"]) for row in done] == [(True, 1), (False, None)]
    assert [row["size"] for row in command(tmp_path, "quarantine")] == [listed[0]["size"]]
    assert message_ids(database) == ["ann-1"]
