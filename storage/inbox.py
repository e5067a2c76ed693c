"""
Taking in webhooks: bytes, events, people, facts and work, in one transaction for many requests.

The unique dedup key decides who was first, whatever the number of processes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from handlers.event import Event
from handlers.events import Unknown, UserMerged
from storage import consent, facts, keys, lanes
from storage.consent import USUAL, Words
from storage.dialects import Transaction
from storage.people import People, user_keys
from storage.tables import Queue, micros

UNPARSED = "unparsed"
_EVENT = (
    "id, dedup, account, webhook_id, position, type, trigger, key, user_key, channel,"
    " message_id, link_id, occurred_at, received_at"
)
_WEBHOOK = "id, account, received_at, body, error, internal"


class Delivery(NamedTuple):
    """One genuine request.

    events:   in the order in which they stand in the body.
    error:    why the body gave no events; then `events` is empty, and it is kept as unparsed.
    internal: the body was made here, in `handlers.codec`'s form.
    secret:   the index of the account's secret that proved it; None where none had to.
    nonce:    its once-only value, to be remembered until `expires_at`; None where it has none.
    words:    by which its writer may stop or start text messages.
    """

    account: str
    body: bytes
    events: tuple[Event, ...]
    received_at: datetime
    error: str | None = None
    internal: bool = False
    secret: int | None = None
    nonce: str | None = None
    expires_at: datetime | None = None
    words: Words = USUAL


@dataclass(slots=True)
class _Row:
    """One event on its way in. dedup: None until it is known under which key it counts."""

    delivery: int
    position: int
    account: str
    event: Event
    type: str
    dedup: bytes = b""


@dataclass(slots=True)
class _Batch:
    deliveries: Sequence[Delivery]
    rows: list[_Row] = field(default_factory=list)

    def pairs(self) -> list[tuple[str, Event]]:
        return [(row.account, row.event) for row in self.rows]


def save(tx: Transaction, deliveries: Sequence[Delivery], now: datetime) -> list[int]:
    """Store the deliveries; how many of each one's events were new, in the same order.

    What is known already changes nothing. When the transaction commits, everything is durable.
    """
    batch = _Batch(deliveries, list(_rows(deliveries)))
    people = _lock_people(tx, batch)
    _name(tx, batch.rows, now)
    ids, hooks = tx.all_ids(("event", len(batch.rows)), ("webhook", len(deliveries)))
    fresh = _insert_events(tx, batch.rows, ids, hooks, people, now)
    counts = [0] * len(deliveries)
    for row in fresh.values():
        counts[row.delivery] += 1
    _insert_webhooks(tx, deliveries, hooks, counts)
    _apply(tx, batch, fresh, people, now)
    return counts


def _rows(deliveries: Sequence[Delivery]) -> Iterator[_Row]:
    for number, delivery in enumerate(deliveries):
        if not delivery.events:
            yield _Row(number, 0, delivery.account, _unparsed(delivery), UNPARSED)
        for position, event in enumerate(delivery.events):
            yield _Row(number, position, delivery.account, event, event.type)


def _unparsed(delivery: Delivery) -> Event:
    """What stands for a body without events, so that it is seen, counted and deduplicated."""
    name = keys.digest("body", delivery.body.hex()).hex()
    return Unknown(id=f"{UNPARSED}:{name}", dedup_window=timedelta(hours=1))


def _lock_people(tx: Transaction, batch: _Batch) -> People:
    """What is known of the batch's people, with their lanes locked.

    Where others write as well, what is read may name more lanes, for a merge decides which it is;
    so it is read again until all of them are ours.
    """
    people = People(tx)
    locked: set[int] = set()
    while True:
        if not tx.alone:
            wanted = _lanes(batch, people)
            tx.lock_lanes(wanted - locked)
            locked |= wanted
            tx.memory.forget()  # what was read before they were locked may have changed
        people.read(batch.pairs())
        if tx.alone or _lanes(batch, people) <= locked:
            return people


def _lanes(batch: _Batch, people: People) -> set[int]:
    """The lanes of everybody concerned, those whose identity or name may pass to another too."""
    found: set[int] = set()
    for account, event in batch.pairs():
        users = set(user_keys(account, event))
        users |= {people.survivor(key) for key in users}
        others = people.seen_there(account, event) - users
        merges = bool(others) or isinstance(event, UserMerged)
        for queue in (Queue.DISPATCH, Queue.SEND) if merges else (Queue.DISPATCH,):
            found.update(keys.lane(queue, key) or 0 for key in users | others)
    return found


def _name(tx: Transaction, rows: Sequence[_Row], now: datetime) -> None:
    """Give every row its dedup key. A key with a window counts again once the window is over."""
    windowed = [row for row in rows if row.event.dedup_window]
    for row in rows:
        row.dedup = keys.digest("event", row.account, row.event.id)
    if not windowed:
        return
    candidates = {row.dedup: _buckets(row, now) for row in windowed}
    recent = {
        bytes(found[0])
        for found in tx.known(
            "event",
            "dedup, received_at",
            "dedup",
            [key for pair in candidates.values() for key in pair],
        )
        if found[1] > micros(now - timedelta(hours=1))
    }
    for row in windowed:
        current, previous = candidates[row.dedup]
        row.dedup = previous if previous in recent else current


def _buckets(row: _Row, now: datetime) -> tuple[bytes, bytes]:
    """The key in this window and in the one before."""
    window = row.event.dedup_window or timedelta(hours=1)
    number = micros(now) // int(window / timedelta(microseconds=1))
    name = row.dedup.hex()
    return keys.digest(name, str(number)), keys.digest(name, str(number - 1))


def _insert_events(
    tx: Transaction,
    rows: Sequence[_Row],
    ids: Sequence[int],
    hooks: Sequence[int],
    people: People,
    now: datetime,
) -> dict[int, _Row]:
    """Insert those that are new; they by id, in the order in which they came."""
    received = micros(now)
    values = []
    for event_id, row in zip(ids, rows, strict=True):
        event, account = row.event, row.account
        values.append(
            (
                event_id,
                row.dedup,
                account,
                hooks[row.delivery],
                row.position,
                row.type,
                event.trigger,
                event.id,
                people.survivor(keys.user(account, event.user.id)) if event.user else None,
                event.channel,
                event.message_id,
                None,
                micros(event.occurred_at) if event.occurred_at else None,
                received,
            )
        )
    return _new(tx, rows, values)


def _new(
    tx: Transaction, rows: Sequence[_Row], values: Sequence[tuple[Any, ...]]
) -> dict[int, _Row]:
    new = tx.insert_new("event", _EVENT, values, "dedup")
    fresh: dict[int, _Row] = {}
    for value, row in zip(values, rows, strict=True):
        if row.dedup in new:
            new.discard(row.dedup)  # the second of two equal ones in this batch is known already
            fresh[value[0]] = row
    return fresh


def _insert_webhooks(
    tx: Transaction,
    deliveries: Sequence[Delivery],
    hooks: Sequence[int],
    counts: Sequence[int],
) -> None:
    rows = [
        (hook, d.account, micros(d.received_at), d.body, d.error, d.internal)
        for hook, d, count in zip(hooks, deliveries, counts, strict=True)
        if count
    ]
    tx.insert("webhook", _WEBHOOK, rows)


def _apply(
    tx: Transaction, batch: _Batch, fresh: dict[int, _Row], people: People, now: datetime
) -> None:
    """Note the people, apply the facts, and queue the work, event by event."""
    jobs: list[lanes.NewJob] = []

    def queue() -> None:
        lanes.add(tx, jobs, now)
        jobs.clear()

    for event_id, row in fresh.items():
        if row.type == UNPARSED:
            continue
        event = row.event
        user_key = people.see(row.account, event, event_id, now)
        if isinstance(event, UserMerged) and user_key is not None:
            queue()
            for discarded in event.discarded:
                people.merge(row.account, discarded, user_key, now)
        if facts.concerns(event):
            people.flush()
            link_id = facts.apply(tx, row.account, event, user_key, now)
            if link_id is not None:
                tx.run("UPDATE event SET link_id = ? WHERE id = ?", link_id, event_id)
        said = consent.said(event, batch.deliveries[row.delivery].words)
        if said is not None:
            consent.note(tx, row.account, event, said, event_id, now)
        lane = keys.lane(Queue.DISPATCH, user_key)
        jobs.append(lanes.NewJob(Queue.DISPATCH, event_id, row.account, lane, now))
    people.flush()
    queue()
