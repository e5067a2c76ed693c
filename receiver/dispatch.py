"""
Events to handlers: the stored bytes are parsed again, the handlers run, and what they ask for is
queued in the transaction that settles the event.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from handlers import codec
from handlers.context import Context
from handlers.errors import Drop, Retry
from handlers.event import Event, LinkOutcome
from handlers.router import Handler, Routed, Router
from receiver.accounts import Account
from receiver.aside import aside
from receiver.backoff import retry_delay
from receiver.brief import brief
from receiver.calling import call
from receiver.errors import Unparsed, storable
from receiver.logs import frames, get_logger
from receiver.reveal import Reveal
from storage import lanes, work
from storage.database import Database
from storage.outbox import NewAction
from storage.tables import Queue
from storage.work import Dead, Done, HandlerRun, Later, Result, Verdict, Work

log = get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often. From the settings of the same names.

    All handlers of one event together have most of the lease: after it another worker may have it.
    """

    lease: timedelta
    handler_timeout: timedelta
    max_attempts: int
    link_expiry: timedelta


# Of the lease; the rest is for settling.
_SHARE = 0.9


@dataclass(slots=True)
class _Outcome:
    """What the handlers of one event did, so far.

    until:  when the event's time is over, in seconds of time.monotonic().
    wanted: the handlers that are to run.
    """

    until: float
    wanted: Sequence[Routed] = ()
    runs: list[HandlerRun] = field(default_factory=list)
    actions: list[NewAction] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)


