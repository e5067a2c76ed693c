"""The messages that are sent to Smooch, in each version of its API."""

from typing import Any

import httpx
import pytest

from handlers.actions import (
    Reply,
    Send,
    Typing,
)
from handlers.content import (
    Binary,
    Button,
    Card,
    Carousel,
    Choice,
    Content,
    Form,
    FormField,
    Item,
    ItemList,
    Location,
    Media,
    Template,
    Text,
)
from handlers.people import User
from receiver.provider import Recipient
from tests.parts.smooch import (
    ANN,
    KNOWN,
    PHONE,
    POSTED_V1,
    POSTED_V2,
    V2,
    V11_USER,
    refused,
    run,
)

BUTTONS = (
    Button("reply", "Yes", payload="yes", extra={"iconUrl": "https://example.com/i.png"}),
    Button("link", "Site", uri="https://example.com"),
)
ACTIONS = [
    {"type": "reply", "text": "Yes", "payload": "yes", "iconUrl": "https://example.com/i.png"},
    {"type": "link", "text": "Site", "uri": "https://example.com"},
]
ITEM = Item("Tea", "Green", "https://example.com/t.png", "image/png", "large", BUTTONS[1:])
ITEM_JSON = {
    "title": "Tea",
    "description": "Green",
    "mediaUrl": "https://example.com/t.png",
    "mediaType": "image/png",
    "size": "large",
    "actions": ACTIONS[1:],
}
FORM = Form(
    (FormField("mail", "E-mail?", "email", extra={"placeholder": "a@example.com"}),), None, True
)

