"""What a year of use leaves in a database: events that are done, their bodies gone."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from handlers.people import ChannelIdentity
from storage import keys, sightings
from storage.database import Database
from storage.dialects import Transaction
from storage.tables import micros

PACE = 80_000  # events a second that are stored, about

_BATCH = 20_000  # events in one transaction
_PERSONS = 1000  # at least
_EACH = 500  # events of one person, at most
_YEAR = 365 * 86400 * 1_000_000  # microseconds
_KEYS = 1 << 128

_ACCOUNT = "chat"
_USER = "key, account, id, external_id, named_at, created_at"
_EVENT = (
    "id, dedup, account, webhook_id, position, type, trigger, key, user_key, channel,"
    " message_id, occurred_at, received_at, internal"
)


def fill(url: str, amount: int, progress: Callable[[float], None]) -> None:
    """Store so many events in an empty database, after its tables were made.

    Batch after batch the dedup keys ascend; within one they come in no order. So the index is as
    full as chance makes it, and nevertheless only a small part of it is written to at a time.
    progress: told how many seconds' worth of work was done, at PACE.
    """
    database = Database(url)
    try:
        database.migrate()
        for start in range(0, amount, _BATCH):
            numbers = range(start, min(start + _BATCH, amount))
            with database.write() as tx:
                _store(tx, numbers, amount)
            progress(len(numbers) / PACE)
    finally:
        database.close()
    settle(url)


def settle(url: str) -> None:
    """Have all work done, and what PostgreSQL would else begin by itself while it is measured."""
    database = Database(url)
    try:
        with database.write() as tx:
            tx.run("DELETE FROM job")
        if tx.name == "postgresql":
            with database.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql("VACUUM (FREEZE, ANALYZE)")
                connection.exec_driver_sql("CHECKPOINT")
    finally:
        database.close()


def _store(tx: Transaction, numbers: range, amount: int) -> None:
    """These of so many events, and whose they are: a few people who write a while, then others."""
    each = max(1, min(_EACH, amount // _PERSONS))
    began = micros(datetime.now(UTC)) - _YEAR
    times = [began + number * _YEAR // amount for number in numbers]
    ids = tx.ids("event", len(numbers))
    people = range(-(-numbers.start // each), -(-numbers.stop // each))  # whose first is in here
    tx.insert("app_user", _USER, [_user(person, times[0]) for person in people])
    tx.insert("identity", sightings.COLUMNS, [_seen(person, times[0]) for person in people])
    owners = [number // each for number in numbers]
    low, high = (_KEYS * end // amount for end in (numbers.start, numbers.stop))
    tx.insert(
        "event",
        _EVENT,
        [
            _event(n, random.randrange(low, high), owner, at)  # noqa: S311
            for n, owner, at in zip(ids, owners, times, strict=True)
        ],
    )


def _event(number: int, dedup: int, owner: int, at: int) -> tuple[Any, ...]:
    name = f"{number:024x}"
    return (
        number,
        dedup.to_bytes(16, "big"),
        _ACCOUNT,
        number,  # its webhook
        0,
        "message.received",
        "message:appUser",
        name,
        keys.user(_ACCOUNT, _user_id(owner)),
        "sms",
        name,
        at,
        at,
        False,
    )


def _user(person: int, at: int) -> tuple[Any, ...]:
    user_id = _user_id(person)
    name = f"{user_id}@example.com"
    return keys.user(_ACCOUNT, user_id), _ACCOUNT, user_id, name, at, at


def _seen(person: int, at: int) -> Sequence[Any]:
    identity = ChannelIdentity("sms", f"+1613{person:07d}", "twilio", f"c{_user_id(person)}")
    user_key = keys.user(_ACCOUNT, _user_id(person))
    place = keys.address(_ACCOUNT, identity)
    return sightings.sighting(_ACCOUNT, user_key, place, identity, at)


def _user_id(person: int) -> str:
    """None of those who send the webhooks that are measured."""
    return f"5{person:023x}"
