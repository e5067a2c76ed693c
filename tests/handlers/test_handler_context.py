"""What a handler may ask for, and what it is told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers import (
    AddIdentity,
    Button,
    Carousel,
    ChannelIdentity,
    Context,
    CreateUser,
    Event,
    Immediate,
    Item,
    Link,
    LinkSucceeded,
    MarkRead,
    MessageReceived,
    Planned,
    Reply,
    Send,
    StartAvaamo,
    Text,
    Twilio,
    Typing,
    Unlink,
    User,
    UserActivity,
    WhatsApp,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN = User("5f0a2c", "ann@example.com")
MESSAGE = MessageReceived(
    id="m1", user=ANN, channel="web", conversation_id="c1", message_id="m1", text="hello"
)
SMS = ChannelIdentity("sms", "+15145550123", "twilio", "cl1")


def context(event: Event = MESSAGE, **known: Any) -> Context[Any]:
    return Context(event=event, account="support", provider="smooch", now=NOW, **known)


ASKED: dict[str, tuple[Callable[[Context[Any]], None], Any]] = {
    "a reply goes where the event happened": (
        lambda ctx: ctx.reply("hi"),
        Reply(content=Text("hi"), channel="web", conversation_id="c1"),
    ),
    "keywords that are nobody's are the provider's options": (
        lambda ctx: ctx.reply("hi", metadata={"ticket": 7}),
        Reply(
            content=Text("hi"),
            channel="web",
            conversation_id="c1",
            options={"metadata": {"ticket": 7}},
        ),
    ),
    "any content can be said, and lists become tuples": (
        lambda ctx: ctx.send(Carousel([Item("One", buttons=(Button("link", uri="https://a"),))])),  # type: ignore[arg-type]
        Send(
            content=Carousel((Item("One", buttons=(Button("link", uri="https://a"),)),)),
            conversation_id="c1",
        ),
    ),
    "send names a channel": (
        lambda ctx: ctx.send("hi", via="sms"),
        Send(content=Text("hi"), via="sms", conversation_id="c1"),
    ),
    "an address of somebody else is normalised, and the conversation is not theirs": (
        lambda ctx: ctx.send("hi", via="sms", to="+1 (514) 555-0199"),
        Send(content=Text("hi"), via="sms", to="+15145550199"),
    ),
    "a link is immediate if nothing is said": (
        lambda ctx: ctx.link(Twilio("+15145550123"), note={"why": "asked", "tries": (1, 2)}),
        Link(
            target=Twilio("+15145550123"),
            confirmation=Immediate(),
            note={"why": "asked", "tries": [1, 2]},
            conversation_id="c1",
        ),
    ),
    "a link with a confirmation": (
        lambda ctx: ctx.link(WhatsApp("+15145550123"), UserActivity("Is it you?")),
        Link(
            target=WhatsApp("+15145550123"),
            confirmation=UserActivity("Is it you?"),
            conversation_id="c1",
        ),
    ),
    "unlinking finds the client that is known": (
        lambda ctx: ctx.unlink("sms"),
        Unlink(channel="sms", client_id="cl1", platform="twilio"),
    ),
    "unlinking a named client finds its platform": (
        lambda ctx: ctx.unlink("sms", client_id="cl1"),
        Unlink(channel="sms", client_id="cl1", platform="twilio"),
    ),
    "unlinking a client that is not known": (
        lambda ctx: ctx.unlink("email", client_id="cl9"),
        Unlink(channel="email", client_id="cl9"),
    ),
    "an identity is normalised": (
        lambda ctx: ctx.add_identity("sms", "0015145550123", note={"a": None}),
        AddIdentity(channel="sms", identity="+15145550123", note={"a": None}),
    ),
    "a WhatsApp id that is no number stays as it is": (
        lambda ctx: ctx.add_identity("whatsapp", "US.1234567890"),
        AddIdentity(channel="whatsapp", identity="US.1234567890"),
    ),
    "a user": (
        lambda ctx: ctx.create_user(external_id="bob", identities=(("sms", "+15145550123"),)),
        CreateUser(external_id="bob", identities=(("sms", "+15145550123"),)),
    ),
    "typing": (lambda ctx: ctx.typing(), Typing(on=True, conversation_id="c1", channel="web")),
    "no longer typing": (
        lambda ctx: ctx.typing(False),
        Typing(on=False, conversation_id="c1", channel="web"),
    ),
    "read": (
        lambda ctx: ctx.mark_read(),
        MarkRead(conversation_id="c1", message_id="m1", channel="web"),
    ),
    "an agent, told what it needs": (
        lambda ctx: ctx.start_avaamo("agent", to_phone="+15145550123", first_name="Ann"),
        StartAvaamo(account="agent", to_phone="+15145550123", params={"first_name": "Ann"}),
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_for_is_planned(name: str) -> None:
    ask, expected = ASKED[name]
    ctx = context(identities=(SMS,))
    ask(ctx)
    assert ctx.actions == (Planned(expected),)


def test_the_plan_keeps_the_order_the_keys_and_the_delays() -> None:
    ctx = context()
    ctx.reply("one", key="k1")
    ctx.send("two", after=timedelta(minutes=5))
    ctx.send("three", after=1.5)
    ctx.link(Twilio("+15145550123"), key="k2")
    assert [(planned.key, planned.after) for planned in ctx.actions] == [
        ("k1", None),
        (None, timedelta(minutes=5)),
        (None, timedelta(seconds=1.5)),
        ("k2", None),
    ]


def test_what_is_planned_is_not_altered_by_what_the_handler_does_afterwards() -> None:
    ctx = context()
    note = {"tries": [1]}
    ctx.link(Twilio("+15145550123"), note=note)
    note["tries"].append(2)
    assert ctx.actions[0].action.note == {"tries": [1]}  # type: ignore[union-attr]


IDENTITIES = (
    ChannelIdentity("sms", "+15145550100", status="inactive"),
    ChannelIdentity("sms", "+15145550101", status="pending"),
    ChannelIdentity("messenger", None, client_id="cl1"),
    ChannelIdentity("messenger", "4711", client_id="cl2"),
    ChannelIdentity("web", None, client_id="cl3"),
    ChannelIdentity("email", "ann@example.com", status="blocked"),
)


@pytest.mark.parametrize(
    ("channel", "expected"),
    [("sms", None), ("messenger", IDENTITIES[3]), ("web", IDENTITIES[4]), ("email", None)],
)
def test_an_identity_is_one_by_which_the_user_is_reached(
    channel: str, expected: ChannelIdentity | None
) -> None:
    assert context(identities=IDENTITIES).identity(channel) == expected


def test_a_clock_without_a_zone_is_refused() -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="no time zone"):
        Context(event=MESSAGE, account="a", provider="smooch", now=naive)


def test_the_log_may_be_left_out() -> None:
    ctx = context()
    ctx.log.info("asked", order=5)
    ctx.log.error("failed")
    assert ctx.actions == ()


def test_what_the_handler_is_told_is_there() -> None:
    event = LinkSucceeded(id="l1", user=ANN, channel="sms")
    error = ConnectionError("gone")
    ctx = context(event, match={"order": "7"}, attempt=2, error=error)
    assert (ctx.event, ctx.user, ctx.account, ctx.provider) == (event, ANN, "support", "smooch")
    assert (ctx.match, ctx.attempt, ctx.error, ctx.now) == ({"order": "7"}, 2, error, NOW)
