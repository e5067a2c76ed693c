"""Which events a rule takes, and what it finds in them."""

import re
from typing import Any

import pytest

from handlers import (
    Event,
    Location,
    Media,
    MessageReceived,
    Postback,
    Rule,
    Text,
    TypingStarted,
    when,
)

HELLO = MessageReceived(id="1", channel="web", text="Hello, 17 apples", content=Text("Hello"))
IMAGE = MessageReceived(id="2", channel="sms", content=Media("https://a/b.png", kind="image"))
PLACE = MessageReceived(id="3", content=Location(45.5, -73.6))
PRESSED = Postback(id="4", channel="messenger", payload="receipt:A7")
TYPING = TypingStarted(id="5", channel="web")
NONE: dict[str, Any] = {}

CASES: list[tuple[Rule, Event, dict[str, str | None] | None]] = [
    (when.channel("web"), HELLO, NONE),
    (when.channel("sms", "web"), HELLO, NONE),
    (when.channel("sms"), HELLO, None),
    (when.channel("sms"), PLACE, None),
    (when.account("support"), HELLO, NONE),
    (when.account("sales", "texts"), HELLO, None),
    (when.kind("image", "video"), IMAGE, NONE),
    (when.kind("image", "video"), PLACE, None),
    (when.kind("text"), TYPING, None),
    (when.text("apples"), HELLO, NONE),
    (when.text("hello"), HELLO, None),
    (when.text("hello", re.IGNORECASE), HELLO, NONE),
    (when.text(re.compile("hello", re.IGNORECASE)), HELLO, NONE),
    (when.text(r"(?P<count>\d+) (?P<what>\w+)"), HELLO, {"count": "17", "what": "apples"}),
    (when.text(r"apples(?P<rest> and more)?"), HELLO, {"rest": None}),
    (when.text(""), IMAGE, None),
    (when.payload(r"receipt:(?P<order>\w+)"), PRESSED, {"order": "A7"}),
    (when.payload("receipt"), PRESSED, None),
    (when.payload(".*"), HELLO, None),
    (when.check(lambda event: event.id == "1"), HELLO, NONE),
    (when.check(lambda event: event.id == "1"), IMAGE, None),
    (when.check(lambda event: {"id": event.id}), IMAGE, {"id": "2"}),
    (when.check(lambda _: {}), IMAGE, NONE),
    (when.check(lambda _: None), IMAGE, None),
    (~when.channel("web"), HELLO, None),
    (~when.text(r"(?P<all>.+)"), IMAGE, NONE),
    (when.channel("web") & when.text(r"(?P<n>\d)"), HELLO, {"n": "1"}),
    (when.channel("web") & when.text("pears"), HELLO, None),
    (when.channel("sms") & when.text("apples"), HELLO, None),
    (
        when.text(r"(?P<a>\d)(?P<b>\d)") & when.text(r"(?P<b>H)(?P<c>e)"),
        HELLO,
        {"a": "1", "b": "H", "c": "e"},
    ),
    (when.text(r"(?P<a>\d)") | when.text(r"(?P<b>H)"), HELLO, {"a": "1"}),
    (when.text(r"(?P<a>x)") | when.text(r"(?P<b>H)"), HELLO, {"b": "H"}),
    (when.text("x") | when.text("y"), HELLO, None),
    (when.channel("web") & ~when.kind("image") | when.account("other"), HELLO, NONE),
]


@pytest.mark.parametrize(("rule", "event", "expected"), CASES, ids=lambda value: str(value)[:60])
def test_a_rule_gives_its_groups_or_none(
    rule: Rule, event: Event, expected: dict[str, str | None] | None
) -> None:
    assert rule(event, "support") == expected


@pytest.mark.parametrize(
    ("length", "expected"), [(10_000, {}), (10_001, None)], ids=["within", "beyond"]
)
def test_only_the_beginning_of_a_long_text_is_searched(length: int, expected: Any) -> None:
    event = MessageReceived(id="1", text="a" * (length - 1) + "!")
    assert when.text("!")(event, "a") == expected


@pytest.mark.parametrize(("length", "expected"), [(10_000, {}), (10_001, None)])
def test_a_payload_is_matched_whole_or_not_at_all(length: int, expected: Any) -> None:
    assert when.payload("a+")(Postback(id="1", payload="a" * length), "a") == expected


async def _later(event: Event) -> bool:
    return True


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "a pattern that is wrong": (lambda: when.text("(?P<a"), ValueError, "pattern .* is wrong"),
    "a payload that is wrong": (lambda: when.payload("[a"), ValueError, "pattern .* is wrong"),
    "a pattern of bytes": (lambda: when.text(re.compile(b"a")), TypeError, "bytes"),
    "no channel": (when.channel, ValueError, r'when\.channel\("\.\.\."\)'),
    "an empty account": (lambda: when.account(""), ValueError, "needs one name"),
    "the provider's word": (lambda: when.channel("SMS"), ValueError, "lower case: 'sms'"),
    "an unknown kind": (lambda: when.kind("picture"), ValueError, "'picture': .*image"),
    "an async check": (lambda: when.check(_later), TypeError, "not an async one"),
    "a check that is a word": (lambda: when.check("web"), TypeError, "plain function"),
    "`and`": (lambda: when.text("a") and when.text("b"), TypeError, "&"),
    "`not`": (lambda: not when.text("a"), TypeError, "~"),
    "& with a function": (lambda: when.text("a") & len, TypeError, "when.check"),
    "| with a text": (lambda: when.text("a") | "b", TypeError, "not 'b'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_rule_that_could_never_work_is_refused_when_it_is_built(name: str) -> None:
    build, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        build()


def test_a_rule_shows_what_it_was_built_from() -> None:
    rule = when.channel("web", "sms") & ~when.text("a+")
    assert str(rule) == "(channel('web', 'sms') & ~text('a+'))"
