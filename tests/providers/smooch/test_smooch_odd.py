"""Bodies that are not as documented: what can be read is, and nothing is ever an error."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import events
from handlers.event import Event, Fault
from handlers.people import User
from receiver.errors import Unparsed
from receiver.fields import digest
from receiver.providers.smooch.faults import fault
from receiver.providers.smooch.webhook import parse

PAYLOADS = sorted((Path(__file__).parent / "payloads").glob("*__*.json"))
HOUR = timedelta(hours=1)
DEEP: Any = [[[[[["deep"]]]]]]
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
    "\0",
    "x" * 2000,
    DEEP,
    10**400,
]


def body(**keys: Any) -> bytes:
    return json.dumps(keys).encode()


def only(raw: bytes) -> Event:
    [event] = parse(raw)
    return event


@pytest.mark.parametrize("raw", [b"", b"[]", b'"x"', b"{", b'{"a": NaN}', b"\xff", b"[" * 5000])
def test_what_is_no_json_object_is_unparsed(raw: bytes) -> None:
    with pytest.raises(Unparsed):
        parse(raw)


@pytest.mark.parametrize("array", ["messages", "postbacks", "payments", "clients"])
@pytest.mark.parametrize("value", [None, [], {}, "x", ...])
def test_an_array_that_is_missing_or_empty_gives_one_unknown(array: str, value: Any) -> None:
    triggers = {
        "messages": "message:appUser",
        "postbacks": "postback",
        "payments": "payment:success",
        "clients": "client:add",
    }
    keys = {} if value is ... else {array: value}
    event = only(
        body(
            trigger=triggers[array],
            appUser={"_id": "u1"},
            conversation={"_id": "c1"},
            timestamp=1500000000,
            **keys,
        )
    )
    assert isinstance(event, events.Unknown)
    assert (event.trigger, event.user) == (triggers[array], User("u1"))
    assert event.conversation_id == "c1"
    assert event.occurred_at == datetime(2017, 7, 14, 2, 40, tzinfo=UTC)
    assert event.dedup_window == HOUR


@pytest.mark.parametrize(
    "raw", [b"{}", b'{"events": []}', b'{"trigger": 5}', b'{"trigger": null}', b'{"events": {}}']
)
def test_a_body_without_events_or_trigger_is_one_unknown_without_a_trigger(raw: bytes) -> None:
    event = only(raw)
    assert isinstance(event, events.Unknown)
    assert (event.trigger, event.raw) == (None, json.loads(raw))
    assert event.id == f"unknown:{digest(raw)}"


def test_an_odd_element_is_an_unknown_of_its_own_among_the_others() -> None:
    raw = body(trigger="postback", postbacks=[7, {"action": {"payload": "A"}}, {}])
    found = parse(raw)
    assert [type(one) for one in found] == [events.Unknown, events.Postback, events.Unknown]
    assert [one.id for one in found] == [f"postback:{digest(raw)}:{n}" for n in range(3)]


@pytest.mark.parametrize("role", [None, "appUser", ...])
def test_a_person_who_is_named_only_as_the_author_is_the_user(role: str | None) -> None:
    message = {"_id": "m1", "authorId": "u1", "role": role, "text": "Hi"}
    if role is ...:
        del message["role"]
    assert only(body(trigger="message:appUser", messages=[message])).user == User("u1")


def test_the_author_of_a_business_message_is_no_user() -> None:
    message = {"_id": "m1", "authorId": "5Xauthor", "role": "appMaker", "text": "Hi"}
    assert only(body(trigger="message:appMaker", messages=[message])).user is None


def test_a_merge_without_a_survivor_is_unknown() -> None:
    v1 = body(trigger="merge:appUser", surviving={}, discarded=[{"_id": "u2"}])
    payload = {"mergedUsers": {"discarded": {"id": "u2"}}}
    v2 = body(events=[{"id": "e1", "type": "user:merge", "payload": payload}])
    assert [type(only(raw)) for raw in (v1, v2)] == [events.Unknown, events.Unknown]


def test_a_v1_merge_takes_a_single_discarded_user_too() -> None:
    event = only(body(trigger="merge:appUser", surviving={"_id": "a"}, discarded={"_id": "b"}))
    assert isinstance(event, events.UserMerged)
    assert event.discarded == ("b",)


@pytest.mark.parametrize(
    ("address", "statuses"),
    [("+15145550111", ["active"]), ("+15145550112", ["active", "inactive"])],
)
def test_an_address_that_lives_on_after_a_merge_is_not_reported_as_gone(
    address: str, statuses: list[str]
) -> None:
    stayed = {"id": "c1", "type": "twilio", "status": "active", "externalId": "+15145550111"}
    went = {"id": "c2", "type": "twilio", "status": "pending", "externalId": address}
    payload = {
        "mergedUsers": {"surviving": {"id": "u1"}, "discarded": {"id": "u2"}},
        "mergedClients": {"surviving": stayed, "discarded": went},
    }
    event = only(v2_event(id="e1", type="user:merge", payload=payload))
    assert [one.status for one in event.identities] == statuses


def v2_event(**keys: Any) -> bytes:
    return body(events=[keys])


@pytest.mark.parametrize(
    ("keys", "event_id"),
    [
        ({"type": "a:b", "id": 7}, "a:b:7"),
        ({"type": "a:b", "payload": {"message": {"id": "m1"}}}, "a:b:m1"),
        (
            {
                "type": "a:b",
                "payload": {
                    "message": {"id": "m1"},
                    "destination": {"type": "line"},
                    "isFinalEvent": True,
                },
            },
            "a:b:m1:line:true",
        ),
        ({"id": "e1"}, "unknown:e1"),
    ],
)
def test_the_key_of_a_v2_event(keys: dict[str, Any], event_id: str) -> None:
    event = only(v2_event(**keys))
    assert (event.id, event.dedup_window) == (event_id, None)


def test_a_v2_event_without_any_id_is_known_by_its_bytes_for_an_hour() -> None:
    raw = v2_event(type="conversation:read")
    assert only(raw).id == f"conversation:read:{digest(raw)}"
    twice = body(events=[{"type": "a:b"}, {"type": "a:b"}])
    assert [event.id for event in parse(twice)] == [f"a:b:{digest(twice)}:{n}" for n in (0, 1)]
    assert all(event.dedup_window == HOUR for event in parse(twice))


def test_an_endless_key_is_cut_and_still_tells_two_events_apart() -> None:
    first, second = (only(v2_event(type="t" * 2000, id=name)) for name in "ab")
    assert first.id != second.id
    assert len(first.id) < 600


@pytest.mark.parametrize("trigger", ["switchboard:releaseControl:failure", "switchboard:x:failure"])
def test_every_switchboard_failure_is_a_failed_control(trigger: str) -> None:
    event = only(v2_event(id="e", type=trigger, payload={"error": {"code": "c"}}))
    assert isinstance(event, events.ControlFailed)
    assert event.error == Fault("c")


def test_a_passthrough_of_apple_is_on_apple_even_where_it_is_not_modelled() -> None:
    event = only(body(trigger="passthrough:apple:other"))
    assert (event.type, event.channel) == ("unknown", "apple")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 400, "message": "no"}, Fault("400", "no")),
        ({"underlyingError": {"code": 190}}, Fault(underlying="190")),
        ({"underlyingError": {"errors": [{"code": 470, "title": "t"}]}}, Fault(underlying="470")),
        ({"underlyingError": {"errors": [{"title": "t"}]}}, Fault(underlying="t")),
        ({"underlyingError": {"message": "why"}}, Fault(underlying="why")),
        ({"underlyingError": {"x": 1}}, Fault(underlying='{"x": 1}')),
        ({"underlyingError": "w\0hy"}, Fault(underlying="why")),
        ({"underlyingError": ["a"]}, Fault(underlying='["a"]')),
        ({"underlyingError": {}}, None),
        ({}, None),
        ("x", None),
        (None, None),
    ],
)
def test_why_something_failed(error: Any, expected: Fault | None) -> None:
    assert fault(error) == expected


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to each value in a JSON value, the whole included."""
    inner: Any = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def check(raw: bytes) -> None:
    """Whatever came: clean texts, a key that starts with the trigger, aware times, JSON kept."""
    try:
        found = parse(raw)
    except Unparsed:
        return
    assert found
    for event in found:
        assert event.id.startswith((event.trigger or "unknown")[:200])
        assert event.occurred_at is None or event.occurred_at.tzinfo is not None
        assert isinstance(event.raw, dict)
        user_ids = [event.user.id, event.user.external_id] if event.user else []
        addresses = [one.identity for one in event.identities]
        texts = [event.id, event.trigger, event.channel, event.conversation_id, event.message_id]
        for text in [*texts, event.text, event.payload, *user_ids, *addresses]:
            assert text is None or (text and "\0" not in text and text.encode())
        assert event.user or not event.identities
    stood_in = [event.id for event in found if event.dedup_window]
    assert len(set(stood_in)) == len(stood_in)


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_any_value_may_be_replaced_by_an_odd_one(path: Path) -> None:
    good = json.loads(path.read_text("utf-8"))
    for place in places(good):
        for odd in ODD:
            check(json.dumps(replaced(good, place, odd)).encode())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_parsed_or_unparsed(raw: bytes) -> None:
    check(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
TRIGGERS = sorted({event.trigger or "" for path in PAYLOADS for event in parse(path.read_bytes())})
KEYS = [
    "appUser",
    "messages",
    "message",
    "client",
    "clients",
    "payload",
    "user",
    "reason",
    "source",
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TRIGGERS), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
def test_arbitrary_json_under_known_keys_is_parsed(trigger: str, keys: dict[str, Any]) -> None:
    check(body(trigger=trigger, **keys))
    check(v2_event(id="e1", type=trigger, payload=keys))
