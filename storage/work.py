"""
Events to handle: claimed with all that a handler may know, settled with all that it asked for.

One transaction settles many events and claims the next ones, so an idle worker costs nothing and a
busy one commits rarely.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from handlers.links import LinkRecord
from handlers.people import ChannelIdentity
from storage import keys, lanes, outbox, sightings
from storage.columns import Asked
from storage.dialects import Transaction
from storage.lanes import Claim
from storage.outbox import NewAction
from storage.tables import Queue, micros, moment

_LINK = "user_key, id, channel, platform, address, status, note, error, requested_at"
_RUN = "event_id, handler, attempts, outcome, duration, error, finished_at"


@dataclass(frozen=True, slots=True)
class Work:
    """One event to handle.

    body:     the webhook's bytes, to be parsed again; None once retention has taken them.
    internal: they are in `handlers.codec`'s form.
    key:      the event's dedup key, by which it is found among those of the body.
    link:     the one that the event is about; links: all that were asked for, for its user.
    done:     the handlers that have succeeded for it already.
    revealed: whether the provider was asked for the user's addresses before.
    """

    claim: Claim
    account: str
    body: bytes | None
    internal: bool
    position: int
    key: str
    user_key: bytes | None
    link: LinkRecord | None
    links: tuple[LinkRecord, ...]
    identities: tuple[ChannelIdentity, ...]
    states: Mapping[str, Any]
    done: frozenset[str]
    received_at: datetime
    revealed: bool = False


@dataclass(frozen=True, slots=True)
class HandlerRun:
    """outcome: "done", "failed" or "dropped". duration: of this attempt."""

    handler: str
    outcome: str
    duration: timedelta
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Later:
    """Again at `due_at`. counts: whether this was one of the limited attempts."""

    due_at: datetime
    error: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Dead:
    """Given up."""

    error: str


Verdict = Done | Later | Dead


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one event: actions as (handler, key, action, after), states as JSON objects."""

    work: Work
    verdict: Verdict
    runs: Sequence[HandlerRun] = ()
    actions: Sequence[NewAction] = ()
    states: Mapping[str, Any] = field(default_factory=dict)


_EVENTS = (
    "SELECT e.id, e.account, w.body, w.internal, e.position, e.key,"
    " coalesce(u.merged_into, e.user_key), e.link_id, e.received_at, s.revealed_at"
    " FROM event e LEFT JOIN event w ON w.id = e.webhook_id"
    " LEFT JOIN app_user u ON u.key = e.user_key"
    " LEFT JOIN app_user s ON s.key = coalesce(u.merged_into, e.user_key)"
    " WHERE e.id IN (SELECT value FROM numbers(?))"
)


def load(tx: Transaction, claims: Sequence[Claim]) -> list[Work]:
    """The events of these claims, each with its person's identities and state.

    A claim whose event is gone (erased, say) is not among them.
    """
    if not claims:
        return []
    refs = [claim.ref for claim in claims]
    rows = {row[0]: row for row in tx.run(_EVENTS, refs)}
    users = {bytes(row[6]) for row in rows.values() if row[6] is not None}
    seen, kept, asked, ran = tx.known_all(
        sightings.asked(users),
        ("state", "user_key, name, body", "user_key", users),
        ("link", _LINK, "user_key", users),
        ("run", "event_id, handler, outcome", "event_id", refs),
    )
    about = _About(sightings.reached(seen), _states(kept), _links(asked), _done(ran))
    return [_work(claim, rows[claim.ref], about) for claim in claims if claim.ref in rows]


@dataclass(frozen=True, slots=True)
class _About:
    """What is known of the people, by their keys, and of the events, by their ids."""

    identities: Mapping[bytes, Sequence[ChannelIdentity]]
    states: Mapping[bytes, Mapping[str, Any]]
    links: Mapping[bytes, Sequence[LinkRecord]]
    done: Mapping[int, Sequence[str]]


def _work(claim: Claim, row: Any, about: _About) -> Work:
    _, account, body, internal, position, key, user, link_id, received, asked_at = row
    user_key = None if user is None else bytes(user)
    links = tuple(about.links.get(user_key or b"", ()))
    return Work(
        claim=claim,
        account=account,
        body=None if body is None else bytes(body),
        internal=bool(internal),
        position=position,
        key=key,
        user_key=user_key,
        link=next((link for link in links if link.id == link_id), None),
        links=links,
        identities=tuple(about.identities.get(user_key or b"", ())),
        states=about.states.get(user_key or b"", {}),
        done=frozenset(about.done.get(claim.ref, ())),
        received_at=moment(received),
        revealed=asked_at is not None,
    )


