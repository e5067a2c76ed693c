"""
Actions to providers: claimed in order for each person, sent, and settled by the answer.

Neither Smooch nor Sinch takes an idempotency key, so a request whose answer was lost is uncertain:
it is held for a human or a receipt, or repeated, as the account's `uncertain` setting says.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from handlers import codec
from handlers.event import Event
from handlers.people import User
from receiver import limits, outcomes
from receiver.accounts import Account
from receiver.backoff import clamp, retry_delay
from receiver.brief import brief
from receiver.errors import (
    OptedOut,
    Rejected,
    SendError,
    Throttled,
    Uncertain,
    Unsupported,
    storable,
)
from receiver.logs import get_logger
from receiver.provider import Recipient, Sent
from receiver.send import Sender
from storage import inbox, keys, lanes, outbox
from storage.database import Database
from storage.dialects import Transaction
from storage.inbox import Delivery
from storage.lanes import Claim
from storage.outbox import Note, Outgoing
from storage.tables import Queue

log = get_logger()


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of one attempt: what the provider answered, or why it did not work."""

    item: Outgoing
    sent: Sent | None
    error: SendError | None


@dataclass(frozen=True, slots=True)
class _Settled:
    """A result and what it comes to: the action's status, "sent", "queued", "uncertain" or "dead".

    wait: until the next attempt; None: there is none.
    """

    result: Delivered
    status: str
    words: str | None = None
    wait: timedelta | None = None

    @property
    def claim(self) -> Claim:
        return self.result.item.claim

    @property
    def note(self) -> Note:
        sent, claim = self.result.sent, self.claim
        message_id = None if sent is None else sent.message_id
        return Note(claim.ref, self.status, claim.attempts, message_id, self.words)


