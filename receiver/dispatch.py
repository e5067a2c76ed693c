"""
Events to handlers: the stored bytes are parsed again, the handlers run, and what they ask for is
queued in the transaction that settles the event.
"""

import asyncio
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
from receiver.backoff import retry_delay
from receiver.errors import Unparsed
from receiver.logs import get_logger
from storage import lanes, work
from storage.database import Database
from storage.outbox import NewAction
from storage.tables import Queue
from storage.work import Dead, Done, HandlerRun, Later, Result, Verdict, Work

log = get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often. From the settings of the same names."""

    lease: timedelta
    handler_timeout: timedelta
    max_attempts: int
    link_expiry: timedelta


@dataclass(slots=True)
class _Outcome:
    """What the handlers of one event did, so far."""

    runs: list[HandlerRun] = field(default_factory=list)
    actions: list[NewAction] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)


class Dispatcher:
    """`step` and `work` for an Engine. queued: called (from a thread) when actions were queued."""

    def __init__(
        self,
        database: Database,
        accounts: Mapping[str, Account],
        router: Router,
        limits: Limits,
        clock: Callable[[], datetime],
        queued: Callable[[], None],
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._router = router
        self._limits = limits
        self._clock = clock
        self._queued = queued

    def step(self, results: Sequence[Result], room: int) -> Sequence[Work]:
        """Settle what has ended, claim what there is room for."""
        now = self._clock()
        with self._database.write() as tx:
            settled = work.settle(tx, results, now, self._limits.link_expiry)
            claims = lanes.claim(tx, Queue.DISPATCH, now, self._limits.lease, room) if room else []
            items = work.load(tx, claims)
        for result in settled:
            _tell(result)
        if any(result.actions for result in settled):
            self._queued()
        return items

    async def work(self, item: Work) -> Result:
        """Run the event's handlers."""
        try:
            event = self._event(item)
        except Unparsed as error:
            return Result(item, Dead(f"cannot be parsed: {error}"))
        routes = (
            await asyncio.to_thread(self._routes, event, item)
            if _long(event)
            else (self._routes(event, item))
        )
        outcome = _Outcome()
        for routed in routes:
            if routed.handler.name not in item.done:
                await self._run(routed, event, item, outcome)
        verdict = self._verdict(item, outcome)
        return Result(item, verdict, outcome.runs, outcome.actions, outcome.states)

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

    def _routes(self, event: Event, item: Work) -> list[Routed]:
        owner = self._router.route(event, item.account)
        return ([owner] if owner else []) + self._router.observers(event, item.account)

    async def _run(self, routed: Routed, event: Event, item: Work, outcome: _Outcome) -> None:
        handler = routed.handler
        context = self._context(event, item, outcome, match=routed.match)
        began = time.perf_counter()
        error = await self._call(handler, context)
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
        return await self._call(mender, context), context

    def _context(self, event: Event, item: Work, outcome: _Outcome, **more: Any) -> Context[Event]:
        account = self._accounts.get(item.account)
        return Context(
            event=event,
            account=item.account,
            provider=account.provider.name if account else "",
            now=self._clock(),
            identities=item.identities,
            links=item.links,
            states={**item.states, **outcome.states},
            attempt=item.claim.attempts,
            log=log.bind(event_id=item.claim.ref, account=item.account),
            **more,
        )

    async def _call(self, handler: Handler, context: Context[Event]) -> Exception | None:
        """What the handler raised; None if it returned. The one place that runs foreign code."""
        limit = handler.timeout or self._limits.handler_timeout
        try:
            async with asyncio.timeout(limit.total_seconds()):
                if handler.is_async:
                    await handler.function(context)
                else:
                    await asyncio.to_thread(handler.function, context)
        except TimeoutError:
            return TimeoutError(f"{handler.name} took longer than {limit.total_seconds():g} s")
        except Exception as error:
            if not isinstance(error, Retry | Drop):
                log.warning("handler_failed", handler=handler.name, exc_info=error)
            return error
        return None

    def _verdict(self, item: Work, outcome: _Outcome) -> Verdict:
        if not outcome.failures:
            return Done()
        now, failures = self._clock(), outcome.failures
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
    """The error in one line for the database: its type, and its message cut short."""
    return f"{type(error).__name__}: {error}"[:500]


def _tell(result: Result) -> None:
    outcome = type(result.verdict).__name__.lower()
    log.info(
        "event_dispatched",
        account=result.work.account,
        event_id=result.work.claim.ref,
        outcome=outcome,
        attempt=result.work.claim.attempts,
        handlers=[run.handler for run in result.runs],
        actions=len(result.actions),
    )
