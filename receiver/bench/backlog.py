"""What a claim costs while much is waiting: jobs are made in bulk, then claimed and finished."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage import lanes
from storage.database import Database
from storage.lanes import Claim
from storage.tables import Queue, micros

CLAIM = 50  # jobs at once
TURNS = 20

# 100,000 persons, each with a lane; the first job of each is its head, all others wait behind it.
# They came a microsecond apart.
_FILL = """
INSERT INTO job (id, queue, ref, account, lane, state, due_at, attempts)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
SELECT n, 1, n, 'bench', (n - n / 100000 * 100000) * 92233720368 - 4611686018427387904,
       CASE WHEN n <= 100000 THEN 1 ELSE 0 END, ? + n, 0 FROM numbers
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Milliseconds of one transaction with CLAIM jobs, medians; compared: claiming with so much
    waiting as a multiple of claiming with the least that was measured."""

    waiting: int
    claim: float
    finish: float
    compared: float


def measure(url: str, amounts: list[int]) -> list[Backlog]:
    """The cost of a claim with so many jobs waiting, on an empty database."""
    database = Database(url)
    try:
        database.migrate()
        found = [(amount, *_turns(database, amount)) for amount in sorted(amounts)]
    finally:
        database.close()
    least = found[0][1]
    return [Backlog(n, c, f, round(c / least, 2) if least else 0.0) for n, c, f in found]


def _turns(database: Database, amount: int) -> tuple[float, float]:
    """Milliseconds of a claim and of finishing what was claimed."""
    now = datetime.now(UTC)
    with database.write() as tx:
        tx.run("DELETE FROM job")
        tx.run(_FILL, amount, micros(now) - amount)
    if not database.url.startswith("sqlite"):
        with database.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE job")
            connection.commit()
    claims: list[float] = []
    finishes: list[float] = []
    for _ in range(TURNS):
        now, claimed = datetime.now(UTC), list[Claim]()
        with _timed(claims), database.write() as tx:
            claimed += lanes.claim(tx, Queue.DISPATCH, now, timedelta(minutes=1), CLAIM)
        with _timed(finishes), database.write() as tx:
            tx.lock_lanes(claim.lane for claim in claimed if claim.lane is not None)
            lanes.finish(tx, claimed, now)
    return _median(claims), _median(finishes)


@contextmanager
def _timed(into: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    into.append((time.perf_counter() - began) * 1000)


def _median(times: list[float]) -> float:
    return round(statistics.median(times), 2)