# name -> content, its JSON on v1.1; the JSON on v2 where it differs
CONTENTS: dict[str, tuple[Content, dict[str, Any], dict[str, Any] | None]] = {
    "text": (Text("Hi"), {"type": "text", "text": "Hi"}, None),
    "buttons": (Text("Hi", BUTTONS), {"type": "text", "text": "Hi", "actions": ACTIONS}, None),
    "choice": (Choice("Hi", BUTTONS), {"type": "text", "text": "Hi", "actions": ACTIONS}, None),
    "image": (
        Media("https://example.com/a.png", "A", "image/png", alt_text="An a", kind="image"),
        {
            "type": "image",
            "text": "A",
            "mediaUrl": "https://example.com/a.png",
            "mediaType": "image/png",
        },
        {
            "type": "image",
            "text": "A",
            "mediaUrl": "https://example.com/a.png",
            "altText": "An a",
        },
    ),
    "guessed image": (
        Media("https://example.com/a", media_type="image/png"),
        {"type": "image", "mediaUrl": "https://example.com/a", "mediaType": "image/png"},
        {"type": "image", "mediaUrl": "https://example.com/a"},
    ),
    "audio is a file": (
        Media("https://example.com/a.mp3", kind="audio"),
        {"type": "file", "mediaUrl": "https://example.com/a.mp3"},
        None,
    ),
    "carousel": (
        Carousel((ITEM,), settings={"imageAspectRatio": "square"}),
        {
            "type": "carousel",
            "items": [ITEM_JSON],
            "displaySettings": {"imageAspectRatio": "square"},
        },
        None,
    ),
    "list": (
        ItemList((ITEM,), "Menu", buttons=BUTTONS[1:]),
        {"type": "list", "items": [ITEM_JSON], "actions": ACTIONS[1:]},
        None,
    ),
    "location": (
        Location(45.5, -73.6, "Home"),
        {
            "type": "location",
            "coordinates": {"lat": 45.5, "long": -73.6},
            "location": {"name": "Home"},
        },
        None,
    ),
    "form": (
        FORM,
        {
            "type": "form",
            "blockChatInput": True,
            "fields": [
                {
                    "type": "email",
                    "name": "mail",
                    "label": "E-mail?",
                    "placeholder": "a@example.com",
                }
            ],
        },
        None,
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_message_on_v1_1_has_role_and_content_side_by_side(name: str) -> None:
    content, expected, _ = CONTENTS[name]
    driven = run(Reply(content=content), POSTED_V1)
    assert driven.lines == [f"POST {V11_USER}/messages"]
    assert driven.bodies == [{"role": "appMaker"} | expected]
    assert driven.sent is not None
    assert driven.sent.message_id == "m1"


@pytest.mark.parametrize("name", CONTENTS)
def test_a_message_on_v2_has_author_and_content(name: str) -> None:
    content, v1, v2 = CONTENTS[name]
    driven = run(Reply(content=content, conversation_id="k1"), POSTED_V2, version="v2")
    assert driven.lines == [f"POST {V2}/conversations/k1/messages"]
    assert driven.bodies == [{"author": {"type": "business"}, "content": v2 or v1}]
    assert driven.sent is not None
    assert driven.sent.message_id == "m1"


@pytest.mark.parametrize(
    ("version", "content"),
    [
        ("v1", FORM),
        ("v1", Template({"name": "hello"})),
        ("v1.1", Binary("AA==")),
        ("v1.1", Card(title="A")),
        ("v1.1", Choice()),
        ("v1.1", Text("Call", (Button("call", "Us", uri=PHONE),))),
        ("v1.1", Media("https://example.com/a.pdf", kind="file", buttons=BUTTONS)),
        ("v1.1", Carousel((ITEM,), buttons=BUTTONS)),
        ("v2", Text("Share", (Button("share"),))),
    ],
)
def test_what_a_version_lacks_is_refused_before_any_request(version: str, content: Content) -> None:
    assert refused(Reply(content=content), version=version).startswith("smooch ")


def test_a_share_button_needs_no_text_on_v1() -> None:
    driven = run(Reply(content=Text("Tell", (Button("share"),))), POSTED_V1, version="v1")
    assert driven.bodies[0]["actions"] == [{"type": "share"}]


@pytest.mark.parametrize(
    ("scope", "app_id", "root"),
    [
        ("app", None, "https://api.smooch.io/v1/appusers"),
        ("app", "app1", "https://api.smooch.io/v1/apps/app1/appusers"),
        ("account", "app1", "https://api.smooch.io/v1/apps/app1/appusers"),
    ],
)
def test_an_app_scoped_key_may_leave_the_app_out_on_v1(
    scope: str, app_id: str | None, root: str
) -> None:
    driven = run(Reply(content=Text("Hi")), POSTED_V1, version="v1", scope=scope, app_id=app_id)
    assert driven.lines == [f"POST {root}/a1b2/messages"]


@pytest.mark.parametrize("version", ["v1.1", "v2"])
def test_later_versions_need_the_app(version: str) -> None:
    action = Reply(content=Text("Hi"), conversation_id="k1")
    assert "app_id" in refused(action, version=version, app_id=None)


def test_hosts_follow_region_and_base_url() -> None:
    europe = run(Typing(), httpx.Response(200), region="eu")
    assert europe.requests[0].url.host == "api.eu-1.smooch.io"
    zendesk = run(Typing(), httpx.Response(200), base_url="https://shop.zendesk.com/sc/")
    assert str(zendesk.requests[0].url).startswith("https://shop.zendesk.com/sc/v1.1/apps/")


def test_user_ids_are_percent_encoded_in_paths() -> None:
    ann = Recipient(User("ann+1/@example.com"))
    driven = run(Reply(content=Text("Hi")), POSTED_V1, to=ann)
    assert driven.requests[0].url.raw_path.endswith(b"/ann%2B1%2F%40example.com/messages")


def test_whoever_is_no_user_must_be_made_one_first() -> None:
    send = Send(content=Text("Hi"), via="sms", to=PHONE)
    for version in ("v1", "v1.1", "v2"):
        assert "create a user" in refused(send, to=Recipient(), version=version)
        assert "create a user" in refused(send, version=version)
        assert "create a user" in refused(Typing(), to=Recipient(), version=version)


@pytest.mark.parametrize(
    ("recipient", "integrations", "via", "platform"),
    [
        (ANN, {}, "sms", "twilio"),
        (ANN, {"messagebird": "i1"}, "sms", "messagebird"),
        (KNOWN, {"twilio": "i1"}, "sms", "messagebird"),
        (ANN, {}, "email", "mailgun"),
        (ANN, {}, "messenger", "messenger"),
        (ANN, {}, "messagebird", "messagebird"),
    ],
)
def test_via_targets_the_channel_by_its_platform(
    recipient: Recipient, integrations: dict[str, str], via: str, platform: str
) -> None:
    send = Send(content=Text("Hi"), via=via)
    driven = run(send, POSTED_V1, to=recipient, integrations=integrations)
    assert driven.bodies[0]["destination"] == {"integrationType": platform}


def test_v1_has_no_channel_targeting() -> None:
    driven = run(Send(content=Text("Hi"), via="sms"), POSTED_V1, version="v1")
    assert driven.bodies == [{"role": "appMaker", "type": "text", "text": "Hi"}]


def test_metadata_override_and_destination_are_passed_on_and_other_keys_are_not() -> None:
    given = {
        "metadata": {"order": "7"},
        "override": {"line": {"payload": {}}},
        "destination": {"integrationId": "i9"},
        "SMS_SENDER": "15550001111",
    }
    driven = run(Send(content=Text("Hi"), via="sms", options=given), POSTED_V1)
    expected = {name: value for name, value in given.items() if name != "SMS_SENDER"}
    assert driven.bodies == [{"role": "appMaker", "type": "text", "text": "Hi"} | expected]


NATIVE = {"type": "template", "template": {"name": "hello", "language": {"code": "en"}}}


@pytest.mark.parametrize(
    "action",
    [
        Reply(content=Template(NATIVE), conversation_id="k1"),
        Reply(content=Template(NATIVE["template"]), conversation_id="k1"),  # type: ignore[arg-type]
        Reply(
            content=Text("Hi"),
            conversation_id="k1",
            options={"schema": "whatsapp", "message": NATIVE},
        ),
    ],
)
def test_a_template_is_sent_in_the_channels_own_form(action: Reply) -> None:
    old = run(action, POSTED_V1)
    assert old.bodies == [{"role": "appMaker", "messageSchema": "whatsapp", "message": NATIVE}]
    new = run(action, POSTED_V2, version="v2")
    business = {"author": {"type": "business"}}
    assert new.bodies == [business | {"schema": "whatsapp", "content": NATIVE}]
