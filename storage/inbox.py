"""
Taking in webhooks: bytes, events, people, facts and work, in one transaction for many requests.

The unique dedup key decides who was first, whatever the number of processes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from handlers.event import Event, LinkOutcome, Receipt
from handlers.events import Unknown, UserMerged
from storage import consent, keys, lanes, links, receipts
from storage.consent import USUAL, Words
from storage.dialects import Transaction
from storage.people import People
from storage.subjects import Subject, subject
from storage.tables import Queue, micros

UNPARSED = "unparsed"
_EVENT = (
    "id, dedup, account, webhook_id, position, type, trigger, key, user_key, channel,"
    " message_id, occurred_at, received_at, error, internal, body"
)


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
    """One event on its way in. dedup: the key under which it counts."""

    delivery: int
    position: int
    account: str
    event: Event
    type: str
    about: Subject
    dedup: bytes


@dataclass(frozen=True, slots=True)
class Met:
    """Deliveries, their events, and what is known of the people whom these are about.

    ids: of the events, if these are stored.
    """

    deliveries: Sequence[Delivery]
    rows: list[_Row]
    people: People
    ids: Sequence[int]


def save(tx: Transaction, deliveries: Sequence[Delivery], now: datetime) -> list[int]:
    """Store the deliveries; how many of each one's events were new, in the same order.

    What is known already changes nothing. When the transaction commits, everything is durable.
    """
    return store(tx, meet(tx, deliveries), range(len(deliveries)), now)


def meet(tx: Transaction, deliveries: Sequence[Delivery]) -> Met:
    """The first half of `save`: from here nobody else works for the people concerned."""
    rows = list(_rows(deliveries))
    ids = tx.ask_ids(("event", len(rows)))
    people = _lock_people(tx, [row.about for row in rows])
    return Met(deliveries, rows, people, ids()[0])


def store(tx: Transaction, met: Met, chosen: Sequence[int], now: datetime) -> list[int]:
    """The second half, for the deliveries with these numbers; the count of the others is 0."""
    deliveries, rows, people = met.deliveries, met.rows, met.people
    if len(chosen) < len(deliveries):
        wanted = set(chosen)
        rows = [row for row in rows if row.delivery in wanted]
    _name(tx, rows, now)
    fresh = _insert_events(tx, deliveries, rows, met.ids, people, micros(now))
    counts = [0] * len(deliveries)
    for row in fresh.values():
        counts[row.delivery] += 1
    _apply(tx, deliveries, fresh, people, now)
    return counts


def _rows(deliveries: Sequence[Delivery]) -> Iterator[_Row]:
    for number, delivery in enumerate(deliveries):
        account = delivery.account
        if not delivery.events:
            yield _row(number, 0, account, _unparsed(delivery), UNPARSED)
        for position, event in enumerate(delivery.events):
            yield _row(number, position, account, event, event.type)


def _row(number: int, position: int, account: str, event: Event, kind: str) -> _Row:
    dedup = keys.event(account, event.id)
    return _Row(number, position, account, event, kind, subject(account, event), dedup)


def _unparsed(delivery: Delivery) -> Event:
    """What stands for a body without events, so that it is seen, counted and deduplicated."""
    name = keys.digest("body", delivery.body.hex()).hex()
    return Unknown(id=f"{UNPARSED}:{name}", dedup_window=timedelta(hours=1))


def _lock_people(tx: Transaction, subjects: Sequence[Subject]) -> People:
    """What is known of the batch's people, with their lanes locked.

    Where others write as well, what is read may name more lanes, for a merge decides which it is.
    """
    people = People(tx)

    def now_named() -> set[int]:
        tx.memory.forget()  # what was read before they were locked may have changed
        people.read(subjects)
        return _lanes(subjects, people)

    if tx.alone:
        people.read(subjects)
    else:
        lanes.lock(tx, _lanes(subjects, people), now_named)
    return people


def _lanes(subjects: Sequence[Subject], people: People) -> set[int]:
    """The lanes of everybody concerned, those whose identity or name may pass to another too."""
    met: set[bytes] = set()
    merging: set[bytes] = set()
    for one in subjects:
        users = {*one.users, *map(people.survivor, one.users)}
        everybody = users | people.seen_there(one)
        met |= everybody
        if len(everybody) > len(users) or isinstance(one.event, UserMerged):
            merging |= everybody
    concerned = ((Queue.DISPATCH, met), (Queue.SEND, merging))
    return {keys.lane(queue, key) or 0 for queue, users in concerned for key in users}


def _name(tx: Transaction, rows: Sequence[_Row], now: datetime) -> None:
    """A key with a window counts again once the window is over."""
    windowed = [row for row in rows if row.event.dedup_window]
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
    deliveries: Sequence[Delivery],
    rows: Sequence[_Row],
    ids: Sequence[int],
    people: People,
    now: int,
) -> dict[int, _Row]:
    """Insert those that are new; they by id, in the order in which they came."""
    values, webhook = [], 0
    for event_id, row in zip(ids, rows, strict=False):  # not all ids, where some are left out
        event, about = row.event, row.about
        if row.position == 0:
            webhook = event_id
        values.append(
            (
                event_id,
                row.dedup,
                row.account,
                webhook,
                row.position,
                row.type,
                event.trigger,
                event.id,
                people.survivor(about.user) if about.user else None,
                event.channel,
                event.message_id,
                about.seen_at,
                now,
                *(_NO_BODY if row.position else _body(deliveries[row.delivery])),
            )
        )
    fresh = _new(tx, rows, values)
    if len(fresh) < len(rows):  # seldom: then a first one may be missing
        _keep_bodies(tx, deliveries, fresh)
    return fresh


_NO_BODY = (None, False, None)


def _body(delivery: Delivery) -> tuple[str | None, bool, bytes]:
    return delivery.error, delivery.internal, delivery.body


def _new(
    tx: Transaction, rows: Sequence[_Row], values: Sequence[tuple[Any, ...]]
) -> dict[int, _Row]:
    new = tx.insert_new("event", _EVENT, values, "dedup")()
    fresh: dict[int, _Row] = {}
    for value, row in zip(values, rows, strict=True):
        if row.dedup in new:
            new.discard(row.dedup)  # the second of two equal ones in this batch is known already
            fresh[value[0]] = row
    return fresh


def _keep_bodies(tx: Transaction, deliveries: Sequence[Delivery], fresh: dict[int, _Row]) -> None:
    """Where the first event of several was known, the next one that is new keeps their body."""
    keepers: dict[int, int] = {}
    for event_id, row in fresh.items():
        keeper = keepers.setdefault(row.delivery, event_id)
        if fresh[keeper].position == 0:
            continue
        tx.run("UPDATE event SET webhook_id = ? WHERE id = ?", keeper, event_id)
        if keeper == event_id:
            sql = "UPDATE event SET error = ?, internal = ?, body = ? WHERE id = ?"
            tx.run(sql, *_body(deliveries[row.delivery]), event_id)


def _apply(
    tx: Transaction,
    deliveries: Sequence[Delivery],
    fresh: dict[int, _Row],
    people: People,
    now: datetime,
) -> None:
    """Note the people, apply the facts, and queue the work, event by event."""
    at = micros(now)
    jobs: list[lanes.NewJob] = []
    told: list[tuple[str, Receipt]] = []

    def queue() -> None:
        lanes.add(tx, jobs, now)
        jobs.clear()

    for event_id, row in fresh.items():
        event = row.event
        if row.type == UNPARSED:
            continue
        user_key = people.see(row.about, event_id, at)
        if isinstance(event, UserMerged) and user_key is not None:
            queue()
            for discarded in event.discarded:
                people.merge(row.account, discarded, user_key, at)
        if isinstance(event, Receipt):
            told.append((row.account, event))
        elif isinstance(event, LinkOutcome) and user_key is not None:
            people.flush()
            link_id = links.settle(tx, row.account, event, user_key, now)
            if link_id is not None:
                tx.run("UPDATE event SET link_id = ? WHERE id = ?", link_id, event_id)
        said = consent.said(event, deliveries[row.delivery].words)
        if said is not None:
            consent.note(tx, row.account, event, said, event_id, now)
        lane = keys.lane(Queue.DISPATCH, user_key)
        jobs.append(lanes.NewJob(Queue.DISPATCH, event_id, row.account, lane, now))
    people.flush()
    queue()
    receipts.note(tx, told, now)
