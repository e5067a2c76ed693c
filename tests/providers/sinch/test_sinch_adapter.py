"""What is sent to Sinch's Conversation API."""

from typing import Any

import httpx
import pytest

from handlers.actions import (
    Action,
    AddIdentity,
    CreateUser,
    Link,
    MarkRead,
    Reply,
    Send,
    StartAvaamo,
    Typing,
    Unlink,
)
from handlers.content import (
    Binary,
    Button,
    Card,
    Carousel,
    Choice,
    Content,
    Form,
    Item,
    ItemList,
    Location,
    Media,
    Other,
    Template,
    Text,
)
from handlers.links import Twilio
from handlers.people import ChannelIdentity, User
from receiver.errors import Rejected, Unavailable, Uncertain, Unsupported
from receiver.provider import Recipient
from receiver.providers.sinch.adapter import OUTBOUND
from receiver.providers.sinch.options import SinchOptions
from tests.driver import Driven, drive

PHONE = "+15145550142"
ROOT = "https://us.conversation.api.sinch.com/v1/projects/p1"
ANN = Recipient(User("01CONTACT"), reference="hl-7")
SENT = httpx.Response(200, json={"message_id": "m1", "accepted_time": "2026-11-21T12:00:00Z"})
TOLD = httpx.Response(200, json={"event_id": "e1"})


def options(**more: Any) -> SinchOptions:
    given = {"provider": "sinch", "project_id": "p1", "app_id": "app1"} | more
    return SinchOptions.model_validate(given)


def run(action: Any, *answers: httpx.Response, to: Recipient = ANN, **given: Any) -> Driven:
    return drive(OUTBOUND.carry_out(action, to, options(**given)), *answers)


def refused(action: Any, to: Recipient = ANN, **given: Any) -> str:
    """Why it is Unsupported, before any request."""
    with pytest.raises(Unsupported) as caught:
        next(OUTBOUND.carry_out(action, to, options(**given)))
    return str(caught.value)


def identified(channel: str, identity: str) -> dict[str, Any]:
    return {"identified_by": {"channel_identities": [{"channel": channel, "identity": identity}]}}


BUTTONS = (
    Button("reply", "Yes", payload="yes"),
    Button("link", "Site", uri="https://example.com"),
    Button("call", "Us", uri=PHONE),
    Button("locationRequest", "Where?", uri="https://example.com/map"),
)
CHOICES = [
    {"text_message": {"text": "Yes"}, "postback_data": "yes"},
    {"url_message": {"title": "Site", "url": "https://example.com"}},
    {"call_message": {"title": "Us", "phone_number": PHONE}},
    {
        "share_location_message": {
            "title": "Where?",
            "fallback_url": "https://example.com/map",
        }
    },
]
ITEM = Item("Tea", "Green", "https://example.com/t.png", buttons=BUTTONS[:1])
PICTURE = {"url": "https://example.com/t.png"}

