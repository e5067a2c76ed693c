"""Every documented shape of an SMS (XMS) callback, as bytes in a file, and what it means."""

import dataclasses
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.content import Binary, Media, Other, Text
from handlers.event import Event, Fault
from handlers.people import ChannelIdentity, User
from receiver.errors import Unparsed
from receiver.providers.sinch_sms.webhook import INBOUND

PAYLOADS = Path(__file__).parent / "payloads"
FILES = {path.stem: path.read_bytes() for path in sorted(PAYLOADS.glob("*.json"))}

MESSAGE = "01HKSMSMO0000000000000001"
BATCH = "01HKSMSBATCH000000000001"
HOUR = timedelta(hours=1)
DIGEST = "<digest>"  # stands for the digest of the file


def at(second: int, microsecond: int = 0) -> datetime:
    return datetime(2026, 3, 4, 5, 6, second, microsecond, tzinfo=UTC)


def person(channel: str, number: str, *, proven: bool = True) -> dict[str, Any]:
    return {
        "user": User(f"{channel}:{number}"),
        "channel": channel,
        "identities": (ChannelIdentity(channel, number),) if proven else (),
    }


def received(kind: str, channel: str, **more: Any) -> dict[str, Any]:
    """A message of 15145550107's."""
    return {
        **person(channel, "+15145550107"),
        "trigger": kind,
        "id": f"{kind}:{MESSAGE}",
        "message_id": MESSAGE,
        "occurred_at": at(7, 386000),
        **more,
    }


def report(code: str, status: str, *, proven: bool = True, **more: Any) -> dict[str, Any]:
    """A report on one SMS to 15145550107."""
    kind = "recipient_delivery_report_sms"
    key = f"{kind}:{BATCH}:15145550107:{code}:{status}:2026-03-04T05:06:08.210Z"
    return {
        **person("sms", "+15145550107", proven=proven),
        "trigger": kind,
        "id": key,
        "message_id": BATCH,
        "occurred_at": at(8, 210000),
        "reference": "hl-20",
        **more,
    }


def mms(media: Any, text: str | None = None) -> dict[str, Any]:
    return received("mo_media", "mms", content=media, text=text)


