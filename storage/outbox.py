"""
What handlers asked for: queued in the transaction that settles their event, sent in order for each
person, and settled by what the provider answered.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from handlers import actions
from handlers.actions import Action
from handlers.events import Unknown
from handlers.links import LinkRecord
from handlers.people import ChannelIdentity, User, normalise
from storage import consent, keys, lanes, people, sightings
from storage.consent import Letter
from storage.dialects import Transaction
from storage.lanes import Claim, NewJob
from storage.subjects import subject
from storage.tables import EPOCH, Queue, micros

_ACTION = (
    "id, dedup, account, event_id, handler, user_key, kind, body, status, link_id, attempts,"
    " created_at"
)
_LINK = (
    "id, account, user_key, channel, platform, address, confirmation, status, note, event_id,"
    " requested_at"
)


@dataclass(frozen=True, slots=True)
class NewAction:
    """An action to queue.

    account: of the event; an action that names an account of its own is sent by that one.
    step:    its place among what the handler asked for, so that a re-run queues nothing twice.
    key:     the handler's own word instead, which holds for this person whatever the event.
    after:   not before this long from now; None: at once.
    """

    account: str
    event_id: int | None
    handler: str | None
    step: int
    user_key: bytes | None
    action: Action
    key: str | None = None
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An action to send now.

    user:       None where it is for nobody known.
    message_id: the message that it has become already, by a receipt; None: nothing is known.
    opted_out:  whether the person has refused messages where it would arrive.
    """

    claim: Claim
    account: str
    action: Action
    user: User | None
    user_key: bytes | None
    identities: tuple[ChannelIdentity, ...]
    link_id: int | None
    event_id: int | None
    message_id: str | None = None
    opted_out: bool = False

    @property
    def reference(self) -> str:
        """Our name for it at the provider."""
        return f"hl-{self.claim.ref}"


def add(
    tx: Transaction,
    new: Sequence[NewAction],
    now: datetime,
    link_expiry: timedelta,
) -> int:
    """Queue actions, each once whatever the number of runs; how many were new.

    A link is recorded as pending, and its expiry set. The SEND lanes of the users are locked.
    """
    first: dict[bytes, NewAction] = {}
    for item in new:
        first.setdefault(_dedup(item), item)
    numbered = list(zip(tx.ids("action", len(first)), first.items(), strict=True))
    values = [_row(n, dedup, item, now) for n, (dedup, item) in numbered]
    fresh = tx.insert_new("action", _ACTION, values, "dedup")()
    rows = [(n, item) for n, (dedup, item) in numbered if dedup in fresh]
    links = {n: link for n, item in rows if (link := _link(n, item, now)) is not None}
    tx.insert("link", _LINK, list(links.values()))
    jobs = [_job(n, item, now) for n, item in rows]
    jobs += [_expiry(n, item, now + link_expiry) for n, item in rows if n in links]
    lanes.add(tx, jobs, now)
    return len(rows)


def _dedup(item: NewAction) -> bytes:
    if item.key is not None:
        person = (item.user_key or b"").hex()
        return keys.digest("action by key", item.account, person, item.handler or "", item.key)
    return keys.digest("action", str(item.event_id), item.handler or "", str(item.step))


def _sender(item: NewAction) -> str:
    action = item.action
    return action.account if isinstance(action, actions.StartAvaamo) else item.account


def _row(n: int, dedup: bytes, item: NewAction, now: datetime) -> tuple[object, ...]:
    links = isinstance(item.action, actions.Link | actions.AddIdentity)
    return (
        n,
        dedup,
        _sender(item),
        item.event_id,
        item.handler,
        item.user_key,
        item.action.kind,
        actions.to_json(item.action),
        "queued",
        n if links else None,
        0,
        micros(now),
    )


def _link(n: int, item: NewAction, now: datetime) -> tuple[object, ...] | None:
    """The row of a link, which has the number of its action."""
    match item.action:
        case actions.Link(target=target, confirmation=how, note=note):
            channel, address = target.channel, target.address
            platform, confirmation = str(target.platform), str(how.type)
        case actions.AddIdentity(channel=channel, identity=address, note=note):
            platform, confirmation = channel, "none"
        case _:
            return None
    return (
        n,
        item.account,
        item.user_key,
        channel,
        platform,
        normalise("sms" if channel == "messenger" else channel, address),
        confirmation,
        "pending",
        json.dumps(note),
        item.event_id,
        micros(now),
    )


def _job(n: int, item: NewAction, now: datetime) -> NewJob:
    lane = keys.lane(Queue.SEND, item.user_key)
    return NewJob(Queue.SEND, n, _sender(item), lane, now + (item.after or timedelta()))


def _expiry(n: int, item: NewAction, when: datetime) -> NewJob:
    return NewJob(Queue.EXPIRE, n, item.account, None, when + (item.after or timedelta()))


