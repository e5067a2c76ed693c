"""Who takes which event."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers import (
    Context,
    Event,
    LinkExpired,
    LinkFailed,
    LinkOutcome,
    Message,
    MessageDelivered,
    MessageReceived,
    MessageSent,
    Postback,
    Receipt,
    Retry,
    Router,
    Unknown,
    when,
)
from handlers.router import combine

HERE = __name__
HELLO = MessageReceived(id="1", channel="web", text="hello")
SMS = MessageReceived(id="2", channel="sms", text="hello")
PRESSED = Postback(id="3", payload="receipt:A7")


async def first(ctx: Context[MessageReceived]) -> None:
    """Do nothing."""


async def second(ctx: Context[MessageReceived]) -> None:
    """Do nothing."""


def plain(ctx: Context[Any]) -> None:
    """Do nothing."""


def owner(router: Router, event: Event, account: str = "support") -> str | None:
    routed = router.route(event, account)
    return routed.handler.name.removeprefix(f"{HERE}.") if routed else None


def test_the_first_handler_that_matches_owns_the_event() -> None:
    router = Router()
    router.on_message(when.channel("sms"))(first)
    router.on_message()(second)
    assert owner(router, HELLO) == "second"
    assert owner(router, SMS) == "first"
    assert owner(router, PRESSED) is None


def test_a_rule_sees_the_account() -> None:
    router = Router()
    router.on(Event, when.account("sales"))(plain)
    assert owner(router, HELLO, "sales") == "plain"
    assert owner(router, HELLO, "support") is None


FAMILIES: list[tuple[type[Event], Event, bool]] = [
    (Event, Unknown(id="1"), True),
    (Message, HELLO, True),
    (Message, MessageSent(id="1"), True),
    (Message, PRESSED, False),
    (Receipt, MessageDelivered(id="1"), True),
    (LinkOutcome, LinkExpired(id="1"), True),
    (LinkFailed, LinkExpired(id="1"), False),
]


@pytest.mark.parametrize(("event_class", "event", "taken"), FAMILIES)
def test_a_class_stands_for_its_family(event_class: type[Event], event: Event, taken: bool) -> None:
    router = Router()
    router.on(event_class)(plain)
    assert (owner(router, event) is not None) is taken


def test_what_the_rule_found_comes_along() -> None:
    router = Router()
    router.on_postback(r"receipt:(?P<order>\w+)")(plain)
    routed = router.route(PRESSED, "support")
    assert routed is not None
    assert routed.match == {"order": "A7"}
    assert owner(router, Postback(id="1", payload="receipt")) is None


def test_decorators_may_stand_without_parentheses_and_give_the_function_back() -> None:
    router = Router()
    assert router.on_message(first) is first
    assert router.on_postback(plain) is plain
    assert router.on(MessageReceived)(second) is second
    assert router.observe(Event)(plain) is plain
    assert router.on_error(ValueError)(plain) is plain
    assert owner(router, HELLO) == "first"
    assert owner(router, PRESSED) == "plain"


def test_observers_run_beside_the_owner() -> None:
    router = Router()
    router.observe(Event)(plain)
    router.observe(MessageReceived, when.text("(?P<what>hel)"))(first)
    router.observe(Postback)(plain)
    assert router.route(HELLO, "support") is None
    found = router.observers(HELLO, "support")
    assert [(r.handler.name, r.match) for r in found] == [
        (f"{HERE}.plain", {}),
        (f"{HERE}.first", {"what": "hel"}),
    ]


class Gone(ConnectionError):
    """More specific."""


ERRORS: list[tuple[BaseException, str | None]] = [
    (ConnectionError(), "plain"),
    (ConnectionResetError(), "plain"),
    (Gone(), "first"),
    (OSError(), "second"),
    (ValueError(), None),
    (KeyboardInterrupt(), None),
]


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=repr)
def test_an_error_goes_to_the_most_specific_handler(
    error: BaseException, expected: str | None
) -> None:
    router = Router()

    @router.on_error(OSError)
    def second(ctx: Context[Event]) -> None: ...

    router.on_error(ConnectionError)(plain)

    @router.on_error(Gone)
    def first(ctx: Context[Event]) -> None: ...

    router.on_error(ConnectionError)(second)
    handler = router.error_handler(error)
    assert (handler and handler.function.__name__) == expected


def test_a_handler_is_known_by_its_module_and_name() -> None:
    router = Router()
    router.on_message(when.text("a"))(first)
    router.on_message(when.text("b"))(first)
    router.observe(MessageReceived, timeout=2.5)(first)
    router.on_error(ValueError, timeout=timedelta(minutes=1))(plain)
    assert [(h.name, h.is_async, h.timeout) for h in router.handlers] == [
        (f"{HERE}.first", True, None),
        (f"{HERE}.first#2", True, None),
        (f"{HERE}.first#3", True, timedelta(seconds=2.5)),
        (f"{HERE}.plain", False, timedelta(minutes=1)),
    ]


def test_routers_are_combined_in_the_order_given() -> None:
    one, two = Router("one"), Router("two")
    one.on_message(when.channel("web"))(first)
    one.on_error(OSError)(plain)
    two.on_message(first)
    two.observe(Event)(plain)
    two.on_error(OSError)(second_error)
    both = combine([one, two])
    assert [h.name.removeprefix(f"{HERE}.") for h in both.handlers] == [
        "first",
        "first#2",
        "plain#2",
        "plain",
        "second_error",
    ]
    assert owner(both, HELLO) == "first"
    assert owner(both, SMS) == "first#2"
    handler = both.error_handler(OSError())
    assert handler is not None
    assert handler.function is plain
    assert two.handlers[0].name == f"{HERE}.first"
    assert owner(combine([two, one]), HELLO) == "first"


def second_error(ctx: Context[Event]) -> None:
    """Do nothing."""


def test_a_router_shows_its_handlers() -> None:
    router = Router("mine")
    router.on_message(first)
    assert repr(router) == f"<Router mine: {HERE}.first>"


def test_a_registered_function_is_still_a_function() -> None:
    router = Router()

    @router.on_message
    async def greet(ctx: Context[MessageReceived]) -> None:
        ctx.reply("hello")

    ctx = Context(
        event=MessageReceived(id="1", conversation_id="c1"),
        account="support",
        provider="smooch",
        now=datetime(2026, 3, 1, tzinfo=UTC),
    )
    asyncio.run(greet(ctx))
    assert len(ctx.actions) == 1


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), timedelta(0)])
def test_a_timeout_that_lets_nothing_run_is_refused(timeout: float | timedelta) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Router().on(Event, timeout=timeout)


@pytest.mark.parametrize(
    ("after", "expected"),
    [(None, None), (90, timedelta(seconds=90)), (timedelta(hours=1), timedelta(hours=1))],
)
def test_retry_says_when(after: Any, expected: timedelta | None) -> None:
    retry = Retry(after, "the shop is closed")
    assert (retry.after, retry.reason, str(retry)) == (
        expected,
        "the shop is closed",
        "the shop is closed",
    )


def test_retry_before_now_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Retry(-5)