# file -> (type, all fields but `raw` that are not None or empty)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "mo_text": (
        "message.received",
        received("mo_text", "sms", text="Shop open? 👋", content=Text("Shop open? 👋")),
    ),
    "mo_text_2016": (
        "message.received",
        received("mo_text", "sms", occurred_at=None) | person("sms", "12345"),
    ),
    "mo_text_numbers": (
        "message.received",
        received("mo_text", "sms", id="mo_text:17", message_id="17", text="Hi", content=Text("Hi")),
    ),
    "mo_text_without_id": (
        "message.received",
        received(
            "mo_text",
            "sms",
            id=f"mo_text:{DIGEST}",
            message_id=None,
            dedup_window=HOUR,
            text="Hi",
            content=Text("Hi"),
        ),
    ),
    "mo_text_from_nobody": (
        "message.received",
        {
            "trigger": "mo_text",
            "id": f"mo_text:{MESSAGE}",
            "message_id": MESSAGE,
            "channel": "sms",
            "text": "Hi",
            "content": Text("Hi"),
        },
    ),
    "mo_binary": (
        "message.received",
        received("mo_binary", "sms", content=Binary("SGkgdGhlcmU=", udh="050003CC0201")),
    ),
    "mo_media": (
        "message.received",
        mms(
            Media(
                "https://media.example.com/0",
                text="Broken",
                media_type="image/jpeg",
                kind="image",
            ),
            "Broken",
        ),
    ),
    "mo_media_file": (
        "message.received",
        mms(Media("https://media.example.com/0", media_type="application/pdf", kind="file")),
    ),
    "mo_media_untyped": ("message.received", mms(Media("https://media.example.com/0"))),
    "mo_media_several": (
        "message.received",
        mms(Other("media", json.loads(FILES["mo_media_several"])["body"]), "Two"),
    ),
    "mo_media_only_text": ("message.received", mms(Text("Just words"), "Just words")),
    "mo_media_empty": (
        "message.received",
        mms(Other("media", {"subject": "Only a subject"})),
    ),
    "mo_media_odd_body": ("message.received", mms(None)),
    "recipient_delivered": ("message.delivered", report("0", "Delivered", final=True)),
    "recipient_delivered_mms": (
        "message.delivered",
        report("0", "Delivered", final=True)
        | person("mms", "+15145550108")
        | {
            "trigger": "recipient_delivery_report_mms",
            "id": f"recipient_delivery_report_mms:{BATCH}:+15145550108:0:Delivered"
            ":2026-03-04T05:06:08.210Z",
        },
    ),
    "recipient_queued": ("message.queued", report("400", "Queued", final=False)),
    "recipient_dispatched": ("message.queued", report("401", "Dispatched", final=False)),
    "recipient_aborted": (
        "message.failed",
        report("412", "Aborted", proven=False, final=True, error=Fault("412", "Aborted")),
    ),
    "recipient_failed_in_words": (
        "message.failed",
        report("11", "Failed", proven=False, final=True, error=Fault("11", "Absent subscriber")),
    ),
    "recipient_new_status": (
        "message.failed",
        report("499", "Evaporated", proven=False, error=Fault("499", "Evaporated")),
    ),
    "recipient_without_status": (
        "unknown",
        report("0", "", proven=False, reference=None),
    ),
    "recipient_without_time": (
        "message.delivered",
        report(
            "0",
            "Delivered",
            final=True,
            id=f"recipient_delivery_report_sms:{DIGEST}",
            dedup_window=HOUR,
            occurred_at=None,
        ),
    ),
    "batch_sms": (
        "batch.reported",
        {
            "trigger": "delivery_report_sms",
            "id": f"delivery_report_sms:{BATCH}:{DIGEST}",
            "channel": "sms",
            "message_id": BATCH,
        },
    ),
    "batch_mms": (
        "batch.reported",
        {
            "trigger": "delivery_report_mms",
            "id": f"delivery_report_mms:{BATCH}:{DIGEST}",
            "channel": "mms",
            "message_id": BATCH,
        },
    ),
    "batch_without_id": (
        "batch.reported",
        {
            "trigger": "delivery_report_sms",
            "id": f"delivery_report_sms:{DIGEST}",
            "channel": "sms",
            "dedup_window": HOUR,
        },
    ),
    "unknown_type": (
        "unknown",
        {
            **person("sms", "+15145550107", proven=False),
            "trigger": "mo_hologram",
            "id": f"mo_hologram:{DIGEST}",
            "dedup_window": HOUR,
            "occurred_at": at(7, 386000),
        },
    ),
    "unknown_type_mms": (
        "unknown",
        {
            **person("mms", "+15145550107", proven=False),
            "trigger": "inspection_mms",
            "id": f"inspection_mms:{DIGEST}",
            "dedup_window": HOUR,
            "occurred_at": at(7),
        },
    ),
    "nothing": (
        "unknown",
        {"id": f"unknown:{DIGEST}", "dedup_window": HOUR, "channel": "sms"},
    ),
}


def told(event: Event, body: bytes) -> dict[str, Any]:
    """What an event says, apart from `raw`; the digest of the body by its stand-in."""
    fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    fields["id"] = event.id.replace(hashlib.blake2b(body, digest_size=16).hexdigest(), DIGEST)
    del fields["raw"]
    return said(fields)


def said(fields: dict[str, Any]) -> dict[str, Any]:
    silent: tuple[Any, ...] = (None, ())
    return {name: value for name, value in fields.items() if value not in silent}


def test_every_payload_file_has_its_row() -> None:
    assert set(FILES) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_callback_becomes_one_event(name: str) -> None:
    [event] = INBOUND.parse(FILES[name])
    type_, expected = CASES[name]
    assert (event.type, told(event, FILES[name])) == (type_, said(expected))


def test_the_raw_value_is_the_whole_body() -> None:
    [event] = INBOUND.parse(b'{"type": "mo_text", "id": "1", "new": [1]}')
    assert event.raw == {"type": "mo_text", "id": "1", "new": [1]}


ODD: list[Any] = [
    None,
    "",
    0,
    -1,
    1e300,
    [],
    {},
    [[]],
    True,
    "\ud800",
    "\u0000",
    "mo_text\u0000",
    "x" * 2000,
]


@pytest.mark.parametrize("name", FILES)
def test_any_value_may_be_odd(name: str) -> None:
    body = json.loads(FILES[name])
    for key in [*body, "type"]:
        for odd in ODD:
            [event] = INBOUND.parse(json.dumps(body | {key: odd}).encode())
            assert event.id
            assert event.id.encode()
            (event.text or "").encode()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_object_are_unparsed(body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        with pytest.raises(Unparsed):
            INBOUND.parse(body)
