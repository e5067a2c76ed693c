"""Which handler takes which event."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar, overload

from handlers import signature
from handlers.checks import Delay, delay
from handlers.errors import WrongHandler
from handlers.event import Event
from handlers.events import MessageReceived, Postback
from handlers.rules import Match, Rule, when

Function = TypeVar("Function", bound=Callable[[Any], object])


@dataclass(frozen=True, slots=True)
class Handler:
    """A registered function.

    name:    "module.function", unique in its router and the same after a restart; a handler that
             succeeded for an event is remembered by it. A second one of that name has "#2".
    rule:    None takes every event of the class.
    timeout: how long it may run; None: as long as the settings say.
    """

    name: str
    function: Callable[[Any], Any]
    event_class: type[Event]
    rule: Rule | None
    is_async: bool
    timeout: timedelta | None

    def match(self, event: Event, account: str) -> Match | None:
        """The groups that its rule found; None where the event is not for this handler."""
        if not isinstance(event, self.event_class):
            return None
        return {} if self.rule is None else self.rule(event, account)


@dataclass(frozen=True, slots=True)
class Routed:
    """A handler that takes the event, and what its rule found in it."""

    handler: Handler
    match: Match


class Router:
    """The handlers of one module, in the order in which they were registered.

    The first whose class and rule match owns the event; observers run beside it. A class stands
    for its subclasses too: `on(Message)`, `on(Receipt)`, `on(LinkOutcome)`, `on(Event)`.
    Every decorator gives the function back unchanged, and raises WrongHandler for one that cannot
    be called with a context. timeout: a timedelta or seconds.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self._owners: list[Handler] = []
        self._observers: list[Handler] = []
        self._errors: list[tuple[type[Exception], Handler]] = []

    def __repr__(self) -> str:
        return f"<Router {self.name or ''}: {', '.join(h.name for h in self.handlers)}>"

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """All of them: owners, observers, handlers of errors."""
        return (*self._owners, *self._observers, *(handler for _, handler in self._errors))

    def on(
        self, event_class: type[Event], rule: Rule | None = None, *, timeout: Delay | None = None
    ) -> Callable[[Function], Function]:
        """The function owns these events, if none before it does."""
        return self._to(self._owners, event_class, rule, timeout)

    def observe(
        self, event_class: type[Event], rule: Rule | None = None, *, timeout: Delay | None = None
    ) -> Callable[[Function], Function]:
        """The function runs for these events beside whoever owns them."""
        return self._to(self._observers, event_class, rule, timeout)

    @overload
    def on_message(
        self, rule: Rule | None = None, *, timeout: Delay | None = None
    ) -> Callable[[Function], Function]: ...

    @overload
    def on_message(self, rule: Function) -> Function: ...

    def on_message(self, rule: Any = None, *, timeout: Delay | None = None) -> Any:
        """`on(MessageReceived, rule)`; may stand without parentheses."""
        if inspect.isfunction(rule):
            return self.on(MessageReceived)(rule)
        return self.on(MessageReceived, rule, timeout=timeout)

    @overload
    def on_postback(
        self, rule: Rule | str | re.Pattern[str] | None = None, *, timeout: Delay | None = None
    ) -> Callable[[Function], Function]: ...

    @overload
    def on_postback(self, rule: Function) -> Function: ...

    def on_postback(self, rule: Any = None, *, timeout: Delay | None = None) -> Any:
        """`on(Postback, rule)`; a text is a pattern for the whole payload. Parentheses optional."""
        if inspect.isfunction(rule):
            return self.on(Postback)(rule)
        if isinstance(rule, str | re.Pattern):
            rule = when.payload(rule)
        return self.on(Postback, rule, timeout=timeout)

    def on_error(
        self, error_class: type[Exception], *, timeout: Delay | None = None
    ) -> Callable[[Function], Function]:
        """The function runs when a handler raised such an error; `ctx.error` is the error.

        Of several classes that fit the most specific counts, of equal ones the first.
        """
        if not (isinstance(error_class, type) and issubclass(error_class, Exception)):
            raise WrongHandler("on_error takes a class of exceptions: @router.on_error(OSError)")
        span = _timeout(timeout)

        def register(function: Function) -> Function:
            handler = self._handler(function, Event, None, span)
            self._errors.append((error_class, handler))
            return function

        return register

    def route(self, event: Event, account: str) -> Routed | None:
        """Who owns the event; None: nobody."""
        return next(_routed(self._owners, event, account), None)

    def observers(self, event: Event, account: str) -> list[Routed]:
        """Who watches the event, in order."""
        return list(_routed(self._observers, event, account))

    def error_handler(self, error: BaseException) -> Handler | None:
        """Who deals with the error; None: nobody, it is a failure like any other."""
        by_class: dict[type, Handler] = {}
        for error_class, handler in self._errors:
            by_class.setdefault(error_class, handler)
        return next((by_class[c] for c in type(error).__mro__ if c in by_class), None)

    def _to(
        self,
        handlers: list[Handler],
        event_class: type[Event],
        rule: Rule | None,
        timeout: Delay | None,
    ) -> Callable[[Function], Function]:
        if not (isinstance(event_class, type) and issubclass(event_class, Event)):
            raise WrongHandler("name the event first: @router.on(MessageReceived)")
        if rule is not None and not isinstance(rule, Rule):
            raise WrongHandler(f"{rule!r} is no rule: use when.text(...), when.check(...) ...")
        span = _timeout(timeout)

        def register(function: Function) -> Function:
            handlers.append(self._handler(function, event_class, rule, span))
            return function

        return register

    def _handler(
        self,
        function: Callable[[Any], Any],
        event_class: type[Event],
        rule: Rule | None,
        timeout: timedelta | None,
    ) -> Handler:
        signature.check(function, event_class)
        name = self._free(signature.name_of(function))
        is_async = inspect.iscoroutinefunction(function)
        return Handler(name, function, event_class, rule, is_async, timeout)

    def _free(self, name: str) -> str:
        """The name, or its first "#2", "#3" ... that nobody has."""
        taken = {handler.name for handler in self.handlers}
        plain, number = name.partition("#")[0], 2
        while name in taken:
            name, number = f"{plain}#{number}", number + 1
        return name

    def _take_in(self, other: "Router") -> None:
        self._owners += [replace(h, name=self._free(h.name)) for h in other._owners]
        self._observers += [replace(h, name=self._free(h.name)) for h in other._observers]
        self._errors += [(c, replace(h, name=self._free(h.name))) for c, h in other._errors]


def combine(routers: Iterable[Router]) -> Router:
    """One router of several: those of the first come first. The given ones stay as they are."""
    combined = Router()
    for router in routers:
        combined._take_in(router)
    return combined


def _routed(handlers: list[Handler], event: Event, account: str) -> Iterator[Routed]:
    for handler in handlers:
        match = handler.match(event, account)
        if match is not None:
            yield Routed(handler, match)


def _timeout(value: Delay | None) -> timedelta | None:
    span = delay(value, "timeout")
    if span == timedelta(0):
        raise ValueError("a timeout of 0 lets nothing run; None is the settings' own")
    return span
