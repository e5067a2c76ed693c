"""
Lanes: the jobs of one person, one at a time and in order; many persons side by side.

Only the head of a lane can be claimed, by a lease: a claim moves `due_at` to the lease's end, so a
worker that dies gives its jobs back by doing nothing. The lease's end is also the receipt without
which nobody can settle. Finishing deletes the job, so the cost of a claim depends neither on
history nor on what waits.

Whoever adds to a lane or finishes in it has locked it first (`lock`), and only then its rows: in
this order nobody waits in a circle.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from storage.columns import Asked
from storage.dialects import Transaction
from storage.tables import JobState, Queue, micros, moment

_COLUMNS = "queue, ref, account, lane, state, due_at, attempts"

# A head waits if its lane has one by now. Two questions, since each has an index of its own.
_STATE = (
    "CASE WHEN new.state = 1 AND"
    " (EXISTS (SELECT 1 FROM job WHERE state = 1 AND lane = new.lane)"
    " OR EXISTS (SELECT 1 FROM job WHERE state = 2 AND lane = new.lane)) THEN 0 ELSE new.state END"
)


class NewJob(NamedTuple):
    """Work to add. lane None: no order. due_at in the future: scheduled, not in its lane before."""

    queue: Queue
    ref: int
    account: str
    lane: int | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is ours until `lease`.

    attempts: this one included, from 1. lost: whoever had it before let its lease run out, so
    what came of that attempt is not known.
    """

    id: int
    ref: int
    account: str
    lane: int | None
    attempts: int
    lease: datetime
    lost: bool = False


def lock(tx: Transaction, lanes: set[int], now_named: Callable[[], set[int]]) -> None:
    """Lock these lanes, and those that are named now that they are locked. Where this process is
    the only writer nothing needs a lock.

    now_named: reads, and nothing else. Called again until all that it names are ours, since until
    then another transaction may merge two persons, and with them their lanes.
    """
    if tx.alone:
        return
    tx.run("SAVEPOINT lanes")
    tx.lock_lanes(lanes)
    while not (named := now_named()) <= lanes:
        lanes = lanes | named
        # Ours are given back first: who waits for one more while holding others, which have not
        # been locked in the order of all, may be waited for by whoever has that one.
        tx.run("ROLLBACK TO SAVEPOINT lanes")
        tx.lock_lanes(lanes)


def named(tx: Transaction, job_ids: Iterable[int]) -> set[int]:
    """The lanes that these jobs are in now."""
    return told(tx.known(*asked(job_ids)))


def asked(job_ids: Iterable[int]) -> Asked:
    """The question of `named`, of which `told` makes the answer."""
    return "job", "lane", "id", job_ids


def told(rows: Iterable[Any]) -> set[int]:
    """The lanes that are in these rows."""
    return {row[0] for row in rows if row[0] is not None}


def add(tx: Transaction, jobs: Sequence[NewJob], now: datetime) -> None:
    """Put jobs at the end of their lanes, in the order given. Their lanes are locked."""
    begun: set[int] = set()
    at = micros(now)
    rows = []
    for queue, ref, account, lane, due_at in jobs:
        due = at if due_at is now else micros(due_at)
        state = _state(lane, due > at, begun)
        # Plain numbers: SQLite's driver takes thrice as long for a member of an enumeration.
        rows.append((int(queue), ref, account, lane, int(state), due, 0))
    tx.insert("job", _COLUMNS, rows, state=_STATE)


def _state(lane: int | None, scheduled: bool, begun: set[int]) -> JobState:
    """As if nothing else were in its lane but the new jobs before it, whose lanes are `begun`."""
    if lane is None:
        return JobState.HEAD
    if scheduled:
        return JobState.SCHEDULED
    if lane in begun:
        return JobState.WAITING
    begun.add(lane)
    return JobState.HEAD


def claim(
    tx: Transaction,
    queue: Queue,
    now: datetime,
    lease: timedelta,
    limit: int,
    *,
    account: str | None = None,
) -> list[Claim]:
    """Up to `limit` jobs that have been due longest, at most one of each lane.

    account: of this one only, which takes no longer however much waits for others (SEND only).

    Two workers never get the same one: PostgreSQL skips locked rows, SQLite has one writer.
    """
    only, values = ("", []) if account is None else (" AND account = ?", [account])
    due = tx.run(
        "SELECT id, ref, account, lane, attempts, lease FROM job WHERE state IN (1, 2)"
        f" AND queue = {int(queue)}{only} AND due_at <= ?"
        " ORDER BY due_at, id LIMIT ? FOR UPDATE SKIP LOCKED",
        *values,
        micros(now),
        limit,
    ).fetchall()
    until = micros(now + lease)
    if due:
        tx.run(
            "UPDATE job SET due_at = ?, lease = ?, attempts = attempts + 1"
            " WHERE id IN (SELECT value FROM numbers(?))",
            until,
            until,
            [row[0] for row in due],
        )
    return [
        Claim(row[0], row[1], row[2], row[3], row[4] + 1, moment(until), row[5] is not None)
        for row in due
    ]