_OUTGOING = (
    "SELECT a.id, a.account, a.body, a.user_key, a.link_id, a.event_id, a.message_id, u.id,"
    " u.external_id FROM action a LEFT JOIN app_user u ON u.key = a.user_key"
    " WHERE a.id IN (SELECT value FROM numbers(?))"
)


def load(tx: Transaction, claims: Sequence[Claim]) -> list[Outgoing]:
    """What the claimed jobs are to send, and to whom."""
    if not claims:
        return []
    rows = {row[0]: row for row in tx.run(_OUTGOING, [claim.ref for claim in claims])}
    known = sightings.of_users(tx, {bytes(row[3]) for row in rows.values() if row[3] is not None})
    found = [_outgoing(claim, rows[claim.ref], known) for claim in claims if claim.ref in rows]
    return _checked(tx, found)


def _outgoing(claim: Claim, row: Any, known: Mapping[bytes, Sequence[ChannelIdentity]]) -> Outgoing:
    _, account, body, key, link_id, event_id, message_id, user_id, external_id = row
    user_key = None if key is None else bytes(key)
    return Outgoing(
        claim,
        account,
        actions.from_json(body),
        None if user_id is None else User(user_id, external_id),
        user_key,
        tuple(known.get(user_key or b"", ())),
        link_id,
        event_id,
        message_id,
    )


def _checked(tx: Transaction, items: list[Outgoing]) -> list[Outgoing]:
    """The same, with what the people who would get them have said of it."""
    letters = [
        Letter(i.claim.ref, i.account, i.action, i.user, i.user_key, i.identities, i.event_id)
        for i in items
    ]
    refused = consent.refused(tx, letters)
    return [replace(i, opted_out=True) if i.claim.ref in refused else i for i in items]


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one attempt. status: "sent", "queued" (again), "uncertain" or "dead".

    message_id: that the provider gave; None: what is known of it stays. attempts: so far.
    """

    action_id: int
    status: str
    attempts: int
    message_id: str | None = None
    error: str | None = None


def note(tx: Transaction, notes: Sequence[Note], now: datetime) -> None:
    """Write what became of these actions."""
    named, others = [], []
    for one in sorted(notes, key=lambda one: one.action_id):
        settled = None if one.status == "queued" else micros(now)
        row = (one.action_id, one.status, one.error, one.attempts, settled)
        if one.message_id is None:
            others.append(row)
        else:
            named.append((*row, one.message_id))
    columns = "status, error, attempts, settled_at"
    tx.update("action", "id", f"{columns}, message_id", named)
    tx.update("action", "id", columns, others)


def proven(tx: Transaction, action_ids: Sequence[int]) -> dict[int, str]:
    """The message ids of those actions of which a receipt has come, so that they were sent.

    The rows are locked: a receipt that comes later finds what is written of them now.
    """
    tail = "" if tx.alone else " FOR UPDATE"
    rows = tx.run(
        "SELECT id, message_id FROM action WHERE id IN (SELECT value FROM numbers(?))"
        f" ORDER BY id{tail}",
        list(action_ids),
    )
    return {row[0]: row[1] for row in rows if row[1] is not None}


def learn(
    tx: Transaction,
    account: str,
    user: User,
    identities: Sequence[ChannelIdentity],
    now: datetime,
) -> None:
    """Keep what a provider's answer proves of a user, unless webhooks have told more already."""
    seen = Unknown(id="", user=user, identities=tuple(identities), occurred_at=EPOCH)
    known = people.People(tx)
    about = subject(account, seen)
    known.read([about])
    known.see(about, None, micros(now))
    known.flush()


def link_record(
    link_id: int, channel: str, platform: str, address: str | None, now: datetime | None
) -> LinkRecord:
    """What an event made here says of its link; the rest is read when a handler runs."""
    return LinkRecord(link_id, channel, platform, address, "pending", requested_at=now)


def client_of_link(tx: Transaction, link_id: int, client_id: str) -> None:
    """Remember by which client the provider will speak of a link."""
    tx.run("UPDATE link SET client_id = ? WHERE id = ?", client_id, link_id)


def open_links(tx: Transaction, link_ids: Sequence[int]) -> list[Any]:
    """(id, account, user key and id, channel, platform, address) of those without an outcome."""
    rows = tx.run(
        "SELECT l.id, l.account, u.key, u.id, l.channel, l.platform, l.address"
        " FROM link l JOIN app_user u ON u.key = l.user_key"
        " WHERE l.id IN (SELECT value FROM numbers(?)) AND l.status IN ('pending', 'matched')"
        " ORDER BY l.id",
        list(link_ids),
    )
    return [(row[0], row[1], bytes(row[2]), *row[3:]) for row in rows]
