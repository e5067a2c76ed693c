"""Doing things again: events whose handlers shall run once more, dead letters that get a chance."""

from collections.abc import Sequence
from datetime import datetime

from storage import keys, lanes
from storage.dialects import Transaction
from storage.lanes import NewJob
from storage.tables import JobState, Queue, moment


def replay(
    tx: Transaction, event_ids: Sequence[int], now: datetime, *, handler: str | None, resend: bool
) -> int:
    """Let the handlers of these events run again; how many will.

    Events that are still pending are left alone; dead ones enter their lanes again. What was sent
    already is not sent again, since its action has the same key, unless `resend` forgets it.
    handler: only this one; the others keep their success.
    """
    rows = tx.run(
        "SELECT e.id, e.account, e.user_key FROM event e WHERE e.type <> 'unparsed'"
        " AND e.id IN (SELECT value FROM numbers(?)) ORDER BY e.id",
        list(event_ids),
    ).fetchall()
    users = {bytes(row[2]) for row in rows if row[2] is not None}
    merged = dict(tx.known("app_user", "key, merged_into", "key", users))
    survivors = {bytes(key): bytes(into or key) for key, into in merged.items()}
    lane = {
        row[0]: keys.lane(Queue.DISPATCH, survivors.get(bytes(row[2]), row[2]) if row[2] else None)
        for row in rows
    }
    tx.lock_lanes(number for number in lane.values() if number is not None)
    ids = [row[0] for row in rows]
    revived = revive(tx, Queue.DISPATCH, ids, now)
    there = tx.run(
        "SELECT ref FROM job WHERE queue = 1 AND ref IN (SELECT value FROM numbers(?))", ids
    )
    busy = {row[0] for row in there}
    _forget(tx, [n for n in ids if n not in busy or n in revived], handler, resend)
    fresh = [
        NewJob(Queue.DISPATCH, row[0], row[1], lane[row[0]], now)
        for row in rows
        if row[0] not in busy
    ]
    lanes.add(tx, fresh, now)
    return len(fresh) + len(revived)


def _forget(tx: Transaction, ids: Sequence[int], handler: str | None, resend: bool) -> None:
    """A handler that is to run again must not be known to have succeeded."""
    chosen = "event_id IN (SELECT value FROM numbers(?))"
    only, values = (" AND handler = ?", [handler]) if handler else ("", [])
    tx.run(f"DELETE FROM run WHERE {chosen}{only}", list(ids), *values)
    if resend:
        tx.run(
            f"UPDATE action SET dedup = {_scrambled(tx)} WHERE {chosen}{only}", list(ids), *values
        )


def _scrambled(tx: Transaction) -> str:
    """A key that no action will have, so that the same action counts as a new one."""
    return "randomblob(16)" if tx.alone else "uuid_send(gen_random_uuid())"


def revive(tx: Transaction, queue: Queue, refs: Sequence[int], now: datetime) -> set[int]:
    """Give dead jobs another life at the end of their lanes, which are locked; their refs."""
    rows = tx.run(
        "SELECT id, ref, account, lane FROM job WHERE state = ? AND queue = ?"
        " AND ref IN (SELECT value FROM numbers(?)) ORDER BY id",
        int(JobState.DEAD),
        int(queue),
        list(refs),
    ).fetchall()
    claims = [lanes.Claim(row[0], row[1], row[2], row[3], 0, moment(0)) for row in rows]
    if claims:
        tx.run(
            "UPDATE job SET attempts = 0, error = NULL WHERE id IN (SELECT value FROM numbers(?))",
            [claim.id for claim in claims],
        )
        lanes.enter(tx, claims, now)
    return {claim.ref for claim in claims}


def resend(tx: Transaction, action_ids: Sequence[int], now: datetime) -> int:
    """Send dead or uncertain actions again; how many will be."""
    lanes_ = tx.run(
        "SELECT lane FROM job WHERE queue = 2 AND ref IN (SELECT value FROM numbers(?))",
        list(action_ids),
    )
    tx.lock_lanes(row[0] for row in lanes_.fetchall() if row[0] is not None)
    revived = revive(tx, Queue.SEND, action_ids, now)
    tx.run(
        "UPDATE action SET status = 'queued', error = NULL, settled_at = NULL"
        " WHERE id IN (SELECT value FROM numbers(?))",
        sorted(revived),
    )
    return len(revived)
