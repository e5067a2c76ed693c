"""Events as JSON: for the public, and for the database's own keeping."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import (
    Binary,
    Button,
    Card,
    Carousel,
    ChannelIdentity,
    Choice,
    Content,
    Event,
    Fault,
    Form,
    FormField,
    FormResponse,
    Item,
    ItemList,
    LinkFailed,
    LinkRecord,
    Location,
    Media,
    Message,
    MessageFailed,
    MessageReceived,
    MessageSent,
    Other,
    Products,
    Template,
    Text,
    Unknown,
    User,
    UserMerged,
)
from handlers.codec import as_dict, from_internal_json, internal_json
from handlers.events import EVENTS

AT = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)

PUBLIC = [
    "type",
    "trigger",
    "id",
    "user",
    "identities",
    "channel",
    "conversation_id",
    "message_id",
    "text",
    "payload",
    "occurred_at",
    "raw",
]

BUTTON = Button("buy", "Pay", "pay:1", amount=1250, currency="CAD", metadata={"a": [1]})
ITEM = Item("Tea", "green", "https://a/t.png", "image/png", "large", (BUTTON,), {"sku": 5})
FIELD = FormField("mail", "E-mail", "email", {"any": ["thing"]}, {"minSize": 1})

CONTENTS: list[Content] = [
    Text("hi", (BUTTON,), "hi:1"),
    *(Media("https://a/b", kind=kind) for kind in ("image", "file", "audio", "video", "media")),
    Location(45.5, -73.6, "Montreal", "Rue 1"),
    Carousel((ITEM,), "See", (BUTTON,), {"wide": True}),
    ItemList((ITEM, Item("Coffee")), "List", "Choose", (BUTTON,)),
    Form((FIELD,), False, True),
    FormResponse((FIELD,), "mail: a@b.c"),
    Template({"name": "welcome"}),
    Card("https://a/b", "Tea", "green", (BUTTON,)),
    Choice("yes", (BUTTON,), "y", "m0"),
    Products(({"sku": "1"},), "Basket", "cat"),
    Binary("aGk=", "050003"),
    Other("sticker", {"id": 1}),
]

# Every field that any event has, with something in it.
FILLED: dict[str, Any] = {
    "id": "e1",
    "trigger": "message:appUser",
    "user": User("u1", "ann"),
    "identities": (ChannelIdentity("sms", "+15145550123", "twilio", "c1", None, "pending"),),
    "channel": "sms",
    "conversation_id": "cv1",
    "message_id": "m1",
    "text": "Grüezi 👋",
    "payload": "p:1",
    "occurred_at": AT,
    "raw": {"a": [1, 2.5, None, True, {"b": "half \ud83d"}], "big": 2**70},
    "dedup_window": timedelta(hours=1, microseconds=7),
    "content": Carousel((ITEM,)),
    "final": True,
    "error": Fault("404", "gone", "30005"),
    "reference": "hl-17",
    "platform": "twilio",
    "address": "+15145550123",
    "client_id": "c1",
    "link": LinkRecord(7, "sms", "twilio", "+15145550123", "failed", {"why": "x"}, "no", AT),
    "reason": "confirmed",
    "whisper": True,
    "cancelled": True,
    "discarded": ("u2", "u3"),
}


def filled(event_class: type[Event]) -> Event:
    return event_class(**{field.name: FILLED[field.name] for field in fields(event_class)})


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_survives_the_database_full_and_empty(name: str) -> None:
    for event in (filled(EVENTS[name]), EVENTS[name](id="e1")):
        again = from_internal_json(internal_json(event))
        assert type(again) is EVENTS[name]
        assert again == event


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.kind)
def test_every_content_survives_the_database(content: Content) -> None:
    event = MessageReceived(id="e1", content=content)
    assert from_internal_json(internal_json(event)) == event


def test_the_contents_above_are_all_there_are() -> None:
    assert {type(content) for content in CONTENTS} == set(get_args(get_args(Content)[0]))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MAYBE = st.none() | st.text()


@settings(max_examples=150, database=None, deadline=None)
@given(
    st.sampled_from([cls for cls in EVENTS.values() if issubclass(cls, Message)]),
    st.fixed_dictionaries(
        {"id": st.text(), "raw": st.dictionaries(st.text(), JSON, max_size=3)},
        optional={
            "user": st.builds(User, st.text(), MAYBE),
            "identities": st.lists(
                st.builds(ChannelIdentity, st.text(), MAYBE, MAYBE), max_size=2
            ).map(tuple),
            "text": MAYBE,
            "payload": MAYBE,
            "occurred_at": st.datetimes(timezones=st.just(UTC)),
            "dedup_window": st.timedeltas(timedelta(0), timedelta(days=400)),
            "content": st.builds(Text, st.text())
            | st.builds(Other, st.text(), st.dictionaries(st.text(), JSON, max_size=2)),
        },
    ),
)
def test_whatever_an_event_says_survives_the_database(
    event_class: type[Event], values: dict[str, Any]
) -> None:
    event = event_class(**values)
    assert from_internal_json(internal_json(event)) == event


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"type": "no.such", "id": "1"}',
        b'{"type": [], "id": "1"}',
        b'{"type": "unknown"}',
        b'{"type": "unknown", "id": 5}',
        b'{"type": "unknown", "id": "1", "occurred_at": "soon"}',
        b"\xff",
    ],
)
def test_what_is_no_event_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_internal_json(data)


def test_a_family_is_no_event() -> None:
    with pytest.raises(ValueError, match="no type of events"):
        internal_json(Message(id="1"))


@pytest.mark.parametrize("name", EVENTS)
def test_the_public_fields_come_first_in_their_order_and_are_json(name: str) -> None:
    shown = as_dict(filled(EVENTS[name]))
    assert list(shown)[: len(PUBLIC)] == PUBLIC
    assert shown["type"] == name
    assert json.loads(json.dumps(shown)) == shown


def test_an_event_as_the_public_sees_it() -> None:
    assert as_dict(filled(MessageSent)) == {
        "type": "message.sent",
        "trigger": "message:appUser",
        "id": "e1",
        "user": {"id": "u1", "external_id": "ann"},
        "identities": [
            {
                "channel": "sms",
                "identity": "+15145550123",
                "platform": "twilio",
                "client_id": "c1",
                "app_id": None,
                "status": "pending",
            }
        ],
        "channel": "sms",
        "conversation_id": "cv1",
        "message_id": "m1",
        "text": "Grüezi 👋",
        "payload": "p:1",
        "occurred_at": "2026-03-01T12:00:00.123Z",
        "raw": FILLED["raw"],
    }


def test_an_event_that_says_nothing_has_nulls() -> None:
    assert as_dict(Unknown(id="e1"), raw=False) == {
        **dict.fromkeys(PUBLIC[:-1]),
        "type": "unknown",
        "id": "e1",
        "identities": [],
    }


FAULT = {"code": "404", "message": "gone", "underlying": "30005"}
EXTRA: list[tuple[Event, dict[str, Any]]] = [
    (filled(UserMerged), {"discarded": ["u2", "u3"]}),
    (filled(LinkFailed), {"address": "+15145550123", "error": FAULT}),
    (LinkFailed(id="e1"), {"address": None, "error": None}),
    (filled(MessageFailed), {"error": FAULT}),
    (MessageFailed(id="e1"), {"error": None}),
    (filled(MessageReceived), {}),
]


@pytest.mark.parametrize(("event", "expected"), EXTRA)
def test_some_types_show_more(event: Event, expected: dict[str, Any]) -> None:
    shown = as_dict(event)
    assert {key: value for key, value in shown.items() if key not in PUBLIC} == expected


TIMES = [
    (AT, "2026-03-01T12:00:00.123Z"),
    (AT.replace(microsecond=0), "2026-03-01T12:00:00.000Z"),
    (AT.replace(microsecond=123456), "2026-03-01T12:00:00.123456Z"),
    (AT.astimezone(timezone(timedelta(hours=-5))), "2026-03-01T12:00:00.123Z"),
    (None, None),
]


@pytest.mark.parametrize(("at", "shown"), TIMES)
def test_times_are_utc_to_the_millisecond_or_better(at: datetime | None, shown: str | None) -> None:
    assert as_dict(Unknown(id="1", occurred_at=at))["occurred_at"] == shown
