"""Every documented shape of a Conversation API callback, as bytes in a file, and what it means."""

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers.content import Button, Card, Choice, Location, Media, Other, Products, Template, Text
from handlers.event import Event, Fault
from handlers.people import ChannelIdentity, User
from receiver.providers.sinch.webhook import INBOUND

PAYLOADS = Path(__file__).parent / "payloads"

APP = "01HKAPP0000000000000000001"
CONTACT = "01HKCONTACT00000000000001"
OTHER_CONTACT = "01HKCONTACT00000000000002"
CONVERSATION = "01HKCONVERS00000000000001"
MESSAGE = "01HKMESSAGE00000000000001"
EARLIER = "01HKMESSAGE00000000000000"
EVENT = "01HKEVENT0000000000000001"
BATCH = "01HKBATCH0000000000000001"
HOUR = timedelta(hours=1)
VIBER_ID = "7Kq0a+bC1dEfGhIjKlMnOp=="
DIGEST = "<digest>"  # stands for the digest of the file
ACCEPTED = "2026-03-04T05:06:07.123Z"


def at(second: int, microsecond: int = 0) -> datetime:
    return datetime(2026, 3, 4, 5, 6, second, microsecond, tzinfo=UTC)


def on(platform: str, channel: str, identity: str, app_id: str | None = None) -> ChannelIdentity:
    return ChannelIdentity(channel, identity, platform=platform, app_id=app_id)


PHONE = on("RCS", "rcs", "+15145550100")
PSID = on("MESSENGER", "messenger", "6021550199001", APP)
THEN = {"occurred_at": at(6, 987654)}
TAKEN = {"occurred_at": at(7, 123000)}
PERSON = {"user": User(CONTACT), "conversation_id": CONVERSATION, **THEN}
RCS = {**PERSON, "channel": "rcs", "identities": (PHONE,)}
MESSENGER = {**PERSON, "channel": "messenger", "identities": (PSID,)}
INBOUND_RCS = {**RCS, "trigger": "MESSAGE_INBOUND", "id": f"message:{MESSAGE}"} | {
    "message_id": MESSAGE
}
ASKED = {"text": "Is the shop open?", "content": Text("Is the shop open?")}
SUBMITTED = {"trigger": "MESSAGE_SUBMIT", "message_id": MESSAGE}
REPORTED = {**RCS, "trigger": "MESSAGE_DELIVERY", "message_id": MESSAGE}
EVENT_IN = {**MESSENGER, "trigger": "EVENT_INBOUND", "id": f"event:{EVENT}"}
CONTACT_GONE = (PHONE.as_("inactive"), PSID.as_("inactive"))
ON_WHATSAPP = {
    **THEN,
    "user": User(CONTACT),
    "channel": "whatsapp",
    "identities": (on("WHATSAPP", "whatsapp", "+15145550100"),),
}


def inbound(
    platform: str,
    channel: str,
    address: str,
    app_id: str | None = None,
    user: str = CONTACT,
    **more: Any,
) -> dict[str, Any]:
    """A text on some channel; `user`: whom it is from."""
    return {
        **INBOUND_RCS,
        **ASKED,
        "channel": channel,
        "identities": (on(platform, channel, address, app_id),),
        "user": User(user),
        "conversation_id": CONVERSATION if user == CONTACT else None,
        **more,
    }


def delivery(status: str, channel: str = "rcs") -> str:
    return f"message_delivery_report:{MESSAGE}:{channel}:{status}"


