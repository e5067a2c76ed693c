"""
Refused requests, kept for a while: bounded by number, bytes, age, and number from one sender.

Whoever wants may send what is refused, so the oldest always make room and nothing here is large.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage import keys
from storage.dialects import Transaction
from storage.tables import micros, moment
from storage.traces import Traces

BATCH = 100  # requests that are read at once
_COLUMNS = "id, account, received_at, peer, status, reason, salt, headers, size, body"
_LOCK = int.from_bytes(keys.digest("quarantine")[:8], "big", signed=True)

# Reads one index only; the bodies are not touched.
_BEYOND = (
    "SELECT id FROM ("
    "SELECT id, received_at, row_number() OVER newest AS place, sum(size) OVER newest AS bytes,"
    " row_number() OVER (PARTITION BY peer ORDER BY id DESC) AS place_of_peer"
    " FROM quarantine WINDOW newest AS (ORDER BY id DESC)) AS kept"
    " WHERE place > ? OR bytes > ? OR place_of_peer > ? OR received_at < ?"
)


@dataclass(frozen=True, slots=True)
class Header:
    """What is kept of one header. hidden: `value` is a keyed digest, in hexadecimal digits."""

    name: str
    value: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused request.

    peer: the sender's address; None on a Unix socket. status: what it was answered.
    salt: the key of the hidden headers' digests. id: None until it is stored.
    """

    account: str
    received_at: datetime
    peer: str | None
    status: int
    reason: str
    salt: bytes
    headers: tuple[Header, ...]
    body: bytes
    id: int | None = None

    @property
    def size(self) -> int:
        """The bytes that it is counted with."""
        return len(self.body) + sum(len(h.name) + len(h.value) for h in self.headers)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is kept at most. bytes: of bodies and headers. per_peer: requests of one sender."""

    requests: int
    bytes: int
    age: timedelta
    per_peer: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A refused request as it is shown: without its headers and its body."""

    id: int
    account: str
    received_at: datetime
    peer: str | None
    status: int
    reason: str
    size: int


def add(tx: Transaction, refusals: Sequence[Refusal]) -> None:
    """Keep these, in this order."""
    ids = tx.ids("quarantine", len(refusals))
    rows = [
        (
            number,
            one.account,
            micros(one.received_at),
            one.peer,
            one.status,
            one.reason,
            one.salt,
            json.dumps([(h.name, h.value, h.hidden) for h in one.headers]),
            one.size,
            one.body,
        )
        for number, one in zip(ids, refusals, strict=True)
    ]
    tx.insert("quarantine", _COLUMNS, rows)


def evict(tx: Transaction, bounds: Bounds, now: datetime) -> int:
    """Take away what is beyond the bounds, the oldest first; how many that were."""
    lock(tx)
    limits = (bounds.requests, bounds.bytes, bounds.per_peer, micros(now - bounds.age))
    gone = tx.run(f"DELETE FROM quarantine WHERE id IN ({_BEYOND}) RETURNING id", *limits)
    return len(gone.fetchall())


def lock(tx: Transaction) -> None:
    """Until the transaction ends nobody else takes anything out."""
    tx.lock_lanes((_LOCK,))


def listed(tx: Transaction, account: str | None, limit: int) -> list[Listed]:
    """The newest first. account: None for all. limit: 0 for all."""
    where, values = ("WHERE account = ?", [account]) if account else ("", [])
    most, bound = ("LIMIT ?", [limit]) if limit else ("", [])
    rows = tx.run(
        "SELECT id, account, received_at, peer, status, reason, size FROM quarantine"
        f" {where} ORDER BY received_at DESC, id DESC {most}",
        *values,
        *bound,
    )
    return [Listed(row[0], row[1], moment(row[2]), *row[3:]) for row in rows]


def in_order(tx: Transaction, account: str | None) -> list[int]:
    """The ids of all, or of one account's, in the order in which they arrived."""
    where, values = ("WHERE account = ?", [account]) if account else ("", [])
    rows = tx.run(f"SELECT id FROM quarantine {where} ORDER BY received_at, id", *values)
    return [row[0] for row in rows]


def read(tx: Transaction, ids: Sequence[int]) -> list[Refusal]:
    """Those of these that are still there, in the order in which they arrived."""
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM quarantine WHERE id IN (SELECT value FROM numbers(?))"
        " ORDER BY received_at, id",
        list(ids),
    )
    return [_refusal(row) for row in rows]


def _refusal(row: Sequence[object]) -> Refusal:
    id_, account, received_at, peer, status, reason, salt, headers, _, body = row
    kept = tuple(Header(*header) for header in json.loads(str(headers)))
    return Refusal(
        account=str(account),
        received_at=moment(int(str(received_at))),
        peer=None if peer is None else str(peer),
        status=int(str(status)),
        reason=str(reason),
        salt=bytes(salt),  # type: ignore[call-overload]
        headers=kept,
        body=bytes(body),  # type: ignore[call-overload]
        id=int(str(id_)),
    )


def remove(tx: Transaction, ids: Sequence[int]) -> None:
    """Take these away."""
    tx.run("DELETE FROM quarantine WHERE id IN (SELECT value FROM numbers(?))", list(ids))


def forget(tx: Transaction, account: str, named: Traces) -> int:
    """Take away the account's that name somebody; how many those were."""
    lock(tx)
    ids = in_order(tx, account)
    batches = (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
    kept = (one for batch in batches for one in read(tx, batch))
    gone = [one.id for one in kept if one.id is not None and named.found_in(one.body)]
    remove(tx, gone)
    return len(gone)
