"""
How fast an account may send, and whether it may at all: one row for each account that has a rate
or has met a fault, shared by all workers.

    rate    a bucket of one second's requests, filled all the time; a claim takes what is in it
    pause   after FAILURES failures in a row, for 10 s, 20 s ... 10 min; then one action is sent as
            a probe. If it fails, the next pause is longer; any success ends it
    wait    for as long as the provider asked for (Retry-After)

An account that must not send is left out of claims, and holds up no other's work.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from storage import lanes
from storage.dialects import Transaction
from storage.lanes import Claim
from storage.tables import Queue, micros, moment

FAILURES = 5  # in a row
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=10)

_ONE = 1_000_000  # one request, as the bucket counts them
_COLUMNS = "account, tokens, filled_at, failures, pauses, paused_until, probing, error, error_at"

# The accounts with something to send, one index look-up each.
_WAITING = (
    "WITH RECURSIVE named(name) AS ("
    " SELECT min(account) FROM job WHERE queue = 2 AND state IN (1, 2)"
    " UNION ALL SELECT (SELECT min(account) FROM job WHERE queue = 2 AND state IN (1, 2)"
    " AND account > name) FROM named WHERE name IS NOT NULL)"
    " SELECT name FROM named WHERE name IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one action says of its account.

    what:  "failed": the provider did not take the request, or did not say; "unasked": there was no
           request; "answered": there was an answer, a refusal of this one request perhaps.
    error: its kind. wait: how long the provider wants to be left alone.
    """

    account: str
    what: Literal["answered", "failed", "unasked"]
    error: str | None = None
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """The state of one account. Times in microseconds; tokens in millionths of a request.

    failures: in a row. pauses: in a row, by which the next one is measured.
    probing:  the one action of a half-open account is under way; paused_until is its lease's end.
    """

    account: str
    tokens: int
    filled_at: int
    failures: int = 0
    pauses: int = 0
    paused_until: int | None = None
    probing: bool = False
    error: str | None = None
    error_at: int | None = None

    def values(self) -> tuple[object, ...]:
        """In the order of the columns."""
        return tuple(getattr(self, name) for name in self.__slots__)

    @property
    def tripped(self) -> bool:
        """Whether it must show that it works before it is used as usual."""
        return self.failures >= FAILURES

    @property
    def calm(self) -> bool:
        """Whether a success changes nothing."""
        return not self.failures and self.paused_until is None

    def paused(self, now: int) -> bool:
        """Whether nothing may be sent now."""
        return self.paused_until is not None and self.paused_until > now


def claim(
    tx: Transaction, rates: Mapping[str, float], now: datetime, lease: timedelta, room: int
) -> list[Claim]:
    """Up to `room` actions to send, of no account more than it may send now.

    rates: requests per second, of those accounts that have one.
    """
    throttles = _held(tx, rates, now)
    if not throttles:
        return lanes.claim(tx, Queue.SEND, now, lease, room)
    names = [row[0] for row in tx.run(_WAITING)]
    random.shuffle(names)  # none is always the first where there is little room
    claims: list[Claim] = []
    for name in names:
        left = room - len(claims)
        most = min(left, _most(throttles[name], rates, now)) if name in throttles else left
        if most > 0:
            found = lanes.claim(tx, Queue.SEND, now, lease, most, account=name)
            claims += found
            if name in throttles:
                throttles[name] = _taken(throttles[name], len(found), now + lease)
    _write(tx, [t for t in throttles.values() if t.account in names])
    return claims


def _held(tx: Transaction, rates: Mapping[str, float], now: datetime) -> dict[str, Throttle]:
    """The accounts that may not send without bounds, their rows locked, their buckets filled."""
    rows = tx.run("SELECT account, paused_until FROM throttle").fetchall()
    missing = set(rates) - {row[0] for row in rows}
    if missing:
        _begin(tx, missing, now)
    bound = set(rates) | {row[0] for row in rows if row[1] is not None}
    return {row.account: _filled(row, rates, now) for row in _locked(tx, bound)}


def _begin(tx: Transaction, accounts: set[str], now: datetime) -> None:
    """A row for each; the bucket gets full at once."""
    for name in sorted(accounts):
        row = Throttle(name, 0, 0).values()
        marks = ", ".join("?" * len(row))
        sql = f"INSERT INTO throttle ({_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        tx.run(sql, *row)


def _locked(tx: Transaction, accounts: set[str]) -> list[Throttle]:
    if not accounts:
        return []
    marks = ", ".join("?" * len(accounts))
    tail = "" if tx.alone else " FOR UPDATE"
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM throttle WHERE account IN ({marks}) ORDER BY account{tail}",
        *sorted(accounts),
    )
    return [_throttle(row) for row in rows]