# file -> (type, all fields but `raw` that are not None, False or empty)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "message_text": ("message.received", {**INBOUND_RCS, **ASKED}),
    "message_text_dispatch": (
        "message.received",
        inbound("SMS", "sms", "+15145550101", user="sms:+15145550101", occurred_at=at(7, 1000)),
    ),
    "message_text_dispatch_messenger": (
        "message.received",
        inbound(
            "MESSENGER",
            "messenger",
            "6021550199001",
            APP,
            user=f"messenger:6021550199001:{APP}",
        ),
    ),
    "message_text_dispatch_app_of_envelope": (
        "message.received",
        inbound("TELEGRAM", "telegram", "990155", user=f"telegram:990155:{APP}"),
    ),
    "message_text_dispatch_phone_with_app": (
        "message.received",
        inbound("WHATSAPP", "whatsapp", "+15145550102", APP, user="whatsapp:+15145550102"),
    ),
    "message_text_v1beta": (
        "message.received",
        {
            **INBOUND_RCS,
            **ASKED,
            "channel": "viber_business",
            "identities": (),
            "occurred_at": at(7, 1000),
        },
    ),
    "message_text_opaque_whatsapp_id": (
        "message.received",
        inbound("WHATSAPP", "whatsapp", "US.1349000000000001"),
    ),
    "message_text_other_case": (
        "message.received",
        inbound("ViberBM", "viber_business", "+15145550100"),
    ),
    "message_text_number_as_float": (
        "message.received",
        inbound("SMS", "sms", "+15145550100", user="sms:+15145550100"),
    ),
    "message_text_endless_time": (
        "message.received",
        {**INBOUND_RCS, **ASKED, "occurred_at": at(7, 1000)},
    ),
    "message_text_viber": ("message.received", inbound("VIBER", "viber", VIBER_ID, APP)),
    "message_text_reply_to": ("message.received", {**INBOUND_RCS, **ASKED}),
    "message_text_unreadable_time": (
        "message.received",
        {**INBOUND_RCS, **ASKED, "occurred_at": at(7, 1000)},
    ),
    "message_text_nine_digits": (
        "message.received",
        {**INBOUND_RCS, **ASKED, "occurred_at": at(6, 123456)},
    ),
    "message_text_nul": ("message.received", {**INBOUND_RCS, "text": "ab", "content": Text("ab")}),
    "message_media": (
        "message.received",
        {
            **INBOUND_RCS,
            "content": Media(
                "https://media.example.com/1.png",
                filename="receipt.png",
                thumbnail="https://media.example.com/1s.png",
            ),
        },
    ),
    "message_media_without_url": (
        "message.received",
        {**INBOUND_RCS, "content": Other("media_message", {"url": ""})},
    ),
    "message_media_card": (
        "message.received",
        {
            **INBOUND_RCS,
            "text": "Broken on arrival",
            "content": Card(url="https://media.example.com/2.jpg", text="Broken on arrival"),
        },
    ),
    "message_location": (
        "message.received",
        {**INBOUND_RCS, "content": Location(45.5, -73.25, name="Harbour")},
    ),
    "message_choice": ("postback.received", {**INBOUND_RCS, "payload": "size:xl"}),
    "message_product": (
        "message.received",
        {
            **INBOUND_RCS,
            "content": Products(
                (
                    {
                        "id": "sku-1",
                        "marketplace": "FACEBOOK",
                        "quantity": 2,
                        "item_price": 9.5,
                        "currency": "CAD",
                    },
                ),
                title="Two mugs",
                catalog_id="cat-1",
            ),
        },
    ),
    "message_fallback": (
        "message.received",
        {
            **INBOUND_RCS,
            "content": Other(
                "fallback_message",
                {
                    "raw_message": '{"sticker":1}',
                    "reason": {
                        "code": "UNSUPPORTED_OPERATION",
                        "description": "sticker",
                        "sub_code": "",
                    },
                },
            ),
        },
    ),
    "message_channel_specific": (
        "message.received",
        {
            **INBOUND_RCS,
            "content": Other(
                "channel_specific_message",
                {
                    "message_type": "nfm_reply",
                    "message": {
                        "type": "nfm_reply",
                        "nfm_reply": {
                            "name": "flow",
                            "response_json": '{"slot":',
                            "body": "Sent",
                        },
                    },
                },
            ),
        },
    ),
    "message_unmodelled": (
        "message.received",
        {**INBOUND_RCS, "content": Other("hologram_message", {"frames": 3})},
    ),
    "message_without_content": ("unknown", INBOUND_RCS),
    "message_without_id": (
        "message.received",
        {
            **INBOUND_RCS,
            **ASKED,
            "id": f"message:{DIGEST}",
            "message_id": None,
            "dedup_window": HOUR,
        },
    ),
    "message_redaction": (
        "message.redacted",
        {
            **MESSENGER,
            "trigger": "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION",
            "id": f"message_redaction:{MESSAGE}",
            "message_id": MESSAGE,
            "text": "I am {PERSON}",
            "content": Text("I am {PERSON}"),
        },
    ),
    "message_redaction_choice": (
        "message.redacted",
        {
            **MESSENGER,
            "trigger": "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION",
            "id": f"message_redaction:{MESSAGE}",
            "message_id": MESSAGE,
            "payload": "size:{X}",
            "content": Choice(payload="size:{X}", message_id=EARLIER),
        },
    ),
    "submit_text": (
        "message.sent",
        {
            **RCS,
            **SUBMITTED,
            "id": f"message_submit_notification:{MESSAGE}:rcs",
            "text": "Until nine.",
            "content": Text("Until nine."),
        },
    ),
    "submit_choice": (
        "message.sent",
        {
            **RCS,
            **SUBMITTED,
            "id": f"message_submit_notification:{MESSAGE}:rcs",
            "user": User("rcs:+15145550100"),
            "conversation_id": None,
            "text": "Which size?",
            "content": Choice(
                text="Which size?",
                buttons=(
                    Button("reply", text="XL", payload="size:xl"),
                    Button("link", text="All sizes", uri="https://shop.example.com/sizes"),
                    Button("call", text="Ask us", uri="+15145550190"),
                    Button(
                        "other",
                        payload="later",
                        extra={
                            "calendar_message": {"title": "Remind me"},
                            "postback_data": "later",
                        },
                    ),
                ),
            ),
        },
    ),
    "submit_card": (
        "message.sent",
        {
            **PERSON,
            **SUBMITTED,
            "id": f"message_submit_notification:{MESSAGE}:",
            "content": Card(url="https://media.example.com/mug.png", title="A mug", text="Blue"),
        },
    ),
    "submit_template": (
        "message.sent",
        {
            **RCS,
            **SUBMITTED,
            "id": f"message_submit_notification:{MESSAGE}:rcs",
            "content": Template({"omni_template": {"template_id": "t1"}}),
        },
    ),
    "delivery_queued": (
        "message.queued",
        {**REPORTED, "id": delivery("QUEUED_ON_CHANNEL"), "final": False, "reference": "hl-17"},
    ),
    "delivery_switching": (
        "message.switching_channel",
        {
            **REPORTED,
            "id": delivery("SWITCHING_CHANNEL", "whatsapp"),
            "channel": "whatsapp",
            "identities": (on("WHATSAPP", "whatsapp", "+15145550103"),),
            "user": User("whatsapp:+15145550103"),
            "conversation_id": None,
            "final": False,
            "error": Fault("RECIPIENT_NOT_REACHABLE", "not there"),
        },
    ),
    "delivery_delivered": (
        "message.delivered",
        {**REPORTED, "id": delivery("DELIVERED"), "reference": "hl-18"},
    ),
    "delivery_delivered_v1beta": (
        "message.delivered",
        {
            **REPORTED,
            "id": delivery("DELIVERED", "mms"),
            "channel": "mms",
            "user": None,
            "identities": (),
            "occurred_at": at(7, 100000),
        },
    ),
    "delivery_read": (
        "message.read",
        {
            **REPORTED,
            **MESSENGER,
            "id": delivery("READ", "messenger"),
            "final": True,
        },
    ),
    "delivery_failed": (
        "message.failed",
        {
            **REPORTED,
            "id": delivery("FAILED"),
            "final": True,
            "error": Fault("RECIPIENT_NOT_REACHABLE", "No such subscriber", "131047"),
        },
    ),
    "delivery_failed_dispatch": (
        "message.failed",
        {
            **REPORTED,
            "id": delivery("FAILED"),
            "user": User("rcs:+15145550104"),
            "identities": (),
            "conversation_id": None,
            "final": True,
            "error": Fault("RECIPIENT_NOT_REACHABLE", "No such subscriber", "INACTIVE_SENDER"),
        },
    ),
    "delivery_without_channel": (
        "message.queued",
        {
            **REPORTED,
            "id": delivery("QUEUED_ON_CHANNEL", ""),
            "channel": None,
            "identities": (),
            "final": False,
        },
    ),
    "delivery_unknown_status": (
        "unknown",
        {
            **REPORTED,
            "id": delivery("EVAPORATED"),
            "user": User("rcs:+15145550100"),
            "identities": (),
            "conversation_id": None,
        },
    ),
    "delivery_without_message_id": (
        "message.delivered",
        {
            **REPORTED,
            "id": f"message_delivery_report:{DIGEST}",
            "message_id": None,
            "dedup_window": HOUR,
        },
    ),
    "event_composing": ("typing.started", EVENT_IN),
    "event_composing_end": (
        "typing.stopped",
        {
            **EVENT_IN,
            "channel": "rcs",
            "identities": (PHONE,),
            "user": User("rcs:+15145550100"),
            "conversation_id": None,
        },
    ),
    "event_comment": (
        "comment.received",
        {
            **EVENT_IN,
            "channel": "instagram",
            "identities": (on("INSTAGRAM", "instagram", "3900155", APP),),
            "text": "Lovely mug",
        },
    ),
    "event_reaction": ("reaction.received", {**EVENT_IN, "text": "👍", "message_id": MESSAGE}),
    "event_channel_specific": (
        "event.received",
        {
            **EVENT_IN,
            "channel": "whatsapp",
            "identities": (on("WHATSAPP", "whatsapp", "+15145550105"),),
            "user": User("whatsapp:+15145550105"),
            "conversation_id": None,
        },
    ),
    "event_payment": ("event.received", EVENT_IN),
    "event_conversation_deleted": ("event.received", EVENT_IN),
    "event_null_members": ("event.received", EVENT_IN),
    "event_without_id": (
        "typing.started",
        {**EVENT_IN, "id": f"event:{DIGEST}", "dedup_window": HOUR},
    ),
    "event_delivery_delivered": (
        "event.delivered",
        {
            **MESSENGER,
            "trigger": "EVENT_DELIVERY",
            "id": f"event_delivery_report:{EVENT}:DELIVERED",
            "user": User(f"messenger:6021550199001:{APP}"),
            "conversation_id": None,
        },
    ),
    "event_delivery_queued": (
        "event.delivered",
        {
            **MESSENGER,
            "trigger": "EVENT_DELIVERY",
            "id": f"event_delivery_report:{EVENT}:QUEUED_ON_CHANNEL",
            "conversation_id": None,
            "final": False,
            "reference": "hl-19",
        },
    ),
    "event_delivery_failed": (
        "event.failed",
        {
            **MESSENGER,
            "trigger": "EVENT_DELIVERY",
            "id": f"event_delivery_report:{EVENT}:FAILED",
            "user": User(f"messenger:6021550199001:{APP}"),
            "identities": (),
            "conversation_id": None,
            "final": True,
            "error": Fault("BAD_REQUEST", "Not on this channel"),
        },
    ),
    "event_delivery_unknown_status": (
        "unknown",
        {
            **MESSENGER,
            "trigger": "EVENT_DELIVERY",
            "id": f"event_delivery_report:{EVENT}:EVAPORATED",
            "conversation_id": None,
        },
    ),
    "conversation_start": (
        "conversation.started",
        {
            **PERSON,
            **TAKEN,
            "trigger": "CONVERSATION_START",
            "id": f"conversation_start_notification:{CONVERSATION}:{ACCEPTED}",
        },
    ),
    "conversation_start_without_time": (
        "conversation.started",
        {
            **PERSON,
            "trigger": "CONVERSATION_START",
            "id": f"conversation_start_notification:{DIGEST}",
            "dedup_window": HOUR,
            "channel": "whatsapp",
            "occurred_at": None,
        },
    ),
    "conversation_stop": (
        "conversation.stopped",
        {
            **PERSON,
            "trigger": "CONVERSATION_STOP",
            "id": f"conversation_stop_notification:{CONVERSATION}:{ACCEPTED}",
            "channel": "whatsapp",
        },
    ),
    "conversation_delete": (
        "conversation.deleted",
        {
            **PERSON,
            "trigger": "CONVERSATION_DELETE",
            "id": f"conversation_delete_notification:{CONVERSATION}:{ACCEPTED}",
            "channel": "whatsapp",
            "user": None,
        },
    ),
    "contact_create": (
        "user.created",
        {
            **TAKEN,
            "trigger": "CONTACT_CREATE",
            "id": f"contact_create_notification:{CONTACT}:{ACCEPTED}",
            "user": User(CONTACT, "crm-17"),
            "identities": (PHONE, PSID),
        },
    ),
    "contact_update": (
        "user.updated",
        {
            **TAKEN,
            "trigger": "CONTACT_UPDATE",
            "id": f"contact_update_notification:{CONTACT}:{ACCEPTED}",
            "user": User(CONTACT),
            "identities": (PHONE,),
        },
    ),
    "contact_update_without_id": (
        "user.updated",
        {
            **TAKEN,
            "trigger": "CONTACT_UPDATE",
            "id": f"contact_update_notification:{DIGEST}",
            "dedup_window": HOUR,
        },
    ),
    "contact_delete": (
        "user.deleted",
        {
            **TAKEN,
            "trigger": "CONTACT_DELETE",
            "id": f"contact_delete_notification:{CONTACT}:{ACCEPTED}",
            "user": User(CONTACT, "crm-17"),
            "identities": CONTACT_GONE,
        },
    ),
    "contact_merge": (
        "user.merged",
        {
            **TAKEN,
            "trigger": "CONTACT_MERGE",
            "id": f"contact_merge_notification:{OTHER_CONTACT}",
            "user": User(CONTACT, "crm-17"),
            "identities": (PHONE, PSID, on("SMS", "sms", "+15145550106")),
            "discarded": (OTHER_CONTACT,),
        },
    ),
    "contact_merge_with_itself": (
        "user.merged",
        {
            **TAKEN,
            "trigger": "CONTACT_MERGE",
            "id": f"contact_merge_notification:{CONTACT}",
            "user": User(CONTACT, "crm-17"),
            "identities": (PHONE, PSID),
        },
    ),
    "contact_merge_without_names": (
        "user.merged",
        {
            **TAKEN,
            "trigger": "CONTACT_MERGE",
            "id": f"contact_merge_notification:{DIGEST}",
            "dedup_window": HOUR,
        },
    ),
    "contact_duplicates": (
        "user.duplicated",
        {
            **TAKEN,
            "trigger": "CONTACT_IDENTITIES_DUPLICATION",
            "id": f"duplicated_contact_identities_notification:{DIGEST}",
        },
    ),
    "contact_duplicates_without_time": (
        "user.duplicated",
        {
            "trigger": "CONTACT_IDENTITIES_DUPLICATION",
            "id": f"duplicated_contact_identities_notification:{DIGEST}",
            "dedup_window": HOUR,
        },
    ),
    "capability_full": (
        "capability.reported",
        {
            **RCS,
            "trigger": "CAPABILITY",
            "id": "capability_notification:01HKREQUEST0000000000002:rcs",
            "conversation_id": None,
        },
    ),
    "capability_partial_dispatch": (
        "capability.reported",
        {
            **RCS,
            "trigger": "CAPABILITY",
            "id": "capability_notification:01HKREQUEST0000000000002:rcs",
            "user": User("rcs:+15145550100"),
            "conversation_id": None,
        },
    ),
    "capability_none": (
        "capability.reported",
        {
            **RCS,
            "trigger": "CAPABILITY",
            "id": "capability_notification:01HKREQUEST0000000000002:rcs",
            "user": User("rcs:+15145550100"),
            "identities": (),
            "conversation_id": None,
        },
    ),
    "capability_unknown": (
        "capability.reported",
        {
            **RCS,
            "trigger": "CAPABILITY",
            "id": "capability_notification:01HKREQUEST0000000000002:rcs",
            "identities": (),
            "conversation_id": None,
        },
    ),
    "opt_in": (
        "consent.opted_in",
        {
            **ON_WHATSAPP,
            "trigger": "OPT_IN",
            "id": "opt_in_notification:01HKREQUEST0000000000001:OPT_IN_SUCCEEDED",
        },
    ),
    "opt_in_failed": (
        "consent.failed",
        {
            **ON_WHATSAPP,
            "trigger": "OPT_IN",
            "id": "opt_in_notification:01HKREQUEST0000000000001:OPT_IN_FAILED",
            "identities": (),
            "error": Fault(message="Not a subscriber"),
        },
    ),
    "opt_in_unspecified": (
        "unknown",
        {
            **ON_WHATSAPP,
            "trigger": "OPT_IN",
            "id": "opt_in_notification:01HKREQUEST0000000000001:OPT_IN_STATUS_UNSPECIFIED",
        },
    ),
    "opt_out": (
        "consent.opted_out",
        {
            **THEN,
            "trigger": "OPT_OUT",
            "id": "opt_out_notification:01HKREQUEST0000000000001:OPT_OUT_SUCCEEDED",
            "user": User("rcs:+15145550100"),
            "channel": "rcs",
            "identities": (PHONE,),
        },
    ),
    "opt_out_failed": (
        "consent.failed",
        {
            **ON_WHATSAPP,
            "trigger": "OPT_OUT",
            "id": "opt_out_notification:01HKREQUEST0000000000001:OPT_OUT_FAILED",
        },
    ),
    "opt_out_that_says_in": (
        "consent.opted_in",
        {
            **THEN,
            "trigger": "OPT_OUT",
            "id": "opt_out_notification:01HKREQUEST0000000000001:OPT_IN_SUCCEEDED",
            "user": User(f"viber:{VIBER_ID}:{APP}"),
            "channel": "viber",
            "identities": (on("VIBER", "viber", VIBER_ID),),
        },
    ),
    "opt_out_unasked": (
        "consent.opted_out",
        {
            **ON_WHATSAPP,
            "trigger": "OPT_OUT",
            "id": f"opt_out_notification:whatsapp:+15145550100:{ACCEPTED}:OPT_OUT_SUCCEEDED",
        },
    ),
    "opt_out_by_nobody": (
        "consent.opted_out",
        {
            **ON_WHATSAPP,
            "trigger": "OPT_OUT",
            "id": f"opt_out_notification:{DIGEST}",
            "dedup_window": HOUR,
            "user": None,
            "identities": (),
        },
    ),
    "channel_event": (
        "channel.notice",
        {
            **THEN,
            "trigger": "CHANNEL_EVENT",
            "id": f"channel_event_notification:{DIGEST}",
            "channel": "whatsapp",
        },
    ),
    "smart_conversation": (
        "analysis.reported",
        {
            **RCS,
            "trigger": "SMART_CONVERSATION",
            "id": f"smart_conversation_notification:{MESSAGE}",
            "message_id": MESSAGE,
        },
    ),
    "record": (
        "record.reported",
        {
            **MESSENGER,
            "trigger": "RECORD_NOTIFICATION",
            "id": f"record_notification:{MESSAGE}:EVENT_RECORD_STORED",
            "message_id": MESSAGE,
        },
    ),
    "unsupported": (
        "passthrough.received",
        {
            **MESSENGER,
            "trigger": "UNSUPPORTED",
            "id": f"unsupported_callback:{MESSAGE}",
            "message_id": MESSAGE,
        },
    ),
    "unsupported_bare": (
        "passthrough.received",
        {
            **THEN,
            "trigger": "UNSUPPORTED",
            "id": f"unsupported_callback:{DIGEST}",
            "channel": "instagram",
        },
    ),
    "batch_status": (
        "batch.reported",
        {
            **THEN,
            "trigger": "BATCH_STATUS_UPDATE",
            "id": f"batch_status_update_notification:{BATCH}:BATCH_STATUS_PROCESSED",
            "message_id": BATCH,
        },
    ),
    "unknown_member": (
        "unknown",
        {
            **RCS,
            "trigger": "teleport_notification",
            "id": f"teleport_notification:{DIGEST}",
            "identities": (),
        },
    ),
    "no_member": ("unknown", {**TAKEN, "id": f"unknown:{DIGEST}", "dedup_window": HOUR}),
    "nothing": ("unknown", {"id": f"unknown:{DIGEST}", "dedup_window": HOUR}),
    "odd_member": (
        "unknown",
        {**THEN, "trigger": "MESSAGE_INBOUND", "id": f"message:{DIGEST}"},
    ),
    "null_member_beside_another": ("typing.started", EVENT_IN),
    "two_members": ("message.received", {**INBOUND_RCS, **ASKED}),
}


