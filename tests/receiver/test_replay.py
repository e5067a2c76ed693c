"""Once-only values: the same request twice is one, another one with the same value is none."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from storage import nonces
from storage.database import Database
from storage.inbox import Delivery
from storage.nonces import Verdict
from tests.conftest import NOW
from tests.parts.process import stored
from tests.receiver.reception import NEW, SINCH, Clock, receiving, texted

FRESH, REPLAYED, REUSED = Verdict.FRESH, Verdict.REPLAYED, Verdict.REUSED
LATER = NOW + timedelta(hours=24)
AGE, SKEW = timedelta(hours=24), timedelta(minutes=5)  # the account's own, by default


def signed(nonce: str | None, body: bytes = b"1", account: str = "texts") -> Delivery:
    return Delivery(account, body, (), NOW, nonce=nonce, expires_at=LATER if nonce else None)


def remember(database: Database, *requests: Delivery) -> list[Verdict]:
    with database.write() as tx:
        return nonces.remember(tx, requests)()


def test_the_same_nonce_tells_a_replay_from_a_forgery(database: Database) -> None:
    assert remember(database, signed("a"), signed("b")) == [FRESH, FRESH]
    again = [signed("a"), signed("b", b"2"), signed("c"), signed("a", account="others")]
    assert remember(database, *again) == [REPLAYED, REUSED, FRESH, FRESH]


def test_in_one_batch_the_first_is_the_one_that_counts(database: Database) -> None:
    batch = [signed("a"), signed("a"), signed("a", b"2"), signed(None), signed(None)]
    assert remember(database, *batch) == [FRESH, REPLAYED, REUSED, FRESH, FRESH]


def test_a_transaction_that_fails_remembers_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as tx:
            nonces.remember(tx, [signed("a")])()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert remember(database, signed("a", b"2")) == [FRESH]


def test_of_two_processes_one_is_the_first(databases: Callable[[], Database]) -> None:
    processes = [databases() for _ in range(2)]

    def post(number: int) -> Verdict:
        return remember(processes[number % 2], signed("a", b"%d" % (number % 5)))[0]

    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(post, range(40)))
    assert [verdicts.count(verdict) for verdict in (FRESH, REPLAYED, REUSED)] == [1, 7, 32]


def test_a_nonce_is_forgotten_when_it_has_expired(database: Database) -> None:
    remember(database, *(signed(f"n{n}") for n in range(nonces.BATCH + 10)))
    with database.write() as tx:
        assert nonces.prune(tx, LATER) == 0
    just_after = LATER + timedelta(microseconds=1)
    with database.write() as tx:
        assert [nonces.prune(tx, just_after) for _ in range(3)] == [nonces.BATCH, 10, 0]
    with database.read() as tx:
        assert tx.run("SELECT count(*) FROM nonce").scalar_one() == 0


def test_a_replayed_request_is_a_success_and_no_event(
    database: Database, database_url: str
) -> None:
    async def main() -> None:
        async with receiving(database.url) as here:
            headers = here.signed(SINCH, texted(1), NEW, "once")
            here.clock.now = NOW + timedelta(hours=2)
            for _ in range(3):
                assert await here.post(SINCH, texted(1), headers) == 200

    with capture_logs() as logs:
        asyncio.run(main())
    assert [row.message_id for row in stored(database_url)] == ["text-1"]
    told = [line for line in logs if line["event"] == "webhook_received"]
    assert [line.get("replay") for line in told] == [None, True, True]


def test_many_copies_at_once_are_one(database: Database, database_url: str) -> None:
    async def main() -> None:
        async with receiving(database_url) as here:
            headers = here.signed(SINCH, b"{}", NEW, "once")
            await asyncio.gather(*(here.post(SINCH, b"{}", headers) for _ in range(60)))
            assert here.statuses == [200] * 60

    asyncio.run(main())
    assert len(stored(database_url)) == 1


def test_a_reused_nonce_is_refused_and_alarms(database: Database, database_url: str) -> None:
    async def main() -> None:
        async with receiving(database.url) as here:
            assert await here.send(SINCH, texted(1), NEW, "once") == 200
            assert await here.send(SINCH, texted(2), NEW, "once") == 401
            assert await here.send(SINCH, texted(2), NEW, "another") == 200

    with capture_logs() as logs:
        asyncio.run(main())
    assert [row.message_id for row in stored(database_url)] == ["text-1", "text-2"]
    [alarm] = [line for line in logs if line["event"] == "nonce_reused"]
    assert (alarm["log_level"], alarm["account"]) == ("critical", SINCH)
    with database.read() as tx:
        [(reason,)] = tx.run("SELECT reason FROM quarantine").fetchall()
    assert "nonce" in reason


# How long before it arrived it was signed -> status.
AGES = {
    timedelta(0): 200,
    AGE: 200,
    AGE + timedelta(seconds=1): 401,
    -SKEW: 200,
    -SKEW - timedelta(seconds=1): 401,
}


@pytest.mark.parametrize("age", AGES)
def test_the_window_is_exact_and_what_is_outside_is_kept(
    age: timedelta, database: Database
) -> None:
    async def main() -> int:
        async with receiving(database.url, clock=Clock(NOW)) as here:
            headers = here.signed(SINCH, texted(1), NEW)
            here.clock.now = NOW + age
            return await here.post(SINCH, texted(1), headers)

    assert asyncio.run(main()) == AGES[age]
    with database.engine.connect() as connection:
        reasons = [row[0] for row in connection.execute(text("SELECT reason FROM quarantine"))]
    assert len(reasons) == (AGES[age] == 401)
    assert all(reason.startswith("signed 1 day ago") or "future" in reason for reason in reasons)


# fmt: off
MALFORMED = {
    "a dot in the nonce": ("nonce", "on.ce"),
    "a quote in the nonce": ("nonce", 'on"ce'),
    "an empty nonce": ("nonce", ""),
    "a long nonce": ("nonce", "n" * 129),
    "milliseconds": ("timestamp", str(int(NOW.timestamp() * 1000))),
    "a fraction": ("timestamp", f"{NOW.timestamp()}"),
    "ISO 8601": ("timestamp", NOW.isoformat()),
    "negative": ("timestamp", f"-{int(NOW.timestamp())}"),
    "not a number": ("timestamp", "nan"),
    "an exponent": ("timestamp", "1e10"),
    "an underscore": ("timestamp", "1_795_262_400"),
}
# fmt: on


@pytest.mark.parametrize("name", MALFORMED)
def test_only_the_documented_form_passes(name: str, sqlite_url: str) -> None:
    part, value = MALFORMED[name]
    database = Database(sqlite_url)

    async def main() -> int:
        async with receiving(database.url) as here:
            headers = here.signed(SINCH, texted(1), NEW)
            headers[f"x-sinch-webhook-signature-{part}"] = value
            return await here.post(SINCH, texted(1), headers)

    assert asyncio.run(main()) == 401
    database.close()


def test_events_that_are_known_are_known_under_a_new_nonce_too(database: Database) -> None:
    async def main() -> None:
        async with receiving(database.url) as here:
            assert [await here.send(SINCH, texted(1), NEW) for _ in range(2)] == [200, 200]

    asyncio.run(main())
    with database.read() as tx:
        assert tx.run("SELECT count(*) FROM event").scalar_one() == 1
        assert tx.run("SELECT count(*) FROM nonce").scalar_one() == 2
