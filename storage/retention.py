"""
What is kept for how long: bodies first, then the rows that told what became of them.

A row without a body still holds its dedup key, so a redelivery months later is still a duplicate.
What is unfinished, or dead and waits for a human, is kept whatever its age. Everything goes in
small batches, each a transaction of its own, so that nobody waits long for the writer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from storage import history
from storage.dialects import Transaction
from storage.tables import micros

BATCH = 500  # webhooks in one transaction

# Of the event that keeps a body: it has no job left, and neither has one that came with it.
_FINISHED = (
    "NOT EXISTS (SELECT 1 FROM job j WHERE j.ref = w.id AND j.queue = 1)"
    " AND NOT EXISTS (SELECT 1 FROM event e JOIN job j ON j.ref = e.id AND j.queue = 1"
    " WHERE e.webhook_id <> e.id AND e.webhook_id = w.id)"
)
_BODIES = f"FROM event w WHERE w.body IS NOT NULL AND w.received_at < ? AND {_FINISHED}"
_ROWS = (
    "FROM event w WHERE w.body IS NULL AND w.webhook_id = w.id AND w.received_at < ?"
    f" AND {_FINISHED}"
)
_RECEIPTS = "FROM receipt WHERE updated_at < ?"


@dataclass(frozen=True, slots=True)
class Keep:
    """How long: bodies, and everything else about a webhook."""

    payloads: timedelta
    events: timedelta


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much went, or would go."""

    payloads: int = 0
    webhooks: int = 0
    receipts: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(
            self.payloads + other.payloads,
            self.webhooks + other.webhooks,
            self.receipts + other.receipts,
        )

    def __bool__(self) -> bool:
        return bool(self.payloads or self.webhooks or self.receipts)


def count(tx: Transaction, keep: Keep, now: datetime) -> Pruned:
    """What `prune` would take away if it ran to its end now.

    A body and its row are counted apart: a row goes only when its body has gone.
    """
    payloads, rows = micros(now - keep.payloads), micros(now - keep.events)
    old = min(payloads, rows)
    first = tx.run(f"SELECT count(*) {_BODIES}", payloads).scalar_one()
    both = tx.run(f"SELECT count(*) {_BODIES}", old).scalar_one() if rows <= payloads else first
    bare = tx.run(f"SELECT count(*) {_ROWS}", rows).scalar_one()
    receipts = tx.run(f"SELECT count(*) {_RECEIPTS}", rows).scalar_one()
    return Pruned(first, bare + both, receipts)


def prune(tx: Transaction, keep: Keep, now: datetime) -> Pruned:
    """Take away one batch; what went. Call it again until nothing does."""
    bodies = _ids(tx, _BODIES, micros(now - keep.payloads))
    if bodies:
        tx.run("UPDATE event SET body = NULL WHERE id IN (SELECT value FROM numbers(?))", bodies)
        return Pruned(payloads=len(bodies))
    rows = _ids(tx, _ROWS, micros(now - keep.events))
    if rows:
        _remove(tx, rows)
        return Pruned(webhooks=len(rows))
    keys = tx.run(f"SELECT key {_RECEIPTS} LIMIT ?", micros(now - keep.events), BATCH).fetchall()
    for (key,) in keys:
        tx.run("DELETE FROM receipt WHERE key = ?", key)
    return Pruned(receipts=len(keys))


def _ids(tx: Transaction, which: str, before: int) -> list[int]:
    sql = f"SELECT w.id {which} ORDER BY w.received_at LIMIT ?"
    return [row[0] for row in tx.run(sql, before, BATCH)]


def _remove(tx: Transaction, webhooks: list[int]) -> None:
    """Webhooks with their events, what handlers made of them, and what was sent because of them."""
    events = history.of_webhooks(tx, webhooks)
    chosen = "IN (SELECT value FROM numbers(?))"
    tx.run(f"DELETE FROM run WHERE event_id {chosen}", events)
    tx.run(
        f"DELETE FROM action WHERE event_id {chosen}"
        " AND NOT EXISTS (SELECT 1 FROM job j WHERE j.ref = action.id AND j.queue = 2)",
        events,
    )
    tx.run(f"DELETE FROM event WHERE id {chosen}", events)
