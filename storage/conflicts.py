"""
A known event id with another body: no duplicate, and nothing to be handled by itself. It is kept
beside the first one, as an event of the type "conflict", for a human to choose.

Only bodies of one event are compared, as JSON: several events may be grouped anew when they are
sent again, and none of them is another one for that.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage import keys
from storage.dialects import Transaction
from storage.inbox import Delivery
from storage.tables import micros

CONFLICT = "conflict"
_EVENT = (
    "id, dedup, account, webhook_id, position, type, trigger, key, user_key, channel, message_id,"
    " received_at, error, internal, body"
)


@dataclass(frozen=True, slots=True)
class Conflict:
    """What is told of one. event_id: the row of the first; conflict_id: of the one that is kept."""

    account: str
    event_id: int
    conflict_id: int


@dataclass(frozen=True, slots=True)
class _Double:
    """A delivery whose one event was known. dedup: of that event; own: of this body as well."""

    delivery: Delivery
    dedup: bytes
    own: bytes


def keep(
    tx: Transaction, deliveries: Sequence[Delivery], counts: Sequence[int], now: datetime
) -> list[Conflict]:
    """Keep those of them, just stored with so many new events each, that contradict what is known.

    The same contradiction is kept once. Where retention has taken the first body, there is none.
    """
    doubles = [
        _double(delivery)
        for delivery, new in zip(deliveries, counts, strict=True)
        if not new and len(delivery.events) == 1 and delivery.events[0].dedup_window is None
    ]
    if not doubles:
        return []
    firsts = _firsts(tx, {double.dedup for double in doubles})
    odd = {
        double.own: double
        for double in doubles
        if double.dedup in firsts and _differ(firsts[double.dedup][-1], double.delivery.body)
    }
    return _kept(tx, odd, firsts, now) if odd else []


def _double(delivery: Delivery) -> _Double:
    dedup = keys.event(delivery.account, delivery.events[0].id)
    own = keys.digest(CONFLICT, dedup.hex(), keys.of_bytes(delivery.body).hex())
    return _Double(delivery, dedup, own)


def _firsts(tx: Transaction, wanted: set[bytes]) -> dict[bytes, tuple[int, Any, bytes]]:
    """By its key: the id, the user's key and the body of each event that was alone in its body."""
    rows = tx.known("event", "dedup, id, user_key, webhook_id, body", "dedup", wanted)
    keepers = [row[1] for row in rows]
    several = tx.run(
        "SELECT webhook_id FROM event WHERE webhook_id <> id"
        " AND webhook_id IN (SELECT value FROM numbers(?))",
        keepers,
    )
    not_alone = {row[0] for row in several}
    return {
        bytes(dedup): (event_id, user_key, bytes(body))
        for dedup, event_id, user_key, webhook_id, body in rows
        if webhook_id == event_id and event_id not in not_alone and body is not None
    }


def _differ(first: bytes, other: bytes) -> bool:
    if first == other:
        return False
    try:
        return bool(json.loads(first) != json.loads(other))
    except (ValueError, RecursionError):  # one of them was made by an older parser's leave
        return True


def _kept(
    tx: Transaction,
    odd: dict[bytes, _Double],
    firsts: dict[bytes, tuple[int, Any, bytes]],
    now: datetime,
) -> list[Conflict]:
    events = {}
    for own, event_id in zip(odd, tx.ids("event", len(odd)), strict=True):
        delivery, event = odd[own].delivery, odd[own].delivery.events[0]
        first_id, user_key, _ = firsts[odd[own].dedup]
        events[own] = (
            *(event_id, own, delivery.account, event_id, 0, CONFLICT, event.trigger, event.id),
            *(user_key, event.channel, event.message_id, micros(now)),
            *(f"event {first_id} has the same id and another body", delivery.internal),
            delivery.body,
        )
    new = tx.insert_new("event", _EVENT, list(events.values()), "dedup")()
    return [
        Conflict(odd[own].delivery.account, firsts[odd[own].dedup][0], events[own][0])
        for own in new
    ]
