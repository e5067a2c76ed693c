"""What people look at: events and users, newest first. `asked` has what was asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from handlers.people import ChannelIdentity
from storage import history, sightings
from storage.dialects import Transaction
from storage.tables import micros, moment

PAGE = 500  # rows read at a time, so that a listing of everything needs no memory


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows; None or empty: all. limit 0: all of them. status of an event: pending, done,
    dead, unparsed or conflict."""

    account: str | None = None
    type: str | None = None
    status: str | None = None
    user: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: Sequence[int] = ()
    limit: int = 50


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as listed. body: None where retention has taken it; internal: made here."""

    id: int
    account: str
    type: str
    trigger: str | None
    key: str
    user: str | None
    channel: str | None
    message_id: str | None
    occurred_at: datetime | None
    received_at: datetime
    position: int
    body: bytes | None
    internal: bool
    error: str | None
    status: str
    attempts: int


_STATUS = (
    "CASE WHEN e.type IN ('unparsed', 'conflict') THEN e.type WHEN j.id IS NULL THEN 'done'"
    " WHEN j.state = 4 THEN 'dead' ELSE 'pending' END"
)
_EVENTS = (
    "SELECT e.id, e.account, e.type, e.trigger, e.key, u.id, e.channel, e.message_id,"
    " e.occurred_at, e.received_at, e.position, w.body, w.internal, coalesce(j.error, w.error),"
    f" {_STATUS}, coalesce(j.attempts,"
    " (SELECT max(r.attempts) FROM run r WHERE r.event_id = e.id), 0)"
    " FROM event e LEFT JOIN event w ON w.id = e.webhook_id"
    " LEFT JOIN job j ON j.ref = e.id AND j.queue = 1"
    " LEFT JOIN app_user u ON u.key = e.user_key"
)


_ALONE = (
    "SELECT e.id, e.account, e.type, e.trigger, e.key, NULL, e.channel, e.message_id,"
    " e.occurred_at, e.received_at, e.position, e.body, e.internal, e.error, 'unknown', 0"
    " FROM event e"
)


@dataclass(slots=True)
class Where:
    """Conditions and their values, in step."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        self.conditions.append(condition)
        self.values += values

    def sql(self) -> str:
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def events(tx: Transaction, wanted: Filter) -> Iterator[EventRow]:
    """The events that fit, newest first."""
    where = _event_conditions(tx, wanted)
    left, before = wanted.limit or None, None
    while left is None or left > 0:
        page = PAGE if left is None else min(PAGE, left)
        rows = _page(tx, where, before, page)
        yield from rows
        if len(rows) < page:
            return
        before = rows[-1].id
        left = None if left is None else left - len(rows)


def _page(tx: Transaction, where: Where, before: int | None, size: int) -> list[EventRow]:
    here = Where(list(where.conditions), list(where.values))
    if before is not None:
        here.add("e.id < ?", before)
    sql = f"{_EVENTS}{here.sql()} ORDER BY e.id DESC LIMIT ?"
    return [_event_row(row) for row in tx.run(sql, *here.values, size)]


def events_after(
    tx: Transaction, wanted: Filter, after: int, until: int | None, size: int
) -> list[EventRow]:
    """The first `size` events that fit with ids after `after` (and up to `until`), ascending."""
    where = _event_conditions(tx, wanted)
    where.add("e.id > ?", after)
    if until is not None:
        where.add("e.id <= ?", until)
    sql = f"{_EVENTS}{where.sql()} ORDER BY e.id LIMIT ?"
    return [_event_row(row) for row in tx.run(sql, *where.values, size)]


def event_alone(tx: Transaction, wanted: Filter, event_id: int) -> list[EventRow]:
    """What its own row says of an event, where nothing else can be read; empty if it does not fit.

    wanted: without `status` and `user`, which are told by other rows.
    """
    where = _event_conditions(tx, wanted)
    where.add("e.id = ?", event_id)
    return [_event_row(row) for row in tx.run(f"{_ALONE}{where.sql()}", *where.values)]