def held(tx: Transaction, claims: Sequence[Claim]) -> set[Claim]:
    """Those claims that are still ours; their rows are locked from here on.

    A lease that ran out and was taken by another worker is not: its work must not be settled.
    """
    tail = "" if tx.alone else " FOR UPDATE"
    rows = tx.run(
        f"SELECT id, lease FROM job WHERE id IN (SELECT value FROM numbers(?)) ORDER BY id{tail}",
        [claim.id for claim in claims],
    )
    leases = {row[0]: row[1] for row in rows}
    return {claim for claim in claims if leases.get(claim.id) == micros(claim.lease)}


def finish(tx: Transaction, claims: Sequence[Claim], now: datetime) -> None:
    """Delete jobs that are done, and let the next of each lane become its head."""
    if not claims:
        return
    gone = tx.run(
        "DELETE FROM job WHERE id IN (SELECT value FROM numbers(?)) RETURNING lane",
        [claim.id for claim in claims],
    )
    promote(tx, [row[0] for row in gone], now)


def later(
    tx: Transaction,
    claim: Claim,
    due_at: datetime,
    error: str,
    *,
    counts: bool = True,
) -> None:
    """Give a job back until `due_at`; it keeps its place. counts False: the attempt was none."""
    tx.run(
        "UPDATE job SET due_at = ?, lease = NULL, error = ?, attempts = attempts - ? WHERE id = ?",
        micros(due_at),
        error,
        0 if counts else 1,
        claim.id,
    )


def bury(tx: Transaction, claim: Claim, error: str, now: datetime) -> None:
    """Give up on a job: it waits for a human, and its lane goes on."""
    dead = tx.run(
        "UPDATE job SET state = ?, lease = NULL, error = ?, due_at = ? WHERE id = ? RETURNING lane",
        int(JobState.DEAD),
        error,
        micros(now),
        claim.id,
    )
    promote(tx, [row[0] for row in dead], now)


def promote(tx: Transaction, lanes: Iterable[int | None], now: datetime) -> None:
    """Let the first waiting job of each lane be its head, unless one is in flight there.

    One that was to be tried again later (a merge made it wait) is not due any sooner.
    """
    # Each of these lanes is looked up: NOT EXISTS would let PostgreSQL read the heads of all.
    found = sorted({lane for lane in lanes if lane is not None})
    if found:
        tx.run(
            "UPDATE job SET state = 1, due_at = CASE WHEN due_at > ? THEN due_at ELSE ? END"
            " WHERE id IN ("
            " SELECT (SELECT w.id FROM job w WHERE w.state = 0 AND w.lane = value"
            "         ORDER BY w.id LIMIT 1)"
            " FROM numbers(?)"
            " WHERE (SELECT h.id FROM job h WHERE h.state = 1 AND h.lane = value LIMIT 1) IS NULL"
            " AND (SELECT j.id FROM job j WHERE j.state = 2 AND j.lane = value LIMIT 1) IS NULL)",
            micros(now),
            micros(now),
            found,
        )


def start_scheduled(tx: Transaction, now: datetime, limit: int) -> int:
    """Put scheduled jobs whose time has come at the end of their lanes; how many."""
    sql = "SELECT id, lane FROM job WHERE state = 3 AND due_at <= ? ORDER BY due_at, id LIMIT ?"
    rows = tx.run(sql, micros(now), limit).fetchall()
    ids = [row[0] for row in rows]
    lock(tx, {row[1] for row in rows}, lambda: named(tx, ids))
    still = tx.run(
        "SELECT id FROM job WHERE state = 3 AND id IN (SELECT value FROM numbers(?))"
        " ORDER BY due_at, id",
        ids,
    )
    return enter(tx, [row[0] for row in still], now)


def enter(tx: Transaction, job_ids: Sequence[int], now: datetime) -> int:
    """Put jobs (scheduled or dead ones) at the end of their lanes, which are locked; how many.

    They get new ids, since the order of ids is the order in a lane.
    """
    lanes: set[int | None] = set()
    for fresh, old in zip(tx.ids("job", len(job_ids)), job_ids, strict=True):
        entered = tx.run(
            "UPDATE job SET id = ?, due_at = ?, lease = NULL,"
            " state = CASE WHEN lane IS NULL THEN 1 ELSE 0 END WHERE id = ? RETURNING lane",
            fresh,
            micros(now),
            old,
        )
        lanes.update(row[0] for row in entered)
    promote(tx, lanes, now)
    return len(job_ids)


def join(tx: Transaction, old: int, new: int, now: datetime) -> None:
    """Let the jobs of lane `old` go on in lane `new`, in the order in which they arrived.

    What is in flight in either stays so; nothing waiting starts before both have ended. Both
    lanes are locked.
    """
    # The rows are locked, so that no claim comes between this look and the changes below.
    tail = "" if tx.alone else " FOR UPDATE"
    heads = tx.run(
        f"SELECT id, lane, lease FROM job WHERE state = 1 AND lane IN (?, ?) ORDER BY id{tail}",
        old,
        new,
    ).fetchall()
    flying = {row[1]: row[0] for row in heads if row[2] is not None and row[2] > micros(now)}
    tx.run("UPDATE job SET state = 0 WHERE state = 1 AND lane IN (?, ?)", old, new)
    tx.run("UPDATE job SET lane = ? WHERE lane = ?", new, old)
    for state, lane in ((JobState.HEAD, new), (JobState.JOINED, old)):
        if lane in flying:
            tx.run("UPDATE job SET state = ? WHERE id = ?", int(state), flying[lane])
    promote(tx, [new], now)
