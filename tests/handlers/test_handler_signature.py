"""What is a handler, and what is refused as one."""

import functools
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from handlers import (
    Context,
    Event,
    Message,
    MessageReceived,
    MessageSent,
    Postback,
    Router,
    WrongHandler,
)

if TYPE_CHECKING:
    from nowhere import Imagined  # type: ignore[import-not-found]


async def first(ctx: Context[MessageReceived]) -> None:
    """Do nothing."""


class Bound:
    """A class with handlers as methods."""

    async def handle(self, ctx: Context[MessageReceived]) -> None: ...

    async def __call__(self, ctx: Context[MessageReceived]) -> None: ...


AnyEvent = TypeVar("AnyEvent", bound=Event)


def bare(ctx: Context) -> None: ...  # type: ignore[type-arg]
def unannotated(ctx): ...  # type: ignore[no-untyped-def]
def text_annotation(ctx: "Context[MessageReceived]") -> None: ...
def family(ctx: Context[Message]) -> None: ...
def every(ctx: Context[Event]) -> None: ...
def either(ctx: Context[Postback | MessageReceived]) -> None: ...
def generic(ctx: Context[AnyEvent]) -> None: ...
def unresolvable(ctx: "Imagined") -> None: ...
def only_positional(ctx: Context[Any], /) -> None: ...


ACCEPTED = [
    first,
    bare,
    unannotated,
    text_annotation,
    family,
    every,
    either,
    generic,
    unresolvable,
    only_positional,
    Bound().handle,
]


@pytest.mark.parametrize("function", ACCEPTED, ids=lambda f: f.__name__)
def test_a_function_of_one_context_is_a_handler(function: Any) -> None:
    router = Router()
    router.on(MessageReceived)(function)
    assert [handler.function for handler in router.handlers] == [function]


def nothing() -> None: ...
def event_first(event: Event, ctx: Context[Any]) -> None: ...
def with_default(ctx: Context[Any], again: bool = False) -> None: ...
def starred(*args: Any) -> None: ...
def keyword(*, ctx: Context[Any]) -> None: ...
def keywords(ctx: Context[Any], **more: Any) -> None: ...
def takes_the_event(event: MessageReceived) -> None: ...
def takes_a_text(text: str) -> None: ...
def other_event(ctx: Context[Postback]) -> None: ...
def other_events(ctx: Context[Postback | MessageSent]) -> None: ...


def yields(ctx: Context[Any]) -> Iterator[None]:
    yield


async def yields_later(ctx: Context[Any]) -> AsyncIterator[None]:
    yield


REFUSED: list[tuple[Any, str]] = [
    (nothing, "nothing cannot be a handler: it takes nothing instead of one argument"),
    (event_first, "it takes event: .*, ctx: .* instead of one argument"),
    (with_default, "again: bool = False"),
    (starred, r"it takes \*args"),
    (keyword, "instead of one argument"),
    (keywords, r"\*\*more"),
    (takes_the_event, "its argument is annotated as MessageReceived"),
    (takes_a_text, r"annotated as str\. Expected: async def takes_a_text\(ctx: Context\[Mess"),
    (other_event, "its argument is a Context of Postback"),
    (other_events, "its argument is a Context of .*Postback"),
    (yields, "it yields"),
    (yields_later, "it yields"),
    (lambda ctx: None, "it needs a name"),
    (Bound, "Bound is no function"),
    (Bound(), "is no function"),
    (functools.partial(first), "is no function"),
    (print, "is no function"),
    ("first", "first is no function"),
]


@pytest.mark.parametrize(
    ("function", "message"),
    REFUSED,
    ids=[f"{n}-{said[:40]}" for n, (_, said) in enumerate(REFUSED)],
)
def test_what_cannot_be_called_with_a_context_is_refused_when_registered(
    function: Any, message: str
) -> None:
    router = Router()
    with pytest.raises(WrongHandler, match=message):
        router.on(MessageReceived)(function)
    assert router.handlers == ()


def test_a_handler_of_a_family_cannot_ask_for_one_member() -> None:
    with pytest.raises(WrongHandler, match=r"Expected: .*\(ctx: Context\[Message\]\)"):
        Router().on(Message)(first)


def test_a_handler_of_errors_takes_any_event() -> None:
    with pytest.raises(WrongHandler, match=r"Context\[Event\]"):
        Router().on_error(ValueError)(first)


MISUSED: dict[str, tuple[Any, str]] = {
    "on without an event": (lambda router: router.on(first), "name the event first"),
    "observe without an event": (lambda router: router.observe(first), "name the event first"),
    "on with a type's name": (lambda router: router.on("message.received"), "name the event"),
    "on with a class of another kind": (lambda router: router.on(int), "name the event first"),
    "on_error without a class": (lambda router: router.on_error(first), "class of exceptions"),
    "on_error of what is no failure": (lambda r: r.on_error(KeyboardInterrupt), "exceptions"),
    "a text as a rule": (lambda router: router.on_message("hi"), "'hi' is no rule: use when.text"),
    "a class as a handler": (lambda router: router.on_message(Bound), "is no rule"),
}


@pytest.mark.parametrize("name", MISUSED)
def test_a_decorator_that_is_used_wrongly_says_how(name: str) -> None:
    use, message = MISUSED[name]
    with pytest.raises(WrongHandler, match=message):
        use(Router())
