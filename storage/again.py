"""Doing things again: events whose handlers shall run once more, dead letters that get a chance."""

from collections.abc import Sequence
from datetime import datetime

from storage import keys, lanes, work
from storage.dialects import Transaction
from storage.lanes import NewJob
from storage.tables import JobState, Queue


def replay(
    tx: Transaction, event_ids: Sequence[int], now: datetime, *, handler: str | None, resend: bool
) -> int:
    """Let the handlers of these events run again; how many events that are.

    Events that are still pending are left alone. Of dead ones the handlers run that have not
    succeeded yet; of done ones all do. What was sent already is not sent again, since its action
    has the same key, unless `resend` forgets it: then all handlers run, of dead events too.
    handler: only this one runs again.
    """
    rows = tx.run(
        "SELECT id, account, user_key FROM event WHERE type <> 'unparsed'"
        " AND id IN (SELECT value FROM numbers(?)) ORDER BY id",
        list(event_ids),
    ).fetchall()
    events = {row[0]: (row[1], None if row[2] is None else bytes(row[2])) for row in rows}
    places = _lock(tx, {n: user_key for n, (_, user_key) in events.items()})
    revived = revive(tx, Queue.DISPATCH, list(events), now)
    busy = {row[0] for row in _jobs(tx, Queue.DISPATCH, list(events))}
    fresh = [n for n in events if n not in busy]
    _forget(tx, [*fresh, *revived] if handler or resend else fresh, handler, resend)
    jobs = [NewJob(Queue.DISPATCH, n, events[n][0], places[n], now) for n in fresh]
    lanes.add(tx, jobs, now)
    return len(fresh) + len(revived)


def _lock(tx: Transaction, users: dict[int, bytes | None]) -> dict[int, int | None]:
    """Lock the lanes of these events, given by their users; the lane of each."""
    named = {user_key for user_key in users.values() if user_key is not None}
    known: dict[bytes, bytes] = {}

    def wanted() -> set[int]:
        known.update(work.living(tx, named))
        return {keys.lane(Queue.DISPATCH, key) or 0 for key in known.values()}

    lanes.lock(tx, wanted(), wanted)
    return {n: keys.lane(Queue.DISPATCH, known.get(key or b"")) for n, key in users.items()}


def _jobs(tx: Transaction, queue: Queue, refs: Sequence[int]) -> list[tuple[int, int]]:
    """(ref, id) of the jobs that there are."""
    rows = tx.run(
        "SELECT ref, id FROM job WHERE queue = ? AND ref IN (SELECT value FROM numbers(?))",
        int(queue),
        list(refs),
    )
    return [(row[0], row[1]) for row in rows]


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
        "UPDATE job SET attempts = 0, error = NULL WHERE state = ? AND queue = ?"
        " AND ref IN (SELECT value FROM numbers(?)) RETURNING id, ref",
        int(JobState.DEAD),
        int(queue),
        list(refs),
    ).fetchall()
    lanes.enter(tx, sorted(row[0] for row in rows), now)
    return {row[1] for row in rows}


def resend(tx: Transaction, action_ids: Sequence[int], now: datetime) -> int:
    """Send dead or uncertain actions again; how many will be."""
    ids = [job_id for _, job_id in _jobs(tx, Queue.SEND, action_ids)]
    lanes.lock(tx, lanes.named(tx, ids), lambda: lanes.named(tx, ids))
    revived = revive(tx, Queue.SEND, action_ids, now)
    tx.run(
        "UPDATE action SET status = 'queued', error = NULL, message_id = NULL, settled_at = NULL"
        " WHERE id IN (SELECT value FROM numbers(?))",
        sorted(revived),
    )
    return len(revived)
