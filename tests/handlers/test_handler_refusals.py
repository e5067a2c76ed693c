"""What a handler cannot ask for, and the line that says so."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers import (
    Context,
    Drop,
    Elsewhere,
    Event,
    Location,
    MessageDelivered,
    MessageReceived,
    MessageSent,
    OwnMessage,
    Prompt,
    Reply,
    Send,
    Text,
    Twilio,
    Unknown,
    User,
    WhatsApp,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN = User("5f0a2c", "ann@example.com")
MESSAGE = MessageReceived(
    id="m1", user=ANN, channel="web", conversation_id="c1", message_id="m1", text="hello"
)
NOBODY = Unknown(id="u1")


def context(event: Event = MESSAGE, **known: Any) -> Context[Any]:
    return Context(event=event, account="support", provider="smooch", now=NOW, **known)


_CIRCLE: list[Any] = []
_CIRCLE.append(_CIRCLE)

REFUSED: dict[str, tuple[Callable[[Context[Any]], None], type[Exception], str]] = {
    "no words": (lambda ctx: ctx.reply(""), ValueError, "the text of a message is empty"),
    "blanks": (lambda ctx: ctx.send(" \n"), ValueError, "the text of a message is empty"),
    "an empty Text": (lambda ctx: ctx.reply(Text("")), ValueError, "is empty"),
    "nothing": (lambda ctx: ctx.reply(None), TypeError, "not NoneType"),  # type: ignore[arg-type]
    "a dict": (lambda ctx: ctx.reply({"text": "hi"}), TypeError, "not dict"),  # type: ignore[arg-type]
    "a number as text": (lambda ctx: ctx.reply(Text(5)), TypeError, "must be a str, not int"),  # type: ignore[arg-type]
    "a place that is none": (
        lambda ctx: ctx.reply(Location("far", 2)),  # type: ignore[arg-type]
        ValueError,
        r"Reply has a wrong value: reply\.content\.location\.latitude \(float_parsing\)",
    ),
    "half a surrogate pair": (lambda ctx: ctx.reply("\ud83d"), ValueError, "cannot be JSON"),
    "a delay into the past": (lambda ctx: ctx.reply("a", after=-1), ValueError, "negative"),
    "a timedelta into the past": (
        lambda ctx: ctx.send("a", after=timedelta(-1)),
        ValueError,
        "negative",
    ),
    "a delay without end": (lambda ctx: ctx.reply("a", after=float("inf")), ValueError, "seconds"),
    "a delay longer than time": (lambda ctx: ctx.reply("a", after=1e300), ValueError, "seconds"),
    "a delay in words": (lambda ctx: ctx.reply("a", after="1h"), TypeError, "timedelta"),  # type: ignore[arg-type]
    "a delay of True": (lambda ctx: ctx.reply("a", after=True), TypeError, "timedelta"),
    "an empty key": (lambda ctx: ctx.reply("a", key=""), ValueError, "key is empty"),
    "options that are no JSON": (
        lambda ctx: ctx.reply("a", when=NOW),
        TypeError,
        r'options\["when"\] is a datetime',
    ),
    "to without via": (lambda ctx: ctx.send("a", to="+15145550123"), ValueError, "via="),
    "an empty channel": (lambda ctx: ctx.send("a", via=""), ValueError, "via is empty"),
    "a number without country code": (
        lambda ctx: ctx.send("a", via="sms", to="514 555 0123"),
        ValueError,
        r"to needs its country code: \+15145550123",
    ),
    "an identity without country code": (
        lambda ctx: ctx.add_identity("sms", "(514) 555-0123"),
        ValueError,
        "country code",
    ),
    "a number of letters": (
        lambda ctx: ctx.start_avaamo("agent", to_phone="ann"),
        ValueError,
        "to_phone needs its country code",
    ),
    "no agent": (lambda ctx: ctx.start_avaamo(""), ValueError, "account is empty"),
    "an address in place of a target": (
        lambda ctx: ctx.link("+15145550123"),  # type: ignore[arg-type]
        TypeError,
        r'Twilio\("\+15145550123"\)',
    ),
    "a pairing that the provider forbids": (
        lambda ctx: ctx.link(WhatsApp("+15145550123"), Prompt()),
        ValueError,
        "whatsapp takes no prompt confirmation",
    ),
    "a note that is no object": (
        lambda ctx: ctx.link(Twilio("+15145550123"), note=["a"]),  # type: ignore[arg-type]
        TypeError,
        "note must be a dict, not list",
    ),
    "a note with a set": (
        lambda ctx: ctx.link(Twilio("+15145550123"), note={"a": [{"b": {1}}]}),
        TypeError,
        r'note\["a"\]\[0\]\["b"\] is a set',
    ),
    "a note with a number as key": (
        lambda ctx: ctx.link(Twilio("+15145550123"), note={"a": {1: 2}}),
        TypeError,
        r'note\["a"\] has a key that is no str but int',
    ),
    "a note with NaN": (
        lambda ctx: ctx.add_identity("sms", "+15145550123", note={"a": float("nan")}),
        ValueError,
        r'note\["a"\] is nan',
    ),
    "a note that holds itself": (
        lambda ctx: ctx.link(Twilio("+15145550123"), note={"a": _CIRCLE}),
        ValueError,
        "nested more than 64 deep",
    ),
    "a user without any id": (
        lambda ctx: ctx.create_user(email="a@b.c"),
        ValueError,
        "external_id",
    ),
    "an identity of no channel": (lambda ctx: ctx.unlink(""), ValueError, "channel is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nonsense_is_refused_at_the_line_that_asks_for_it(name: str) -> None:
    ask, error, message = REFUSED[name]
    ctx = context()
    with pytest.raises(error, match=message):
        ask(ctx)
    assert ctx.actions == ()


NEED_SOMEBODY: dict[str, Callable[[Context[Any]], None]] = {
    "reply": lambda ctx: ctx.reply("a"),
    "send": lambda ctx: ctx.send("a"),
    "typing": lambda ctx: ctx.typing(),
    "mark_read": lambda ctx: ctx.mark_read(),
    "link": lambda ctx: ctx.link(Twilio("+15145550123")),
    "unlink": lambda ctx: ctx.unlink("sms"),
    "add_identity": lambda ctx: ctx.add_identity("sms", "+15145550123"),
}


@pytest.mark.parametrize("name", NEED_SOMEBODY)
def test_an_event_about_nobody_cannot_be_answered(name: str) -> None:
    with pytest.raises(ValueError, match="unknown names no user"):
        NEED_SOMEBODY[name](context(NOBODY))


def test_an_event_about_nobody_can_still_be_told_to_an_address() -> None:
    ctx = context(NOBODY)
    ctx.send("The line is down.", via="email", to="Ops <ops@EXAMPLE.com>")
    assert ctx.actions[0].action == Send(
        content=Text("The line is down."), via="email", to="ops@example.com"
    )


def test_a_conversation_is_enough_to_reply_to() -> None:
    ctx = context(Unknown(id="u1", conversation_id="c7"))
    ctx.reply("hi")
    assert ctx.actions[0].action == Reply(content=Text("hi"), conversation_id="c7")


@pytest.mark.parametrize("way", ["reply", "send"])
def test_the_business_does_not_answer_itself_unless_it_means_to(way: str) -> None:
    ctx = context(MessageSent(id="m2", user=ANN, channel="web"))
    with pytest.raises(OwnMessage, match="answer_own=True"):
        getattr(ctx, way)("and another thing")
    assert ctx.actions == ()
    getattr(ctx, way)("and another thing", answer_own=True)
    assert len(ctx.actions) == 1


def test_own_messages_may_lead_to_a_link() -> None:
    ctx = context(MessageSent(id="m2", user=ANN, channel="web"))
    ctx.link(Twilio("+15145550123"))
    assert len(ctx.actions) == 1


@pytest.mark.parametrize("way", ["reply", "send"])
def test_a_receipt_is_not_answered_unless_in_words(way: str) -> None:
    receipt = MessageDelivered(id="r", user=User("u1"), channel="sms", message_id="m")
    ctx = Context(event=receipt, account="support", provider="smooch", now=NOW)
    with pytest.raises(OwnMessage, match="answer_own=True"):
        getattr(ctx, way)("did you get it?")
    assert ctx.actions == ()
    getattr(ctx, way)("did you get it?", answer_own=True)
    assert len(ctx.actions) == 1


@pytest.mark.parametrize("way", ["reply", "send"])
def test_what_another_integration_has_is_not_answered_unless_in_words(way: str) -> None:
    event = MessageReceived(id="m", user=User("u1"), channel="web")
    ctx = Context(event=event, account="a", provider="smooch", now=NOW, elsewhere="the desk")
    with pytest.raises(Elsewhere, match=r"the desk .*answer_elsewhere=True") as raised:
        getattr(ctx, way)("me too")
    assert isinstance(raised.value, Drop), "it is no failure, and is not tried again"
    getattr(ctx, way)("me too", answer_elsewhere=True)
    ctx.send("news for another", via="sms", to="+15145550123")
    assert len(ctx.actions) == 2
