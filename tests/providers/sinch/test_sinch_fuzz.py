"""No body, however odd, makes the parser raise anything but Unparsed, or yield unstorable text."""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.event import Event
from receiver.errors import Unparsed
from receiver.providers.sinch.parse import MEMBERS
from receiver.providers.sinch.webhook import INBOUND

PAYLOADS = Path(__file__).parent / "payloads"
FILES = {path.stem: path.read_bytes() for path in sorted(PAYLOADS.glob("*.json"))}

ODD: list[Any] = [
    None,
    "",
    0,
    -1,
    1e300,
    10**400,
    [],
    {},
    [[]],
    True,
    "\ud800",
    "\u0000",
    "x" * 2000,
]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
INNER = st.sampled_from(
    [
        *("id", "message_id", "contact", "channel_identity", "contact_message", "contact_event"),
        *("status", "reason", "conversation", "channel", "identity", "contact_id", "text_message"),
    ]
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside."""
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in list(steps):
        yield (*at, step)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*at, step))


def replaced(body: bytes, path: tuple[Any, ...], odd: Any) -> bytes:
    value = inner = json.loads(body)
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = odd
    return json.dumps(value).encode()


def check_storable(event: Event) -> None:
    """Texts that any database takes: UTF-8 without NUL; ids that are there."""
    assert event.id
    texts = [getattr(event, field.name) for field in fields(event)]
    texts += [getattr(event.user, "id", None), *(i.identity for i in event.identities)]
    for text in texts:
        if isinstance(text, str):
            assert "\0" not in text
            text.encode()


@pytest.mark.parametrize("name", FILES)
def test_any_value_may_be_odd(name: str) -> None:
    for path in paths(json.loads(FILES[name])):
        for odd in ODD:
            [event] = INBOUND.parse(replaced(FILES[name], path, odd))
            check_storable(event)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_object_are_unparsed(body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        with pytest.raises(Unparsed):
            INBOUND.parse(body)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*MEMBERS, "new_notification", ""]),
    JSON | st.dictionaries(INNER, JSON | st.dictionaries(INNER, JSON, max_size=4), max_size=6),
)
def test_any_member_makes_one_storable_event(key: str, member: Any) -> None:
    [event] = INBOUND.parse(json.dumps({key: member}).encode())
    check_storable(event)


@pytest.mark.parametrize("key", ["\ud800", "\u0000", "k" * 2000, ""])
def test_a_body_key_that_cannot_be_kept_is_no_trigger(key: str) -> None:
    [event] = INBOUND.parse(json.dumps({key: {}}).encode())
    check_storable(event)
    assert event.type == "unknown"