def living(tx: Transaction, user_keys: set[bytes]) -> dict[bytes, bytes]:
    """Under which key each of these users lives on: its own unless it was merged."""
    return _living(user_keys, tx.known(*_survivors(user_keys)))


def _survivors(user_keys: set[bytes]) -> Asked:
    return "app_user", "key, merged_into", "key", user_keys


def _living(user_keys: set[bytes], rows: Iterable[Any]) -> dict[bytes, bytes]:
    merged = {bytes(row[0]): bytes(row[1]) for row in rows if row[1] is not None}
    return {key: merged.get(key, key) for key in user_keys}


def _states(rows: Iterable[Any]) -> dict[bytes, dict[str, Any]]:
    found: dict[bytes, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(bytes(row[0]), {})[row[1]] = json.loads(row[2])
    return found


def _links(rows: Iterable[Any]) -> dict[bytes, list[LinkRecord]]:
    found: dict[bytes, list[LinkRecord]] = {}
    for row in sorted(rows, key=lambda row: row[1]):
        facts = (*row[1:6], json.loads(row[6]), row[7], moment(row[8]))
        record = LinkRecord(*facts)
        found.setdefault(bytes(row[0]), []).append(record)
    return found


def _done(rows: Iterable[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in rows:
        if row[2] != "failed":
            found.setdefault(row[0], []).append(row[1])
    return found


def settle(
    tx: Transaction,
    results: Sequence[Result],
    now: datetime,
    link_expiry: timedelta,
) -> list[Result]:
    """Write what came of events; those whose lease had passed to another are left out, unwritten.

    Returns the settled ones.
    """
    if not results:
        return []
    survivors = _lock(tx, results)
    ours = lanes.held(tx, [result.work.claim for result in results])
    kept = [result for result in results if result.work.claim in ours]
    _write_runs(tx, kept, now)
    _write_states(tx, kept, survivors, now)
    wanted = [
        replace(action, user_key=survivors.get(action.user_key or b""))
        for result in kept
        for action in result.actions
    ]
    if wanted:
        outbox.add(tx, wanted, now, link_expiry)
    done = [result.work.claim for result in kept if isinstance(result.verdict, Done)]
    if done:
        lanes.finish(tx, done, now)
    for result in kept:
        match result.verdict:
            case Later(due_at=due_at, error=error, counts=counts):
                lanes.later(tx, result.work.claim, due_at, error, counts=counts)
            case Dead(error=error):
                lanes.bury(tx, result.work.claim, error, now)
    return kept


def _lock(tx: Transaction, results: Sequence[Result]) -> dict[bytes, bytes]:
    """Lock the lanes that settling touches; the keys of those users for whom something is written,
    and under which each lives on.

    A merge since the claim has moved the job to another lane, and what is asked for goes there.
    """
    jobs = [result.work.claim.id for result in results]
    minding = {result.work.user_key for result in results if result.states} - {None}
    acting = {action.user_key for result in results for action in result.actions} - {None}
    known = {key: key for key in minding | acting if key is not None}

    def sending() -> set[int]:
        return {keys.lane(Queue.SEND, known[key]) or 0 for key in acting if key is not None}

    def now_named() -> set[int]:
        users = set(known)
        survivors, named = tx.known_all(_survivors(users), lanes.asked(jobs))
        known.update(_living(users, survivors))
        return lanes.told(named) | sending()

    claimed = {result.work.claim.lane for result in results} - {None}
    lanes.lock(tx, {lane for lane in claimed if lane is not None} | sending(), now_named)
    return living(tx, set(known)) if tx.alone else known


def _write_runs(tx: Transaction, results: Sequence[Result], now: datetime) -> None:
    rows = [
        (
            result.work.claim.ref,
            run.handler,
            result.work.claim.attempts,
            run.outcome,
            run.duration // timedelta(microseconds=1),
            run.error,
            micros(now),
        )
        for result in results
        for run in result.runs
    ]
    tx.upsert("run", _RUN, rows, "event_id, handler")


def _write_states(
    tx: Transaction, results: Sequence[Result], survivors: Mapping[bytes, bytes], now: datetime
) -> None:
    rows = [
        (survivors[result.work.user_key], name, json.dumps(body), micros(now))
        for result in results
        if result.work.user_key is not None
        for name, body in result.states.items()
    ]
    tx.upsert("state", "user_key, name, body, updated_at", rows, "user_key, name")