def told(event: Event, body: bytes) -> dict[str, Any]:
    """What an event says, apart from `raw`; the digest of the body by its stand-in."""
    fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    fields["id"] = event.id.replace(hashlib.blake2b(body, digest_size=16).hexdigest(), DIGEST)
    return said(fields)


def said(fields: dict[str, Any]) -> dict[str, Any]:
    silent: tuple[Any, ...] = (None, ())
    return {
        name: value
        for name, value in fields.items()
        if value not in silent and name not in {"raw", "whisper"}
    }


def test_every_payload_file_has_its_row() -> None:
    assert {path.stem for path in PAYLOADS.glob("*.json")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_callback_becomes_one_event(name: str) -> None:
    body = (PAYLOADS / f"{name}.json").read_bytes()
    [event] = INBOUND.parse(body)
    type_, expected = CASES[name]
    assert (event.type, told(event, body)) == (type_, said(expected))


def test_the_raw_value_is_the_whole_body() -> None:
    [event] = INBOUND.parse(b'{"app_id": "a", "event": {"id": "e"}, "new": [1]}')
    assert event.raw == {"app_id": "a", "event": {"id": "e"}, "new": [1]}


def test_digest_keys_tell_two_bodies_apart() -> None:
    [one] = INBOUND.parse(b'{"channel_event_notification": {"a": 1}}')
    [two] = INBOUND.parse(b'{"channel_event_notification": {"a": 2}}')
    assert one.id != two.id