class Deliverer:
    """What an Engine needs. told: called (from a thread) when there may be a new event."""

    def __init__(
        self,
        database: Database,
        accounts: Mapping[str, Account],
        sender: Sender,
        clock: Callable[[], datetime],
        told: Callable[[], None],
        *,
        lease: timedelta,
        max_attempts: int,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._sender = sender
        self._clock = clock
        self._told = told
        self._lease = lease
        self._max_attempts = max_attempts

    def step(self, results: Sequence[Delivered], room: int) -> Sequence[Outgoing]:
        """Settle what was sent, claim what there is room for."""
        now = self._clock()
        with self._database.write() as tx:
            settled = self._settle(tx, results, now)
            changed = limits.note(tx, [(r.item, r.error) for r in results], now)
            claims = limits.claim(tx, self._accounts, now, self._lease, room) if room else []
            items = outbox.load(tx, claims)
        limits.tell(changed)
        for one in settled:
            _tell(one)
        if settled:
            self._told()
        return items

    async def work(self, item: Outgoing) -> Delivered:
        """Send one action, unless a receipt has told that it was sent."""
        if item.message_id is not None:
            return Delivered(item, Sent(item.message_id), None)
        if item.opted_out:
            return Delivered(item, None, OptedOut("opted out"))
        if item.claim.lost:
            lost = Uncertain("a worker ended while it was sending this")
            if not self._repeats(item):
                return Delivered(item, None, lost)
        account = self._accounts.get(item.account)
        if account is None:
            unknown = Unsupported(f"there is no account {item.account}")
            return Delivered(item, None, unknown)
        recipient = Recipient(item.user, item.identities, item.reference)
        try:
            sent = await self._sender.send(
                account.name, account.provider, account.options, item.action, recipient
            )
        except SendError as error:
            return Delivered(item, None, error)
        except Exception as error:
            log.exception("adapter_bug", account=account.name, action=item.action.kind)
            return Delivered(item, None, Rejected(f"a bug of ours: {type(error).__name__}"))
        return Delivered(item, sent, None)

    def spoilt(self, result: Delivered) -> Delivered:
        """The same without what the provider said, in place of a result that cannot be stored."""
        if result.sent is not None:
            return Delivered(result.item, Sent(), None)
        kind = Uncertain if isinstance(result.error, Uncertain) else Rejected
        return Delivered(result.item, None, kind("the answer cannot be stored"))

    def _repeats(self, item: Outgoing) -> bool:
        account = self._accounts.get(item.account)
        return account is not None and account.options.uncertain == "repeat"

    def _settle(
        self, tx: Transaction, results: Sequence[Delivered], now: datetime
    ) -> list[_Settled]:
        """Those whose lease was still ours, each with what became of it."""
        if not results:
            return []
        claims = [result.item.claim for result in results]
        named = {lane for result in results for lane in _lanes(result)}
        lanes.lock(tx, named, lambda: lanes.named(tx, [claim.id for claim in claims]))
        ours = lanes.held(tx, claims)
        kept = [result for result in results if result.item.claim in ours]
        failed = [result.item.claim.ref for result in kept if result.error is not None]
        proven = outbox.proven(tx, failed)
        kept = [
            replace(result, sent=Sent(proven[ref]), error=None)
            if (ref := result.item.claim.ref) in proven
            else result
            for result in kept
        ]
        settled = [self._judged(result) for result in kept]
        outbox.note(tx, [one.note for one in settled], now)
        lanes.finish(tx, [one.claim for one in settled if one.status == "sent"], now)
        for one in settled:
            self._follow(tx, one, now)
        return settled

    def _judged(self, result: Delivered) -> _Settled:
        error = result.error
        if result.sent is not None:
            return _Settled(result, "sent")
        assert error is not None
        words, wait = storable(str(error)), self._wait(result.item, error)
        if wait is not None:
            return _Settled(result, "queued", words, wait)
        return _Settled(result, "uncertain" if isinstance(error, Uncertain) else "dead", words)

    def _follow(self, tx: Transaction, one: _Settled, now: datetime) -> None:
        """Put back the job of what was not sent, and take in what is to be learnt."""
        item, words = one.result.item, one.words or ""
        if one.result.sent is not None:
            self._take_answer(tx, item, one.result.sent, now)
        elif one.wait is not None:
            lanes.later(tx, one.claim, now + one.wait, words)
        else:
            lanes.bury(tx, one.claim, words, now)
            if one.status == "dead" and item.link_id is not None and one.result.error is not None:
                self._tell_handlers(tx, item, outcomes.failed(item, one.result.error), now)

    def _wait(self, item: Outgoing, error: SendError) -> timedelta | None:
        """How long until the next attempt; None: there is none."""
        repeated = isinstance(error, Uncertain) and self._repeats(item)
        hopeless = error.code == "tls"  # a certificate that is not good: somebody must look
        if (
            hopeless
            or not (error.retryable or repeated)
            or item.claim.attempts >= self._max_attempts
        ):
            return None
        delay = retry_delay(item.claim.attempts, random.random())  # noqa: S311
        if isinstance(error, Throttled) and error.retry_after is not None:
            return clamp(error.retry_after, delay)
        return delay

    def _take_answer(self, tx: Transaction, item: Outgoing, sent: Sent, now: datetime) -> None:
        """What the provider's answer proves: a client, identities, a user, a finished link."""
        if item.link_id is not None and sent.client_id is not None:
            outbox.client_of_link(tx, item.link_id, sent.client_id)
        user = sent.user or item.user
        if user is not None and (sent.identities or sent.user):
            outbox.learn(tx, item.account, user, sent.identities, now)
        if sent.linked and item.link_id is not None:
            self._tell_handlers(tx, item, outcomes.succeeded(item, sent), now)

    def _tell_handlers(self, tx: Transaction, item: Outgoing, event: Event, now: datetime) -> None:
        if item.user is not None:
            internal = codec.internal_json(event)
            delivery = Delivery(item.account, internal, (event,), now, internal=True)
            inbox.save(tx, [delivery], now)


def expire_links(tx: Transaction, now: datetime, lease: timedelta, limit: int = 200) -> int:
    """Give links that had no outcome in time their LinkExpired; how many."""
    claims = lanes.claim(tx, Queue.EXPIRE, now, lease, limit)
    if not claims:
        return 0
    lanes.finish(tx, claims, now)
    ids = [claim.ref for claim in claims]

    def waiting() -> set[int]:
        return {keys.lane(Queue.DISPATCH, user_key) or 0 for _, _, user_key, *_ in open_links()}

    def open_links() -> list[Any]:
        return outbox.open_links(tx, ids)

    lanes.lock(tx, waiting(), waiting)  # an outcome may be coming in at this very moment
    found = open_links()
    deliveries = []
    for link_id, account, _, user_id, channel, platform, address in found:
        event = outcomes.expired(link_id, User(user_id), (channel, platform, address), now)
        body = codec.internal_json(event)
        deliveries.append(Delivery(account, body, (event,), now, internal=True))
    inbox.save(tx, deliveries, now)
    return len(found)


def _lanes(result: Delivered) -> list[int]:
    """What settling may touch: the action's lane, and of those of whom the answer tells."""
    item, sent = result.item, result.sent
    found = [item.claim.lane]
    if item.link_id is not None or (sent is not None and sent.identities):
        found.append(keys.lane(Queue.DISPATCH, item.user_key))
    if sent is not None and sent.user is not None:
        key = keys.user(item.account, sent.user.id)
        found.append(keys.lane(Queue.DISPATCH, key))
    return [lane for lane in found if lane is not None]


def _tell(one: _Settled) -> None:
    error, item = one.result.error, one.result.item
    waits_for_human = one.status in ("uncertain", "dead")
    tell = log.error if waits_for_human else brief
    tell(
        "action_delivered",
        account=item.account,
        action_id=item.claim.ref,
        kind=item.action.kind,
        outcome="later" if one.status == "queued" else one.status,
        attempt=item.claim.attempts,
        error=None if error is None else error.kind,
        status=None if error is None else error.status,
    )
