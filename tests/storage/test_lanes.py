"""One person's jobs one at a time and in order, many persons side by side, whatever happens."""

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage import lanes
from storage.database import Database
from storage.lanes import Claim, NewJob
from storage.tables import Queue

LEASE = timedelta(seconds=60)
SOON = timedelta(seconds=10)
ANN, BOB = 11, 22


def add(database: Database, now: datetime, *jobs: tuple[int | None, int], **more: Any) -> None:
    """Jobs as (lane, ref)."""
    new = [NewJob(Queue.DISPATCH, ref, "a", lane, more.get("due_at", now)) for lane, ref in jobs]
    with database.write() as tx:
        tx.lock_lanes(lane for lane, _ in jobs if lane is not None)
        lanes.add(tx, new, now)


def claim(database: Database, now: datetime, limit: int = 10_000) -> list[Claim]:
    with database.write() as tx:
        return lanes.claim(tx, Queue.DISPATCH, now, LEASE, limit)


def finish(database: Database, now: datetime, claims: Sequence[Claim]) -> list[int]:
    """Settle what is still ours; the refs of that."""
    with database.write() as tx:
        claimed = {claim.lane for claim in claims if claim.lane is not None}
        lanes.lock(tx, claimed, lambda: lanes.named(tx, [claim.id for claim in claims]))
        held = lanes.held(tx, claims)
        ours = [claim for claim in claims if claim in held]
        lanes.finish(tx, ours, now)
    return [claim.ref for claim in ours]


def join(database: Database, now: datetime, old: int, new: int) -> None:
    with database.write() as tx:
        tx.lock_lanes([old, new])
        lanes.join(tx, old, new, now)


def refs(claims: Iterable[Claim]) -> list[int]:
    return [claim.ref for claim in claims]


def drain(database: Database, now: datetime) -> list[list[int]]:
    """Claim and finish until nothing is left; the refs of each round."""
    rounds = []
    while claims := claim(database, now):
        rounds.append(refs(claims))
        finish(database, now, claims)
    return rounds


def left(database: Database) -> int:
    with database.read() as tx:
        return int(tx.run("SELECT count(*) FROM job").fetchone()[0])


def test_only_the_head_of_a_lane_is_claimed(database: Database, now: datetime) -> None:
    add(database, now, (ANN, 1), (ANN, 2), (BOB, 3))
    assert refs(claim(database, now)) == [1, 3]
    assert claim(database, now) == []


def test_jobs_of_nobody_run_side_by_side(database: Database, now: datetime) -> None:
    add(database, now, (None, 1), (None, 2))
    assert refs(claim(database, now)) == [1, 2]


def test_a_thousand_users_interleaved_keep_their_order(database: Database, now: datetime) -> None:
    people = 1000
    jobs = [(person, turn * people + person) for turn in range(3) for person in range(people)]
    add(database, now, *jobs)
    assert drain(database, now) == [
        [turn * people + person for person in range(people)] for turn in range(3)
    ]


def test_a_limit_takes_those_due_longest_first(database: Database, now: datetime) -> None:
    for number in range(4):
        add(database, now + timedelta(seconds=number), (number, number))
    assert refs(claim(database, now + SOON, 2)) == [0, 1]
    assert refs(claim(database, now + SOON, 2)) == [2, 3]


def test_the_next_head_waits_behind_the_heads_of_others(database: Database, now: datetime) -> None:
    add(database, now, (ANN, 1), (ANN, 2))
    finish(database, now + SOON, claim(database, now))
    add(database, now, (BOB, 3))
    assert refs(claim(database, now + SOON, 1)) == [3]


def test_who_let_the_lease_run_out_cannot_settle(database: Database, now: datetime) -> None:
    add(database, now, (ANN, 1), (ANN, 2))
    [stale] = claim(database, now)
    assert claim(database, now + LEASE - SOON) == []
    [fresh] = claim(database, now + LEASE)
    assert (stale.attempts, stale.lost, fresh.attempts, fresh.lost) == (1, False, 2, True)
    assert finish(database, now, [stale]) == []
    assert finish(database, now, [fresh]) == [1]


def test_who_is_late_but_was_not_replaced_may_settle(database: Database, now: datetime) -> None:
    add(database, now, (ANN, 1), (ANN, 2))
    claims = claim(database, now)
    assert finish(database, now + 2 * LEASE, claims) == [1]
    assert refs(claim(database, now + 2 * LEASE)) == [2]


def test_a_job_for_later_keeps_its_lane_waiting(database: Database, now: datetime) -> None:
    add(database, now, (ANN, 1), (ANN, 2))
    [first] = claim(database, now)
    with database.write() as tx:
        tx.lock_lanes([ANN])
        lanes.later(tx, first, now + SOON, "not yet")
    assert claim(database, now) == []
    [again] = claim(database, now + SOON)
    assert (again.ref, again.attempts, again.lost) == (1, 2, False)


def test_a_delay_that_is_no_attempt_is_not_counted(database: Database, now: datetime) -> None:
    add(database, now, (ANN, 1))
    with database.write() as tx:
        [first] = lanes.claim(tx, Queue.DISPATCH, now, LEASE, 1)
        lanes.later(tx, first, now, "closed today", counts=False)
    [again] = claim(database, now)
    assert again.attempts == 1


