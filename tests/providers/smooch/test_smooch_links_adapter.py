"""The links that are asked of Smooch, in each version of its API."""

from typing import Any

import pytest

from handlers.actions import (
    Link,
)
from handlers.links import (
    Immediate,
    Mailgun,
    MessageBird,
    Messenger,
    Prompt,
    Twilio,
    UserActivity,
    WhatsApp,
)
from handlers.people import ChannelIdentity
from tests.parts.smooch import (
    LINKED_V1,
    LINKED_V2,
    PHONE,
    V2,
    V11_USER,
    refused,
    run,
)

SAID_V1 = {"role": "appMaker", "type": "text", "text": "Hello"}
SAID_V2 = {"author": {"type": "business"}, "content": {"type": "text", "text": "Hello"}}

# action -> its body on v1.1
LINKS: list[tuple[Link, dict[str, Any]]] = [
    (
        Link(target=Twilio(PHONE)),
        {"type": "twilio", "phoneNumber": PHONE, "confirmation": {"type": "immediate"}},
    ),
    (
        Link(target=Twilio(PHONE, "i1", False), confirmation=Immediate("Hello")),
        {
            "type": "twilio",
            "phoneNumber": PHONE,
            "integrationId": "i1",
            "primary": False,
            "confirmation": {"type": "immediate", "message": SAID_V1},
        },
    ),
    (
        Link(target=Twilio(PHONE), confirmation=UserActivity("Hello")),
        {
            "type": "twilio",
            "phoneNumber": PHONE,
            "confirmation": {"type": "userActivity", "message": SAID_V1},
        },
    ),
    (
        Link(target=Twilio(PHONE), confirmation=Prompt()),
        {"type": "twilio", "phoneNumber": PHONE, "confirmation": {"type": "prompt"}},
    ),
    (
        Link(target=MessageBird(PHONE)),
        {"type": "messagebird", "phoneNumber": PHONE, "confirmation": {"type": "immediate"}},
    ),
    (
        Link(target=Messenger(PHONE, "Ann", "Lee"), confirmation=Immediate("Hello")),
        {
            "type": "messenger",
            "phoneNumber": PHONE,
            "givenName": "Ann",
            "surname": "Lee",
            "confirmation": {"type": "immediate", "message": SAID_V1},
        },
    ),
    (
        Link(target=Mailgun("ann@example.com", "Order 7")),
        {
            "type": "mailgun",
            "address": "ann@example.com",
            "subject": "Order 7",
            "confirmation": {"type": "immediate"},
        },
    ),
    (
        Link(target=WhatsApp(PHONE)),
        {"type": "whatsapp", "phoneNumber": PHONE, "confirmation": {"type": "immediate"}},
    ),
]


@pytest.mark.parametrize(("action", "expected"), LINKS)
def test_a_link_on_v1_is_one_object(action: Link, expected: dict[str, Any]) -> None:
    driven = run(action, LINKED_V1)
    assert driven.lines == [f"POST {V11_USER}/channels"]
    assert driven.bodies == [expected]
    if action.target.platform == "whatsapp":
        assert "whatsapp" in refused(action, version="v1")
    else:
        assert run(action, LINKED_V1, version="v1").bodies == [expected]


def test_a_link_takes_the_integration_of_the_account_but_on_v1() -> None:
    action = Link(target=Twilio(PHONE))
    later = run(action, LINKED_V1, integrations={"twilio": "i7"})
    assert later.bodies[0]["integrationId"] == "i7"
    first = run(action, LINKED_V1, version="v1", integrations={"twilio": "i7"})
    assert "integrationId" not in first.bodies[0]


def test_the_answer_to_a_link_proves_a_pending_client() -> None:
    pending = ChannelIdentity("sms", PHONE, "twilio", "c9", status="pending")
    old = run(Link(target=Twilio(PHONE)), LINKED_V1)
    assert old.sent is not None
    assert (old.sent.client_id, old.sent.identities, old.sent.linked) == ("c9", (pending,), False)
    action = Link(target=Twilio(PHONE, "i1"), conversation_id="k1")
    new = run(action, LINKED_V2, version="v2")
    assert new.sent is not None
    assert (new.sent.client_id, new.sent.identities) == ("c9", (pending,))


def test_a_link_on_v2_joins_a_conversation() -> None:
    action = Link(target=Twilio(PHONE), confirmation=UserActivity("Hello"), conversation_id="k1")
    driven = run(action, LINKED_V2, version="v2", integrations={"twilio": "i1"})
    assert driven.lines == [f"POST {V2}/users/a1b2/clients"]
    assert driven.bodies == [
        {
            "matchCriteria": {"type": "twilio", "phoneNumber": PHONE, "integrationId": "i1"},
            "confirmation": {"type": "userActivity", "message": SAID_V2},
            "target": {"conversationId": "k1"},
        }
    ]


def test_v2_links_no_messenger_and_nothing_without_an_integration() -> None:
    messenger = Link(target=Messenger(PHONE), confirmation=Immediate("Hello"))
    assert "messenger" in refused(messenger, version="v2")
    assert "integrations.twilio" in refused(Link(target=Twilio(PHONE)), version="v2")
