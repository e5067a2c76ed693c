"""The two examples that users copy."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from handlers import (
    AddIdentity,
    ChannelIdentity,
    Content,
    Context,
    Event,
    FormResponse,
    Immediate,
    Link,
    LinkExpired,
    LinkFailed,
    LinkRecord,
    LinkSucceeded,
    Location,
    Media,
    MessageReceived,
    MessageSent,
    Planned,
    Reply,
    Send,
    Text,
    Twilio,
    User,
)
from handlers.echo import router as echo
from handlers.offer_sms import router as offer_sms
from handlers.router import Router

ANN = User("5f0a2c")
NUMBER = "+15145550123"


def message(text: str | None, content: Content | None = None) -> MessageReceived:
    said = Text(text) if text and content is None else content
    return MessageReceived(
        id="m1", user=ANN, channel="web", conversation_id="c1", text=text, content=said
    )


def record(status: str, note: dict[str, Any] | None = None) -> LinkRecord:
    return LinkRecord(7, "sms", "twilio", NUMBER, status, note or {})


def run(router: Router, event: Event, provider: str = "smooch", **known: Any) -> Any:
    """What the router's handler asks for; None where no handler takes the event."""
    routed = router.route(event, "support")
    if routed is None:
        return None
    ctx = Context(
        event=event,
        account="support",
        provider=provider,
        now=datetime(2026, 3, 1, tzinfo=UTC),
        match=routed.match,
        **known,
    )
    asyncio.run(routed.handler.function(ctx))
    return list(ctx.actions)


def reply(text: str) -> Planned:
    return Planned(Reply(content=Text(text), channel="web", conversation_id="c1"))


HEARD: list[tuple[MessageReceived, str]] = [
    (message("hello"), "You said: hello"),
    (message(None, Media("https://a/b", kind="image")), "You sent an image."),
    (message("my cat", Media("https://a/b", kind="video")), "You sent a video: my cat"),
    (message(None, Location(45.5, -73.6)), "You sent a location."),
    (message("mail: a@b.c", FormResponse(())), "You sent a form: mail: a@b.c"),
    (message(None), "You sent something that I cannot read."),
]


@pytest.mark.parametrize(("event", "expected"), HEARD)
def test_echo_says_back_what_came(event: MessageReceived, expected: str) -> None:
    assert run(echo, event) == [reply(expected)]


def test_echo_leaves_the_business_s_own_messages_alone() -> None:
    assert run(echo, MessageSent(id="m1", user=ANN, channel="web", text="hello")) is None


SPELT = [
    NUMBER,
    "+1 (514) 555-0123",
    "+1 514.555.0123",
    "call me: +1-514-555-0123, please",
    "Is +15145550123 all right? Or +44 20 7946 0958?",
]


@pytest.mark.parametrize("text", SPELT)
def test_a_number_in_the_text_is_linked(text: str) -> None:
    assert run(offer_sms, message(text)) == [
        Planned(
            Link(
                target=Twilio(NUMBER),
                confirmation=Immediate("Hello! You asked us to text you."),
                note={"why": "offer_sms", "number": NUMBER},
                conversation_id="c1",
            )
        ),
        reply("Thanks! We are texting you now."),
    ]


def test_with_sinch_the_number_is_added_to_the_contact() -> None:
    [added, said] = run(offer_sms, message(NUMBER), provider="sinch")
    assert added.action == AddIdentity(
        channel="sms", identity=NUMBER, note={"why": "offer_sms", "number": NUMBER}
    )
    assert said == reply("Thanks! We are texting you now.")


ALREADY: list[tuple[dict[str, Any], str]] = [
    (
        {"identities": (ChannelIdentity("sms", "+15145550199"),)},
        "Thanks, we can reach you by SMS already.",
    ),
    ({"links": (record("pending"),)}, "Thanks, a text message is on its way."),
    ({"links": (record("matched"),)}, "Thanks, a text message is on its way."),
]


@pytest.mark.parametrize(("known", "expected"), ALREADY)
def test_nobody_is_linked_twice(known: dict[str, Any], expected: str) -> None:
    assert run(offer_sms, message(NUMBER), **known) == [reply(expected)]


def test_after_a_failure_it_may_be_tried_again() -> None:
    known = {
        "identities": (ChannelIdentity("sms", NUMBER, status="inactive"),),
        "links": (record("failed"), record("expired")),
    }
    assert len(run(offer_sms, message(NUMBER), **known)) == 2


@pytest.mark.parametrize("text", ["5145550123", " (514) 555-0123 ", "514 555 01 23", "+0 12345678"])
def test_a_number_that_could_be_anywhere_is_asked_about(text: str) -> None:
    hint = "Is that your number? Please add the country code: +1 514 555 0123."
    assert run(offer_sms, message(text)) == [reply(hint)]


@pytest.mark.parametrize("text", ["hello", "order 12345678", "12345", "7" * 30, "5 apples", None])
def test_what_is_no_number_is_left_to_other_handlers(text: str | None) -> None:
    assert run(offer_sms, message(text)) is None


def outcome(cls: type[Any], why: str = "offer_sms") -> Any:
    link = record("failed", {"why": why, "number": NUMBER})
    return cls(id="l1", user=ANN, channel="sms", conversation_id="c1", link=link)


def test_who_was_linked_is_greeted_there() -> None:
    assert run(offer_sms, outcome(LinkSucceeded)) == [
        Planned(
            Send(
                content=Text("From now on we can also reach you here."),
                via="sms",
                conversation_id="c1",
            )
        )
    ]


@pytest.mark.parametrize("cls", [LinkFailed, LinkExpired])
def test_who_was_not_linked_is_told_in_the_chat_once_for_each_link(cls: type[Event]) -> None:
    assert run(offer_sms, outcome(cls)) == [
        Planned(
            Send(
                content=Text("We could not reach your phone. Is the number right?"),
                conversation_id="c1",
            ),
            key="offer_sms:7",
        )
    ]


@pytest.mark.parametrize("cls", [LinkSucceeded, LinkFailed, LinkExpired])
def test_other_people_s_links_are_left_alone(cls: type[Any]) -> None:
    assert run(offer_sms, outcome(cls, why="campaign")) is None
    assert run(offer_sms, cls(id="l1", user=ANN, channel="sms")) is None