def test_a_buried_job_lets_its_lane_go_on(database: Database, now: datetime) -> None:
    add(database, now, (ANN, 1), (ANN, 2))
    [poison] = claim(database, now)
    with database.write() as tx:
        tx.lock_lanes([ANN])
        lanes.bury(tx, poison, "poison", now)
    assert drain(database, now) == [[2]]
    assert left(database) == 1


def test_scheduled_jobs_enter_their_lane_in_the_order_in_which_they_fall_due(
    database: Database, now: datetime
) -> None:
    add(database, now, (ANN, 1), due_at=now + 2 * SOON)
    add(database, now, (ANN, 2), due_at=now + SOON)
    add(database, now, (ANN, 3))
    assert drain(database, now) == [[3]]
    add(database, now, (ANN, 4))
    start = now + 2 * SOON
    with database.write() as tx:
        assert lanes.start_scheduled(tx, now, 10) == 0
        assert lanes.start_scheduled(tx, start, 10) == 2
    add(database, start, (ANN, 5))
    assert drain(database, start) == [[4], [2], [1], [5]]


FLYING = {"nothing": [], "old": [1], "new": [2], "both": [1, 2]}


@pytest.mark.parametrize("flying", FLYING.values(), ids=FLYING)
def test_joined_lanes_go_on_in_the_order_of_arrival(
    database: Database, now: datetime, flying: list[int]
) -> None:
    add(database, now, (ANN, 1), (BOB, 2), (ANN, 3), (BOB, 4), (ANN, 5))
    claims = claim(database, now)
    held = [one for one in claims if one.ref in flying]
    with database.write() as tx:
        for one in claims:
            if one not in held:
                lanes.later(tx, one, now, "not in flight")
    join(database, now, ANN, BOB)
    add(database, now, (BOB, 6))
    for one in held:
        assert claim(database, now) == [], "nothing starts beside what is in flight"
        assert finish(database, now, [one]) == [one.ref]
    rest = [[ref] for ref in range(1, 7) if ref not in flying]
    assert drain(database, now) == rest


def test_a_lane_whose_worker_died_before_the_merge_goes_on_after_it(
    database: Database, now: datetime
) -> None:
    add(database, now, (ANN, 1), (BOB, 2), (BOB, 3))
    claim(database, now)
    join(database, now, ANN, BOB)
    assert claim(database, now) == []
    then = now + LEASE
    claims = claim(database, then)
    assert sorted(refs(claims)) == [1, 2]
    finish(database, then, claims)
    assert drain(database, then) == [[3]]


def test_what_was_to_be_tried_later_is_not_tried_sooner_by_a_merge(
    database: Database, now: datetime
) -> None:
    add(database, now, (ANN, 1), (BOB, 2))
    first, second = claim(database, now)
    with database.write() as tx:
        tx.lock_lanes([ANN])
        lanes.later(tx, first, now + SOON, "Retry-After")
    join(database, now, ANN, BOB)
    finish(database, now, [second])
    assert claim(database, now) == []
    assert refs(claim(database, now + SOON)) == [1]


def test_a_lane_can_be_joined_twice_and_back(database: Database, now: datetime) -> None:
    add(database, now, (1, 1), (2, 2), (3, 3), (1, 4), (2, 5), (3, 6))
    flying = claim(database, now)
    join(database, now, 1, 2)
    join(database, now, 2, 3)
    join(database, now, 3, 1)
    for one in flying:
        assert claim(database, now) == []
        finish(database, now, [one])
    assert drain(database, now) == [[4], [5], [6]]


def test_claimers_side_by_side_never_get_the_same_job(
    databases: Callable[[], Database], now: datetime
) -> None:
    owners = [databases() for _ in range(4)]
    add(owners[0], now, *((person, person) for person in range(400)))
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda n: refs(claim(owners[n % 4], now, 25)), range(24))
        claimed = [ref for batch in found for ref in batch]
    claimed += refs(claim(owners[0], now))
    assert sorted(claimed) == list(range(400))


def test_a_claim_that_is_being_made_while_lanes_are_joined_is_in_flight_after_it(
    postgres_url: str, now: datetime
) -> None:
    claimer, merger = Database(postgres_url), Database(postgres_url)
    later = now + SOON
    add(claimer, later, (ANN, 1))
    add(claimer, now, (BOB, 2), (BOB, 3))  # due longer, so claimed first
    with ThreadPoolExecutor(1) as pool:
        with claimer.write() as tx:
            claimed = lanes.claim(tx, Queue.DISPATCH, later, LEASE, 1)
            joining = pool.submit(join, merger, later, ANN, BOB)
            while not waits(merger):
                assert not joining.done(), "it waits for the claim"
        joining.result(10)
    assert refs(claimed) == [2]
    assert claim(merger, later) == []
    finish(merger, later, claimed)
    assert drain(merger, later) == [[1], [3]]
    claimer.close()
    merger.close()