def _event_conditions(tx: Transaction, wanted: Filter) -> Where:
    where = Where()
    for column, value in (("account", wanted.account), ("type", wanted.type)):
        if value is not None:
            where.add(f"e.{column} = ?", value)
    if wanted.status is not None:
        where.add(f"{_STATUS} = ?", wanted.status)
    if wanted.since is not None:
        where.add("e.received_at >= ?", micros(wanted.since))
    if wanted.until is not None:
        where.add("e.received_at < ?", micros(wanted.until))
    if wanted.ids:
        where.add("e.id IN (SELECT value FROM numbers(?))", list(wanted.ids))
    if wanted.user is not None:
        found = history.of_people(tx, _names(tx, wanted.user, wanted.account))
        where.add("e.id IN (SELECT value FROM numbers(?))", found)
    return where


def _event_row(row: Any) -> EventRow:
    values = list(row)
    values[8] = None if row[8] is None else moment(row[8])
    values[9] = moment(row[9])
    values[11] = None if row[11] is None else bytes(row[11])
    values[12] = bool(row[12])
    return EventRow(*values)


def _names(tx: Transaction, user: str, account: str | None) -> list[bytes]:
    """The keys of a user and of all its aliases, by the provider's id or by the business's own."""
    sql = "SELECT key, merged_into FROM app_user WHERE (id = ? OR external_id = ?)"
    values: list[Any] = [user, user]
    if account is not None:
        sql += " AND account = ?"
        values.append(account)
    found: list[bytes] = []
    for key, merged in tx.run(sql, *values).fetchall():
        survivor = bytes(merged or key)
        found.append(survivor)
        aliases = tx.run("SELECT key FROM app_user WHERE merged_into = ?", survivor)
        found += [bytes(row[0]) for row in aliases]
    return list(dict.fromkeys(found))


_USERS = "SELECT key, id, account, external_id, created_at FROM app_user"


@dataclass(frozen=True, slots=True)
class UserRow:
    """A person as listed. aliases: ids that mean the same person since a merge."""

    id: str
    account: str
    external_id: str | None
    created_at: datetime
    aliases: tuple[str, ...]
    identities: tuple[ChannelIdentity, ...]


def users(
    tx: Transaction, account: str | None = None, user: str | None = None, limit: int = 50
) -> list[UserRow]:
    """People, the latest first seen first; `user` is an id, an external id or an alias."""
    where = Where()
    where.add("merged_into IS NULL")
    if account is not None:
        where.add("account = ?", account)
    if user is not None:
        found = _names(tx, user, account)
        marks = ",".join("?" * len(found)) or "NULL"
        where.add(f"key IN ({marks})", *found)
    sql = f"{_USERS}{where.sql()} ORDER BY created_at DESC, id"
    rows = tx.run(sql + (" LIMIT ?" if limit else ""), *where.values, *([limit] if limit else []))
    return _user_rows(tx, rows.fetchall())


def users_after(
    tx: Transaction, account: str | None, after: bytes, size: int
) -> tuple[list[UserRow], bytes]:
    """`size` people in the order of their keys, and where to go on; empty: there are no more."""
    where = Where(["merged_into IS NULL", "key > ?"], [after])
    if account is not None:
        where.add("account = ?", account)
    rows = tx.run(f"{_USERS}{where.sql()} ORDER BY key LIMIT ?", *where.values, size).fetchall()
    return _user_rows(tx, rows), bytes(rows[-1][0]) if rows else after


def _user_rows(tx: Transaction, listed: Sequence[Any]) -> list[UserRow]:
    found_keys = [bytes(row[0]) for row in listed]
    known = sightings.of_users(tx, set(found_keys))
    aliases: dict[bytes, list[str]] = {}
    for row in tx.known("app_user", "merged_into, id", "merged_into", found_keys):
        aliases.setdefault(bytes(row[0]), []).append(row[1])
    return [
        UserRow(
            row[1],
            row[2],
            row[3],
            moment(row[4]),
            tuple(sorted(aliases.get(bytes(row[0]), ()))),
            tuple(known.get(bytes(row[0]), ())),
        )
        for row in listed
    ]
