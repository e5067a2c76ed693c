"""
The tables, and the columns' meaning. Times are microseconds since 1970 (UTC) in the database and
aware datetimes in Python; keys are 128-bit digests, so that a row is found without a look-up.

    event     what an accepted request told, one row each, and the request byte for byte: an
              append-only log, the dedup key unique
    job       unfinished work only (finishing deletes it): dispatch an event, send an action
    app_user, identity, identity_move, consent, state   who, where, and what handlers remember
    action, link, receipt   what was asked for, and what became of it
    run       one row for each event and handler
    throttle  accounts that send at a rate, or are paused
    quarantine  refused requests, kept for a while
    nonce, secret_use   what proved the others: once-only values, and which secret is still needed
"""

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    TypeDecorator,
    text,
)
from sqlmodel import Field, SQLModel

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(when: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    passed = when - EPOCH
    return (passed.days * 86400 + passed.seconds) * 1_000_000 + passed.microseconds


def moment(value: int) -> datetime:
    """The aware time (UTC) that `micros` counted."""
    return EPOCH + timedelta(microseconds=value)


class Instant(TypeDecorator[datetime]):
    """An aware time, kept as microseconds: exact, ordered and the same on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        """To the database."""
        return None if value is None else micros(value)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        """From the database."""
        return None if value is None else moment(value)


class Queue(IntEnum):
    """What a job is about: its `ref` is an event's id, an action's id, a link's id."""

    DISPATCH = 1
    SEND = 2
    EXPIRE = 3


class JobState(IntEnum):
    """Where a job stands.

    waiting:   behind an earlier job of its lane; never looked at by a claim.
    head:      claimable at `due_at`; at most one in a lane, which a unique index holds.
    joined:    in flight in a lane that was merged into another with a job in flight as well.
    scheduled: not in its lane before `due_at`.
    dead:      given up; waits for a human.
    """

    WAITING = 0
    HEAD = 1
    JOINED = 2
    SCHEDULED = 3
    DEAD = 4


SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


# SQLite's row number, which costs no index of its own, goes by INTEGER only.
ROW_ID = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Any:
    return Field(primary_key=True, sa_type=ROW_ID, sa_column_kwargs={"autoincrement": False})


def _big(**options: Any) -> Any:
    return Field(sa_type=BigInteger, **options)


def _key(**options: Any) -> Any:
    return Field(sa_type=LargeBinary, **options)


def _when(**options: Any) -> Any:
    return Field(sa_type=Instant, **options)


def _text(**options: Any) -> Any:
    return Field(sa_type=Text, **options)


def _where(condition: str) -> dict[str, Any]:
    """The option of an index that has only these rows, as both databases call it."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


# Events of one block of ids stand together in the index by person, so that storing one writes to a
# page that was written to a moment ago; see `storage.history`, which alone looks there.
BLOCK = "(id >> 10)"


class Event(SQLModel, table=True):
    """What one accepted request told, one row each. type "unparsed" stands for a body that gave no
    event. user_key: the survivor's, at ingest.

    webhook_id: the event that keeps what they came in, mostly itself: of several, the first new.
    body:     byte for byte; None where another event keeps it, or retention has taken it.
    error:    why it could not be parsed. internal: made here (an expired link), in
              `handlers.codec`'s form. Both are said of a body, and stand beside it.
    """

    id: int = _id()
    dedup: bytes = _key(unique=True)
    account: str = _text()
    webhook_id: int = _big()
    position: int
    type: str = _text()
    trigger: str | None = _text()
    key: str = _text()
    user_key: bytes | None = _key()
    channel: str | None = _text()
    message_id: str | None = _text()
    link_id: int | None = _big()
    occurred_at: datetime | None = _when()
    received_at: datetime = _when()
    error: str | None = _text()
    internal: bool = Field(default=False)
    body: bytes | None = Field(sa_type=LargeBinary)

    __table_args__ = (
        Index("ix_event_user", text(BLOCK), "user_key"),
        Index("ix_event_webhook", "webhook_id", **_where("webhook_id <> id")),
        Index("ix_event_body", "received_at", **_where("body IS NOT NULL")),
        Index("ix_event_bare", "received_at", **_where("body IS NULL AND webhook_id = id")),
        Index("ix_event_unparsed", "id", **_where("type = 'unparsed'")),
    )


class Job(SQLModel, table=True):
    """lane: jobs of one lane run one at a time, by `id`; None: at any time. lease: the end of the
    present claim, and its receipt; None while nobody holds it. attempts: claims so far."""

    id: int = _id()
    queue: int = Field(sa_type=SmallInteger)
    ref: int = _big()
    account: str = _text()
    lane: int | None = _big()
    state: int = Field(sa_type=SmallInteger)
    due_at: datetime = _when()
    lease: datetime | None = _when()
    attempts: int = Field(default=0)
    error: str | None = _text()

    __table_args__ = (
        Index("ix_job_ref", "ref", "queue"),
        Index("uq_job_head", "lane", unique=True, **_where("state = 1")),
        Index("ix_job_due", "queue", "due_at", "id", **_where("state IN (1, 2)")),
        Index(
            "ix_job_account", "account", "due_at", "id", **_where("queue = 2 AND state IN (1, 2)")
        ),
        Index("ix_job_waiting", "lane", "id", **_where("state = 0")),
        Index("ix_job_joined", "lane", **_where("state = 2")),
        Index("ix_job_scheduled", "due_at", "id", **_where("state = 3")),
        Index("ix_job_dead", "queue", "id", **_where("state = 4")),
    )


class AppUser(SQLModel, table=True):
    """key: of account and id. merged_into: the survivor's key, where this id is an alias of it.
    named_at: when the external id was said. revealed_at: when the provider was asked for their
    addresses, which it is once."""

    __tablename__ = "app_user"

    key: bytes = _key(primary_key=True)
    account: str = _text()
    id: str = _text()
    external_id: str | None = _text()
    named_at: int = _big()
    merged_into: bytes | None = _key(index=True)
    created_at: datetime = _when()
    revealed_at: datetime | None = _when()

    __table_args__ = ({"sqlite_with_rowid": False},)


class Identity(SQLModel, table=True):
    """One user at one place, as `storage.sightings` explains it. place: the key of account,
    channel and address (or of the client, where the address is not known)."""

    place: bytes = _key(primary_key=True)
    user_key: bytes = _key(primary_key=True, index=True)
    account: str = _text()
    channel: str = _text()
    identity: str | None = _text()
    platform: str | None = _text()
    client_id: str | None = _text()
    client_at: int = _big()
    app_id: str | None = _text()
    status: str = _text()
    status_at: int = _big()
    active_at: int = _big()

    __table_args__ = (Index("ix_identity_client", "client_id"), {"sqlite_with_rowid": False})


class Consent(SQLModel, table=True):
    """Whether an address may be written to. consent: "in" or "out", as said at `said_at`. identity:
    "" where place stands for a person and a channel, the address not being known. event_id: the
    person's last STOP message, if it is by one that they refused."""

    place: bytes = _key(primary_key=True)
    account: str = _text()
    channel: str = _text()
    identity: str = _text()
    consent: str = _text()
    reason: str | None = _text()
    said_at: int = _big()
    event_id: int | None = _big()


class IdentityMove(SQLModel, table=True):
    """The provider reported an identity under another user than before."""

    __tablename__ = "identity_move"

    id: int = _id()
    place: bytes = _key(index=True)
    from_user: bytes = _key()
    to_user: bytes = _key()
    event_id: int | None = _big()
    moved_at: datetime = _when()


class State(SQLModel, table=True):
    """What handlers remember of a user, as JSON, by the name of its model."""

    user_key: bytes = _key(primary_key=True)
    name: str = Field(primary_key=True, sa_type=Text)
    body: str = _text()
    updated_at: datetime = _when()


class Action(SQLModel, table=True):
    """What a handler asked for. dedup: of event, handler and key, so that a re-run queues nothing
    twice. account: who sends it. status: queued, sent, uncertain, dead or cancelled."""

    id: int = _id()
    dedup: bytes = _key(unique=True)
    account: str = _text()
    event_id: int | None = _big(index=True)
    handler: str | None = _text()
    user_key: bytes | None = _key(index=True)
    kind: str = _text()
    body: str = _text()
    status: str = _text()
    message_id: str | None = _text()
    link_id: int | None = _big()
    error: str | None = _text()
    attempts: int = Field(default=0)
    created_at: datetime = _when()
    settled_at: datetime | None = _when()


class Link(SQLModel, table=True):
    """A link that was asked for. status: pending, matched, linked, failed, expired, cancelled."""

    id: int = _id()
    account: str = _text()
    user_key: bytes = _key(index=True)
    channel: str = _text()
    platform: str = _text()
    address: str | None = _text()
    client_id: str | None = _text()
    confirmation: str | None = _text()
    status: str = _text()
    note: str = _text()
    error: str | None = _text()
    event_id: int | None = _big()
    requested_at: datetime = _when()
    settled_at: datetime | None = _when()


class Receipt(SQLModel, table=True):
    """The furthest that a message of ours is known to have come. key: of account and message.
    rank: of the status; a receipt with a greater one replaces it."""

    key: bytes = _key(primary_key=True)
    account: str = _text()
    message_id: str = _text()
    status: str = _text()
    rank: int
    error: str | None = _text()
    updated_at: datetime = _when(index=True)


class Throttle(SQLModel, table=True):
    """Whether, and how fast, an account may send; `storage.rates` explains it. tokens: millionths
    of a request, as counted at `filled_at`."""

    account: str = Field(primary_key=True, sa_type=Text)
    tokens: int = _big()
    filled_at: int = _big()
    failures: int
    pauses: int
    paused_until: int | None = _big()
    probing: bool
    error: str | None = _text()
    error_at: int | None = _big()


class Run(SQLModel, table=True):
    """One handler's work on one event. outcome: done, failed or dropped. duration: microseconds."""

    event_id: int = _id()
    handler: str = Field(primary_key=True, sa_type=Text)
    attempts: int
    outcome: str = _text()
    duration: int = _big()
    error: str | None = _text()
    finished_at: datetime = _when()


class Quarantine(SQLModel, table=True):
    """A refused request. status: what it was answered. headers: JSON, [name, value, hidden] each,
    where the value of a hidden one is its keyed digest, the key being `salt`. size: bytes."""

    id: int = _id()
    account: str = _text()
    received_at: datetime = _when()
    peer: str | None = _text()
    status: int = Field(sa_type=SmallInteger)
    reason: str = _text()
    salt: bytes = Field(sa_type=LargeBinary)
    headers: str = _text()
    size: int
    body: bytes = Field(sa_type=LargeBinary)

    __table_args__ = (
        Index("ix_quarantine_account", "account", "id"),
        Index("ix_quarantine_bounds", "peer", "id", "size", "received_at"),
    )


class Nonce(SQLModel, table=True):
    """A once-only value that was seen. key: of account and nonce. body: a digest of what came
    with it. expires_at: from when a request with it is too old anyway."""

    id: int = _id()
    key: bytes = _key(unique=True)
    body: bytes = _key()
    expires_at: datetime = _when()


class SecretUse(SQLModel, table=True):
    """How often a webhook secret has proved a request. fingerprint: 8 hex digits."""

    __tablename__ = "secret_use"

    account: str = Field(primary_key=True, sa_type=Text)
    fingerprint: str = Field(primary_key=True, sa_type=Text)
    uses: int = _big()
    first_at: datetime = _when()
    last_at: datetime = _when()