def waits(database: Database) -> bool:
    """Whether somebody waits for a lock. One transaction is told the same again and again."""
    with database.read() as tx:
        waiting = tx.run(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(waiting.scalar_one())


@dataclass
class Stress:
    """Writers, workers that sometimes die, and merges, all at once over one database.

    Persons 0 and 1, 2 and 3 ... are merged two by two while everything runs.
    """

    people: int = 10
    each: int = 10
    merged: dict[int, int] = field(default_factory=dict)
    done: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    guard: threading.Lock = field(default_factory=threading.Lock)
    written: threading.Event = field(default_factory=threading.Event)

    def lane(self, person: int) -> int:
        return self.merged.get(person, person)

    def write(self, database: Database, mine: Sequence[int], chance: random.Random) -> None:
        """Add the jobs of my persons, several in one transaction."""
        waiting = {person: list(range(self.each)) for person in mine}
        while any(waiting.values()):
            people = [p for p in mine if waiting[p] and chance.random() < 0.7]
            self._write(database, people, waiting)
            for person in people:
                del waiting[person][0]

    def _write(self, database: Database, people: list[int], waiting: dict[int, list[int]]) -> None:
        def named() -> set[int]:
            tx.run("SELECT 1").fetchall()  # when that is answered, the lanes are ours
            return set(map(self.lane, people))

        with database.write() as tx:
            lanes.lock(tx, set(map(self.lane, people)), named)
            now = datetime.now(UTC)
            jobs = [(p * 1000 + waiting[p][0], self.lane(p)) for p in people]
            new = [NewJob(Queue.DISPATCH, ref, "a", lane, now) for ref, lane in jobs]
            lanes.add(tx, new, now)

    def merge(self, database: Database, chance: random.Random) -> None:
        """Let every odd person become the even one before."""
        for person in range(1, self.people, 2):
            self.written.wait(chance.random() * 0.1)
            with database.write() as tx:
                tx.lock_lanes([person, person - 1])
                lanes.join(tx, person, person - 1, datetime.now(UTC))
                self.merged[person] = person - 1

    def work(self, database: Database, chance: random.Random) -> None:
        """Claim and settle until nothing is left. One claim in eight is forgotten."""
        lease = timedelta(milliseconds=300)
        while not (self.written.is_set() and left(database) == 0):
            with database.write() as tx:
                claims = lanes.claim(tx, Queue.DISPATCH, datetime.now(UTC), lease, 5)
            kept = [one for one in claims if chance.random() > 0.12]
            if kept:
                bury = chance.random() < 0.2
                self._finish(database, kept, bury)

    def _finish(self, database: Database, claims: list[Claim], bury: bool) -> None:
        with database.write() as tx:
            claimed = {one.lane for one in claims if one.lane is not None}
            lanes.lock(tx, claimed, lambda: lanes.named(tx, [one.id for one in claims]))
            held = lanes.held(tx, claims)
            ours = [one for one in claims if one in held]
            for one in ours if bury else ():
                lanes.bury(tx, one, "poison", datetime.now(UTC))
            lanes.finish(tx, ours, datetime.now(UTC))
            tx.run("SELECT 1").fetchall()  # so that all statements before it have succeeded
            with self.guard:  # before the commit: nobody can be ahead of us in these lanes
                for one in ours:
                    self.done[one.ref // 1000].append(one.ref % 1000)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whoever_learns_of_another_lane_gives_back_what_the_others_wait_for(
    databases: Callable[[], Database], now: datetime
) -> None:
    """Each has one lane when the other's is named as well: held on to, they would never end."""
    both, met = threading.Barrier(2), {ANN, BOB}

    def work(database: Database, mine: int) -> None:
        seen = iter([lambda: both.wait(20)])

        def named() -> set[int]:
            tx.run("SELECT 1").fetchall()  # when that is answered, the lanes are ours
            next(seen, int)()  # the first time, until the other has its own as well
            return met

        with database.write() as tx:
            lanes.lock(tx, {mine}, named)
            lanes.add(tx, [NewJob(Queue.DISPATCH, mine, "a", mine, now)], now)

    owners = [databases() for _ in met]
    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(work, *pair) for pair in zip(owners, sorted(met), strict=True)]:
            one.result(30)
    assert sorted(refs(claim(owners[0], now))) == sorted(met)


@pytest.mark.parametrize("seed", range(2))
def test_under_stress_no_lane_is_stuck_and_each_job_is_done_once_in_order(
    databases: Callable[[], Database], seed: int
) -> None:
    stress = Stress()
    chance = random.Random(seed)
    workers = [databases() for _ in range(3)]

    def seeded() -> random.Random:
        return random.Random(chance.random())

    with ThreadPoolExecutor(6) as pool:
        thirds = [range(n, stress.people, 2) for n in range(2)]
        writing = [pool.submit(stress.write, databases(), mine, seeded()) for mine in thirds]
        merging = pool.submit(stress.merge, databases(), seeded())
        working = [pool.submit(stress.work, worker, seeded()) for worker in workers]
        for one in (*writing, merging):
            one.result(30)
        stress.written.set()
        for worker in working:
            worker.result(30)
    assert stress.done == {person: list(range(stress.each)) for person in range(stress.people)}