class Dispatcher:
    """What an Engine needs. queued: called (from a thread) when actions were queued."""

    def __init__(
        self,
        database: Database,
        accounts: Mapping[str, Account],
        router: Router,
        limits: Limits,
        clock: Callable[[], datetime],
        queued: Callable[[], None],
        reveal: Reveal | None = None,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._router = router
        self._limits = limits
        self._clock = clock
        self._queued = queued
        self._reveal = reveal
        asked = [handler.timeout / _SHARE for handler in router.handlers if handler.timeout]
        self._lease = max([limits.lease, *asked])

    def step(self, results: Sequence[Result], room: int) -> Sequence[Work]:
        """Settle what has ended, claim what there is room for."""
        now = self._clock()
        with self._database.write() as tx:
            settled = work.settle(tx, results, now, self._limits.link_expiry)
            claims = lanes.claim(tx, Queue.DISPATCH, now, self._lease, room) if room else []
            items = work.load(tx, claims)
        for result in settled:
            _tell(result)
        if any(result.actions for result in settled):
            self._queued()
        return items

    async def work(self, item: Work) -> Result:
        """Run the event's handlers."""
        attempts = item.claim.attempts
        if item.claim.lost:
            log.warning("lease_expired", event_id=item.claim.ref, attempt=attempts)
            if attempts > self._limits.max_attempts:
                return Result(item, Dead("workers died, or were cut off, while handling it"))
        outcome = _Outcome(time.monotonic() + _SHARE * self._lease.total_seconds())
        try:
            event = self._event(item)
            if self._reveal is not None:
                item = await self._reveal(item, event.user)
            routes = await self._routes(event, item)
            outcome.wanted = [r for r in routes if r.handler.name not in item.done]
            for routed in outcome.wanted:
                if time.monotonic() < outcome.until:
                    await self._run(routed, event, item, outcome)
        except Unparsed as error:
            return Result(item, Dead(f"cannot be parsed: {error}"))
        except Exception as error:  # a rule's own function, or a bug of a parser
            log.warning("routing_failed", event_id=item.claim.ref, **frames(error))
            outcome.failures.append(error)
        verdict = self._verdict(item, outcome)
        return Result(item, verdict, outcome.runs, outcome.actions, outcome.states)

    def spoilt(self, result: Result) -> Result:
        """The same event as one that failed, in place of a result that cannot be stored."""
        failed = _Outcome(0, failures=[ValueError("what its handlers left cannot be stored")])
        return Result(result.work, self._verdict(result.work, failed))

    def _event(self, item: Work) -> Event:
        """The event, from the bytes that came. Raises Unparsed."""
        if item.body is None:
            raise Unparsed("its body was removed by retention")
        if item.internal:
            event = codec.from_internal_json(item.body)
        else:
            event = self._parsed(item, item.body)
        if isinstance(event, LinkOutcome) and item.link is not None:
            return replace(event, link=item.link)
        return event

    def _parsed(self, item: Work, body: bytes) -> Event:
        account = self._accounts.get(item.account)
        if account is None or account.provider.inbound is None:
            raise Unparsed(f"there is no account {item.account} any more")
        events = account.provider.inbound.parse(body)
        if item.position < len(events) and events[item.position].id == item.key:
            return events[item.position]
        for event in events:
            if event.id == item.key:
                return event
        raise Unparsed("the parser no longer finds this event in its body")

    async def _routes(self, event: Event, item: Work) -> list[Routed]:
        def find() -> list[Routed]:
            owner = self._router.route(event, item.account)
            return ([owner] if owner else []) + self._router.observers(event, item.account)

        found: list[Routed] = await aside(find) if _long(event) else find()
        return found

    async def _run(self, routed: Routed, event: Event, item: Work, outcome: _Outcome) -> None:
        handler = routed.handler
        context = self._context(event, item, outcome, match=routed.match)
        began = time.perf_counter()
        error = await self._call(handler, context, outcome)
        if error is not None and not isinstance(error, Retry | Drop):
            error, context = await self._mend(error, event, item, outcome, context)
        spent = timedelta(seconds=time.perf_counter() - began)
        match error:
            case None:
                self._succeeded(HandlerRun(handler.name, "done", spent), context, item, outcome)
            case Drop():
                outcome.runs.append(HandlerRun(handler.name, "dropped", spent, str(error)))
            case _:
                outcome.runs.append(HandlerRun(handler.name, "failed", spent, _words(error)))
                outcome.failures.append(error)

    def _succeeded(
        self, run: HandlerRun, context: Context[Event], item: Work, outcome: _Outcome
    ) -> None:
        """Note what it asked for. A state that it left unfit to be kept makes it a failure."""
        try:
            states = context.changed_states()
        except (TypeError, ValueError) as error:
            outcome.runs.append(replace(run, outcome="failed", error=_words(error)))
            outcome.failures.append(error)
            return
        outcome.runs.append(run)
        outcome.states |= states
        outcome.actions += _planned(item, run.handler, context)

    async def _mend(
        self,
        error: Exception,
        event: Event,
        item: Work,
        outcome: _Outcome,
        context: Context[Event],
    ) -> tuple[Exception | None, Context[Event]]:
        """What is left of an error after the handler of such errors, and whose plan counts."""
        mender = self._router.error_handler(error)
        if mender is None:
            return error, context
        context = self._context(event, item, outcome, error=error)
        return await self._call(mender, context, outcome), context

    def _context(self, event: Event, item: Work, outcome: _Outcome, **more: Any) -> Context[Event]:
        account = self._accounts.get(item.account)
        return Context(
            event=event,
            account=item.account,
            provider=account.provider.name if account else "",
            now=self._clock(),
            identities=item.identities,
            links=item.links,
            elsewhere=_elsewhere(event, account),
            states={**item.states, **outcome.states},
            attempt=item.claim.attempts,
            log=get_logger(event_id=item.claim.ref, account=item.account),
            **more,
        )

    async def _call(
        self, handler: Handler, context: Context[Event], outcome: _Outcome
    ) -> Exception | None:
        """What the handler raised within its time, and the event's; None if it returned."""
        limit = (handler.timeout or self._limits.handler_timeout).total_seconds()
        left = max(outcome.until - time.monotonic(), 0)
        error = await call(handler, context, min(limit, left))
        if error is not None and not isinstance(error, Retry | Drop):
            log.warning("handler_failed", handler=handler.name, **frames(error))
        return error

    def _verdict(self, item: Work, outcome: _Outcome) -> Verdict:
        now, failures = self._clock(), outcome.failures
        if not failures and len(outcome.runs) == len(outcome.wanted):
            return Done()
        if not failures:
            return Later(now, "no time was left for all of its handlers", counts=False)
        waits = [error for error in failures if isinstance(error, Retry)]
        words = _words(failures[0])
        attempts = item.claim.attempts
        if len(waits) == len(failures) and attempts < 10 * self._limits.max_attempts:
            chosen = [e.after for e in waits if e.after is not None]
            after = max(chosen) if chosen else retry_delay(attempts, random.random())  # noqa: S311
            return Later(now + after, words)
        if attempts >= self._limits.max_attempts:
            return Dead(words)
        return Later(now + retry_delay(attempts, random.random()), words)  # noqa: S311


def _elsewhere(event: Event, account: Account | None) -> str | None:
    """The integration that has the event's conversation, where it is another than ours."""
    inbound = account.provider.inbound if account else None
    if account is None or inbound is None or inbound.elsewhere is None:
        return None
    return inbound.elsewhere(event, account.options)


def _long(event: Event) -> bool:
    """Whether its rules may take long enough to be worth a thread."""
    return event.text is not None and len(event.text) > 4096


def _planned(item: Work, handler: str, context: Context[Event]) -> list[NewAction]:
    return [
        NewAction(
            item.account,
            item.claim.ref,
            handler,
            step,
            item.user_key,
            planned.action,
            planned.key,
            planned.after,
        )
        for step, planned in enumerate(context.actions)
    ]


def _words(error: BaseException) -> str:
    return storable(f"{type(error).__name__}: {error}")


def _tell(result: Result) -> None:
    outcome = type(result.verdict).__name__.lower()
    brief(
        "event_dispatched",
        account=result.work.account,
        event_id=result.work.claim.ref,
        outcome=outcome,
        attempt=result.work.claim.attempts,
        handlers=[run.handler for run in result.runs],
        actions=len(result.actions),
    )