CONTENTS: dict[str, tuple[Content, dict[str, Any]]] = {
    "text": (Text("Hi"), {"text_message": {"text": "Hi"}}),
    "text with buttons": (
        Text("Hi", BUTTONS),
        {"choice_message": {"text_message": {"text": "Hi"}, "choices": CHOICES}},
    ),
    "choice": (Choice(buttons=BUTTONS[:1]), {"choice_message": {"choices": CHOICES[:1]}}),
    "media": (
        Media("https://example.com/a.pdf", filename="a.pdf", thumbnail="https://example.com/a.png"),
        {
            "media_message": {
                "url": "https://example.com/a.pdf",
                "thumbnail_url": "https://example.com/a.png",
                "filename_override": "a.pdf",
            }
        },
    ),
    "media with a caption": (
        Media("https://example.com/t.png", "Tea"),
        {"card_message": {"title": "Tea", "media_message": PICTURE}},
    ),
    "card": (
        Card("https://example.com/t.png", "Tea", "Green", BUTTONS[:1]),
        {
            "card_message": {
                "title": "Tea",
                "description": "Green",
                "media_message": PICTURE,
                "choices": CHOICES[:1],
            }
        },
    ),
    "carousel": (
        Carousel((ITEM,), buttons=BUTTONS[1:2]),
        {
            "carousel_message": {
                "cards": [
                    {
                        "title": "Tea",
                        "description": "Green",
                        "media_message": PICTURE,
                        "choices": CHOICES[:1],
                    }
                ],
                "choices": CHOICES[1:2],
            }
        },
    ),
    "list": (
        ItemList((ITEM,), "Menu", "Choose"),
        {
            "list_message": {
                "title": "Menu",
                "description": "Choose",
                "sections": [
                    {
                        "items": [
                            {
                                "choice": {
                                    "title": "Tea",
                                    "description": "Green",
                                    "media": PICTURE,
                                    "postback_data": "yes",
                                }
                            }
                        ]
                    }
                ],
            }
        },
    ),
    "location": (
        Location(45.5, -73.6, "Home", "7 Elm St"),
        {
            "location_message": {
                "title": "Home",
                "label": "7 Elm St",
                "coordinates": {"latitude": 45.5, "longitude": -73.6},
            }
        },
    ),
    "template": (
        Template({"omni_template": {"template_id": "t1", "version": "1"}}),
        {"template_message": {"omni_template": {"template_id": "t1", "version": "1"}}},
    ),
    "contact info": (
        Other("contact_info_message", {"name": {"full_name": "Ann"}}),
        {"contact_info_message": {"name": {"full_name": "Ann"}}},
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_each_kind_of_message_has_its_own_key(name: str) -> None:
    content, expected = CONTENTS[name]
    driven = run(Reply(content=content), SENT)
    assert driven.lines == [f"POST {ROOT}/messages:send"]
    assert driven.bodies == [
        {
            "app_id": "app1",
            "recipient": {"contact_id": "01CONTACT"},
            "message": expected,
            "message_metadata": "hl-7",
            "correlation_id": "hl-7",
        }
    ]
    assert driven.sent is not None
    assert driven.sent.message_id == "m1"


@pytest.mark.parametrize(
    "content",
    [
        Form(()),
        Binary("AA=="),
        Other("fallback", {}),
        Choice("Hi"),
        Card("https://example.com/t.png"),
        Media("https://example.com/t.png", buttons=BUTTONS),
        ItemList((ITEM,)),
        ItemList((ITEM,), "Menu", buttons=BUTTONS),
        Text("Buy", (Button("buy", "Tea", amount=500, currency="CAD"),)),
    ],
)
def test_what_sinch_lacks_is_refused_before_any_request(content: Content) -> None:
    assert refused(Reply(content=content)).startswith("sinch ")


def identities(*pairs: tuple[str, str]) -> tuple[ChannelIdentity, ...]:
    return tuple(ChannelIdentity(channel, identity) for channel, identity in pairs)


SMS_USER = Recipient(User(f"sms:{PHONE}"))
PAGE_USER = Recipient(User("messenger:79684:app1"))
VIBER_USER = Recipient(User("viber:9K+pi4=="))
KNOWN = Recipient(
    User("01CONTACT"),
    (
        ChannelIdentity("sms", "+15145550101", status="inactive"),
        *identities(("viber_business", PHONE), ("sms", PHONE)),
    ),
)
HI = Text("Hi")


@pytest.mark.parametrize(
    ("action", "to", "given", "recipient", "order"),
    [
        (Reply(content=HI), ANN, {}, {"contact_id": "01CONTACT"}, None),
        (Reply(content=HI, channel="sms"), ANN, {}, {"contact_id": "01CONTACT"}, ["SMS"]),
        (Reply(content=HI, channel="apple"), ANN, {}, {"contact_id": "01CONTACT"}, ["APPLEBC"]),
        (
            Reply(content=HI),
            ANN,
            {"channel_priority": ["rcs", "viber_business"]},
            {"contact_id": "01CONTACT"},
            ["RCS", "VIBERBM"],
        ),
        (Reply(content=HI, channel="sms"), SMS_USER, {}, identified("SMS", PHONE), None),
        (Reply(content=HI), PAGE_USER, {}, identified("MESSENGER", "79684"), None),
        (Reply(content=HI), VIBER_USER, {}, identified("VIBER", "9K+pi4=="), None),
        (
            Reply(content=HI),
            SMS_USER,
            {"mode": "DISPATCH", "channel_priority": ["rcs"]},
            identified("SMS", PHONE),
            None,
        ),
        (Reply(content=HI), KNOWN, {"mode": "DISPATCH"}, identified("VIBERBM", PHONE), None),
        (Send(content=HI, via="sms"), ANN, {}, {"contact_id": "01CONTACT"}, ["SMS"]),
        (Send(content=HI, via="sms"), KNOWN, {}, identified("SMS", PHONE), None),
        (Send(content=HI), KNOWN, {}, {"contact_id": "01CONTACT"}, None),
        (Send(content=HI, via="whatsapp", to=PHONE), ANN, {}, identified("WHATSAPP", PHONE), None),
        (
            Send(content=HI, via="kakaotalk_chat", to="k1"),
            Recipient(),
            {},
            identified("KAKAOTALKCHAT", "k1"),
            None,
        ),
    ],
)
def test_a_message_goes_to_a_contact_or_an_identity(
    action: Action,
    to: Recipient,
    given: dict[str, Any],
    recipient: dict[str, Any],
    order: list[str] | None,
) -> None:
    [body] = run(action, SENT, to=to, **given).bodies
    assert body["recipient"] == recipient
    assert body.get("channel_priority_order") == order


@pytest.mark.parametrize(
    ("action", "to", "given"),
    [
        (Reply(content=HI), Recipient(), {}),
        (Reply(content=HI), ANN, {"mode": "DISPATCH"}),
        (Send(content=HI, via="sms"), PAGE_USER, {}),
        (Send(content=HI, to=PHONE), Recipient(), {}),
        (Reply(content=HI), ANN, {"app_id": None}),
        (Reply(content=HI), ANN, {"project_id": None}),
    ],
)
def test_whom_nobody_could_reach_is_refused(
    action: Action, to: Recipient, given: dict[str, Any]
) -> None:
    refused(action, to, **given)


def test_keys_in_capitals_are_channel_properties() -> None:
    given = {"SMS_FLASH_MESSAGE": True, "SMS_MAX_NUMBER_OF_MESSAGE_PARTS": 3, "other": "x"}
    [body] = run(Reply(content=HI, options=given), SENT, sms_sender="15550001111").bodies
    assert body["channel_properties"] == {
        "SMS_SENDER": "15550001111",
        "SMS_FLASH_MESSAGE": "true",
        "SMS_MAX_NUMBER_OF_MESSAGE_PARTS": "3",
    }
    assert "other" not in body
    named = Reply(content=HI, options={"SMS_SENDER": "Tea Ltd"})
    [body] = run(named, SENT, sms_sender="15550001111").bodies
    assert body["channel_properties"] == {"SMS_SENDER": "Tea Ltd"}


def test_options_of_the_request_and_of_the_message_go_where_they_belong() -> None:
    of_request = {
        "callback_url": "https://example.com/cb",
        "channel_priority_order": ["RCS", "SMS"],
        "conversation_metadata": {"order": 7},
        "correlation_id": "mine",
        "processing_strategy": "DISPATCH_ONLY",
        "queue": "HIGH_PRIORITY",
        "ttl": "10s",
    }
    of_message = {"explicit_channel_message": {"KAKAOTALK": "{}"}}
    given = of_request | of_message
    [body] = run(Reply(content=HI, channel="sms", options=given), SENT).bodies
    assert body == of_request | {
        "app_id": "app1",
        "recipient": {"contact_id": "01CONTACT"},
        "message": {"text_message": {"text": "Hi"}} | of_message,
        "message_metadata": "hl-7",
    }


def test_host_and_version_follow_the_settings() -> None:
    old = run(Reply(content=HI), SENT, region="eu", api_version="v1beta")
    host = "https://eu.conversation.api.sinch.com"
    assert old.lines == [f"POST {host}/v1beta/projects/p1/messages:send"]
    near = run(Reply(content=HI), SENT, base_url="http://127.0.0.1:9/")
    assert near.lines == ["POST http://127.0.0.1:9/v1/projects/p1/messages:send"]


def test_creating_a_user_makes_a_contact() -> None:
    made = {
        "id": "01NEW",
        "external_id": "ann",
        "channel_identities": [{"channel": "SMS", "identity": "15145550142", "app_id": ""}],
    }
    action = CreateUser(
        external_id="ann",
        given_name="Ann",
        surname="Lee",
        email="a@example.com",
        identities=(("sms", PHONE), ("messenger", "79684")),
        properties={"vip": True},
    )
    driven = run(action, httpx.Response(200, json=made), to=Recipient(), language="FR")
    assert driven.lines == [f"POST {ROOT}/contacts"]
    assert driven.bodies == [
        {
            "channel_identities": [
                {"channel": "SMS", "identity": PHONE},
                {"channel": "MESSENGER", "identity": "79684", "app_id": "app1"},
            ],
            "language": "FR",
            "external_id": "ann",
            "display_name": "Ann Lee",
            "email": "a@example.com",
            "metadata": '{"vip": true}',
        }
    ]
    assert driven.sent is not None
    assert driven.sent.user == User("01NEW", "ann")
    assert driven.sent.identities == (ChannelIdentity("sms", PHONE, "SMS"),)


def contact(*identities: dict[str, str]) -> httpx.Response:
    return httpx.Response(200, json={"id": "01CONTACT", "channel_identities": list(identities)})


SMS = {"channel": "SMS", "identity": "15145550142", "app_id": ""}
PAGE = {"channel": "MESSENGER", "identity": "79684", "app_id": "other"}


def test_adding_an_identity_writes_the_whole_list() -> None:
    action = AddIdentity(channel="whatsapp", identity=PHONE)
    driven = run(action, contact(SMS, PAGE), contact())
    assert driven.lines == [
        f"GET {ROOT}/contacts/01CONTACT",
        f"PATCH {ROOT}/contacts/01CONTACT?update_mask=channel_identities",
    ]
    added = {"channel": "WHATSAPP", "identity": PHONE}
    assert driven.bodies[1] == {"channel_identities": [SMS, PAGE, added]}
    assert driven.sent is not None
    assert driven.sent.linked
    assert driven.sent.identities == (ChannelIdentity("whatsapp", PHONE, "WHATSAPP"),)


@pytest.mark.parametrize(
    ("action", "there"),
    [
        (AddIdentity(channel="sms", identity=PHONE), SMS),
        (AddIdentity(channel="messenger", identity="79684", app_id="other"), PAGE),
    ],
)
def test_an_identity_that_is_there_is_not_written_again(
    action: AddIdentity, there: dict[str, str]
) -> None:
    driven = run(action, contact(there))
    assert [request.method for request in driven.requests] == ["GET"]
    assert driven.sent is not None
    assert driven.sent.linked


def test_the_same_page_id_under_another_app_is_another_identity() -> None:
    action = AddIdentity(channel="messenger", identity="79684")
    driven = run(action, contact(PAGE), contact())
    assert driven.bodies[1]["channel_identities"][1]["app_id"] == "app1"


def test_writing_the_list_twice_does_no_harm_so_a_lost_answer_is_tried_again() -> None:
    with pytest.raises(Unavailable):
        run(AddIdentity(channel="sms", identity=PHONE), contact(), httpx.Response(200, text="?"))


def test_unlinking_writes_the_list_without_the_channel() -> None:
    driven = run(Unlink(channel="sms"), contact(SMS, PAGE), contact(PAGE))
    assert driven.bodies[1] == {"channel_identities": [PAGE]}
    assert driven.sent is not None
    gone = ChannelIdentity("sms", PHONE, "SMS", status="inactive")
    assert driven.sent.identities == (gone,)
    with pytest.raises(Rejected, match="no identity on rcs"):
        run(Unlink(channel="rcs"), contact(SMS))


@pytest.mark.parametrize(
    ("action", "to", "given"),
    [
        (AddIdentity(channel="sms", identity=PHONE), ANN, {"mode": "DISPATCH"}),
        (AddIdentity(channel="sms", identity=PHONE), SMS_USER, {}),
        (AddIdentity(channel="sms", identity=PHONE), Recipient(), {}),
        (CreateUser(identities=(("sms", PHONE),)), Recipient(), {"mode": "DISPATCH"}),
        (CreateUser(external_id="ann"), Recipient(), {}),
        (StartAvaamo(account="agent"), ANN, {}),
    ],
)
def test_without_contacts_there_is_nothing_to_change(
    action: Action, to: Recipient, given: dict[str, Any]
) -> None:
    refused(action, to, **given)


def test_a_link_points_to_adding_an_identity() -> None:
    assert "ctx.add_identity" in refused(Link(target=Twilio(PHONE)))


@pytest.mark.parametrize(
    ("action", "event"),
    [
        (Typing(), {"composing_event": {}}),
        (Typing(on=False), {"composing_end_event": {}}),
        (MarkRead(), {"read_message_event": {}}),
        (MarkRead(message_id="m9"), {"read_message_event": {"message_id": "m9"}}),
    ],
)
def test_activities_are_events(action: Action, event: dict[str, Any]) -> None:
    driven = run(action, TOLD)
    assert driven.lines == [f"POST {ROOT}/events:send"]
    recipient = {"contact_id": "01CONTACT"}
    assert driven.bodies == [{"app_id": "app1", "recipient": recipient, "event": event}]
    assert driven.sent is not None
    assert driven.sent.message_id == "e1"


def test_an_event_on_a_channel_goes_there() -> None:
    [body] = run(Typing(channel="rcs"), TOLD).bodies
    assert body["channel_priority_order"] == ["RCS"]


def test_a_send_without_a_message_id_in_its_answer_is_uncertain() -> None:
    with pytest.raises(Uncertain):
        run(Reply(content=HI), httpx.Response(200, json={"accepted_time": "2026-11-21"}))