def _throttle(row: Sequence[object]) -> Throttle:
    found = Throttle(*row)  # type: ignore[arg-type]
    return replace(found, probing=bool(found.probing))


def _filled(row: Throttle, rates: Mapping[str, float], now: datetime) -> Throttle:
    rate = rates.get(row.account)
    if rate is None:
        return row
    full = int(_ONE * max(rate, 1))
    since = max(micros(now) - row.filled_at, 0)
    return replace(row, tokens=min(full, row.tokens + int(rate * since)), filled_at=micros(now))


def _most(row: Throttle, rates: Mapping[str, float], now: datetime) -> int:
    if row.paused(micros(now)):
        return 0
    allowed = row.tokens // _ONE if row.account in rates else _ONE
    return min(allowed, 1) if row.tripped else allowed


def _taken(row: Throttle, count: int, lease: datetime) -> Throttle:
    left = replace(row, tokens=max(row.tokens - count * _ONE, 0))
    if count and row.tripped:
        return replace(left, probing=True, paused_until=micros(lease))
    return left


def note(tx: Transaction, outcomes: Sequence[Outcome], now: datetime) -> list[Throttle]:
    """Draw the conclusions of what was sent; the accounts that were paused by it, or are no more.

    The caller holds all other locks that it needs already.
    """
    known = tx.known("throttle", _COLUMNS, "account", {o.account for o in outcomes})
    there = {row[0]: _throttle(row) for row in known}
    news = [o for o in outcomes if _is_news(o, there.get(o.account))]
    if not news:
        return []
    _begin(tx, {o.account for o in news} - set(there), now)
    before = {row.account: row for row in _locked(tx, {o.account for o in news})}
    after = dict(before)
    for outcome in news:
        after[outcome.account] = _after(after[outcome.account], outcome, micros(now))
    _write(tx, after.values())
    return [
        row
        for name, row in after.items()
        if row.paused(micros(now)) != before[name].paused(micros(now))
        or row.tripped != before[name].tripped
    ]


def _is_news(outcome: Outcome, row: Throttle | None) -> bool:
    if outcome.what == "failed":
        return True
    return row is not None and (row.probing if outcome.what == "unasked" else not row.calm)


def _after(row: Throttle, outcome: Outcome, now: int) -> Throttle:
    match outcome.what:
        case "failed":
            return _failed(row, outcome, now)
        case "unasked":  # it was no probe: the next one is
            return replace(row, probing=False, paused_until=now) if row.probing else row
        case "answered":
            waits = row.paused_until if row.paused(now) and not row.tripped else None
            return replace(row, failures=0, pauses=0, probing=False, paused_until=waits)


def _failed(row: Throttle, outcome: Outcome, now: int) -> Throttle:
    """What fails while the account is paused had been sent before, and is no further reason."""
    pauses, until = row.pauses, row.paused_until or 0
    trips = row.failures + 1 >= FAILURES and (row.probing or not row.paused(now))
    if trips:
        pause: timedelta = min(FIRST_PAUSE * 2 ** min(pauses, 10), LONGEST_PAUSE)
        pauses, until = pauses + 1, now + pause // timedelta(microseconds=1)
    if outcome.wait:
        until = max(until, now + outcome.wait // timedelta(microseconds=1))
    return replace(
        row,
        failures=row.failures + 1,
        pauses=pauses,
        paused_until=until or None,
        probing=row.probing and not trips,
        error=outcome.error,
        error_at=now,
    )


def _write(tx: Transaction, rows: Iterable[Throttle]) -> None:
    tx.upsert("throttle", _COLUMNS, [row.values() for row in rows], "account")


@dataclass(frozen=True, slots=True)
class State:
    """What there is to say of an account. paused_until: None where it may send.

    error: the kind of the last failure, which came at `error_at`; None: there was none.
    queued, dead: actions.
    """

    paused_until: datetime | None = None
    error: str | None = None
    error_at: datetime | None = None
    queued: int = 0
    dead: int = 0


def states(tx: Transaction, now: datetime) -> dict[str, State]:
    """The state of every account of which there is anything to say."""
    found: dict[str, State] = {}
    for row in map(_throttle, tx.run(f"SELECT {_COLUMNS} FROM throttle")):
        until = row.paused_until if row.paused(micros(now)) else None
        found[row.account] = State(
            moment(until) if until else None,
            row.error,
            moment(row.error_at) if row.error_at is not None else None,
        )
    counted = "SELECT account, state = 4, count(*) FROM job WHERE queue = 2 GROUP BY account, 2"
    for name, dead, count in tx.run(counted):
        changes = {"dead" if dead else "queued": count}
        found[name] = replace(found.get(name, State()), **changes)
    return found
