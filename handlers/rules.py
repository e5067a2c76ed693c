"""Which events a handler takes: small conditions, combined with `&`, `|` and `~`."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, get_args, get_type_hints

from handlers.content import Content
from handlers.event import Event, Message

Match: TypeAlias = dict[str, str | None]
Check: TypeAlias = Callable[[Event], "bool | Mapping[str, str | None] | None"]

LONGEST = 10_000  # characters of a text that a pattern is tried on

KINDS = frozenset(
    kind
    for content in get_args(get_args(Content)[0])
    for kind in get_args(get_type_hints(content)["kind"])
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on an event: called with it and the account's name, it gives the named groups
    that it found, `{}` if it has none, or None where it does not match.

    `a & b` gives the groups of both, `b`'s where both have one; `a | b` the first match's.
    """

    test: Callable[[Event, str], Match | None]
    shown: str

    def __call__(self, event: Event, account: str) -> Match | None:
        return self.test(event, account)

    def __and__(self, other: "Rule") -> "Rule":
        return Rule(_both(_rule(self), _rule(other)), f"({self} & {other})")

    def __or__(self, other: "Rule") -> "Rule":
        return Rule(_either(_rule(self), _rule(other)), f"({self} | {other})")

    def __invert__(self) -> "Rule":
        return Rule(lambda e, a: {} if self.test(e, a) is None else None, f"~{self}")

    def __bool__(self) -> bool:
        raise TypeError("rules are combined with &, | and ~, not with `and`, `or` and `not`")

    def __str__(self) -> str:
        return self.shown


def _rule(value: object) -> Rule:
    if not isinstance(value, Rule):
        raise TypeError(f"a rule is combined with a rule, when.check(...), not {value!r}")
    return value


def _both(left: Rule, right: Rule) -> Callable[[Event, str], Match | None]:
    def test(event: Event, account: str) -> Match | None:
        first = left(event, account)
        second = None if first is None else right(event, account)
        return None if first is None or second is None else first | second

    return test


def _either(left: Rule, right: Rule) -> Callable[[Event, str], Match | None]:
    def test(event: Event, account: str) -> Match | None:
        first = left(event, account)
        return right(event, account) if first is None else first

    return test


class When:
    """The conditions there are. Each raises ValueError or TypeError when built from nonsense."""

    def channel(self, *names: str) -> Rule:
        """It happened on one of these channels: "sms", "web" ... (the names of ours)."""
        wanted = _names(names, "channel")
        if odd := sorted(name for name in wanted if name != name.lower()):
            raise ValueError(f"channels are written in lower case: {odd[0].lower()!r}")
        return _plain(lambda event, _: event.channel in wanted, f"channel{names}")

    def account(self, *names: str) -> Rule:
        """It came by one of these accounts, as the settings name them."""
        wanted = _names(names, "account")
        return _plain(lambda _, account: account in wanted, f"account{names}")

    def kind(self, *names: str) -> Rule:
        """It is a message with such content: "text", "image", "location" ..."""
        wanted = _names(names, "kind")
        if odd := sorted(wanted - KINDS):
            raise ValueError(f"no content is of kind {odd[0]!r}: {', '.join(sorted(KINDS))}")
        return _plain(lambda event, _: _kind(event) in wanted, f"kind{names}")

    def text(self, pattern: str | re.Pattern[str], flags: int = 0) -> Rule:
        """The pattern is found somewhere in the text; upper and lower case differ unless
        `flags` has re.IGNORECASE. A text is searched in its first 10,000 characters."""
        regex = _compiled(pattern, flags)

        def test(event: Event, account: str) -> Match | None:
            found = regex.search((event.text or "")[:LONGEST]) if event.text is not None else None
            return found.groupdict() if found else None

        return Rule(test, f"text({regex.pattern!r})")

    def payload(self, pattern: str | re.Pattern[str], flags: int = 0) -> Rule:
        """The pattern is the whole payload of a button. One of over 10,000 characters never is."""
        regex = _compiled(pattern, flags)

        def test(event: Event, account: str) -> Match | None:
            fits = event.payload is not None and len(event.payload) <= LONGEST
            found = regex.fullmatch(event.payload or "") if fits else None
            return found.groupdict() if found else None

        return Rule(test, f"payload({regex.pattern!r})")

    def check(self, function: Check) -> Rule:
        """The function says so: True, or a dict that becomes `ctx.match`. None and False: no."""
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise TypeError("when.check takes a plain function of the event, not an async one")

        def test(event: Event, account: str) -> Match | None:
            found = function(event)
            if isinstance(found, Mapping):
                return dict(found)
            return {} if found else None

        return Rule(test, f"check({getattr(function, '__name__', function)})")


when = When()


def _plain(test: Callable[[Event, str], bool], shown: str) -> Rule:
    return Rule(lambda event, account: {} if test(event, account) else None, shown)


def _names(names: tuple[str, ...], what: str) -> frozenset[str]:
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f'when.{what} needs one name or more: when.{what}("...")')
    return frozenset(names)


def _kind(event: Event) -> str | None:
    content = event.content if isinstance(event, Message) else None
    return content.kind if content else None


def _compiled(pattern: str | re.Pattern[str], flags: int) -> re.Pattern[str]:
    try:
        regex = re.compile(pattern, flags)
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} is wrong: {error}") from None
    if not isinstance(regex.pattern, str):
        raise TypeError("the pattern is of bytes, and a text is a str")
    return regex
