"""What a handler asked for, checked and copied at the line that asks."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args

from handlers.actions import Action, as_kept
from handlers.checks import Delay, delay, words
from handlers.content import Content, Text
from handlers.links import Target

_CONTENTS = get_args(get_args(Content)[0])
_TARGETS = get_args(get_args(Target)[0])


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing a handler asked for.

    key:   the handler's own word against doing it twice, also from another event; None: no such.
    after: how long to wait, counted from the handler's success; None: not at all.
    """

    action: Action
    key: str | None = None
    after: timedelta | None = None


def planned(action: Action, key: str | None = None, after: Delay | None = None) -> Planned:
    """The action as it will be kept. TypeError or ValueError for what cannot be."""
    if key is not None:
        words(key, "key")
    return Planned(as_kept(action), key, delay(after, "after"))


def message(content: Any) -> Any:
    """The content; a str becomes a Text. TypeError for anything else, ValueError if it is empty."""
    if isinstance(content, str):
        content = Text(content)
    if not isinstance(content, _CONTENTS):
        raise TypeError(f"a message is a str or a Text, Media ..., not {type(content).__name__}")
    if isinstance(content, Text):
        words(content.text, "the text of a message")
    return content


def linkable(value: Any) -> Any:
    """The target of a link. TypeError for anything else: an address alone does not say how."""
    if not isinstance(value, _TARGETS):
        raise TypeError(f'link takes Twilio("+15145550123") or such, not {type(value).__name__}')
    return value
