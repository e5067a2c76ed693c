"""What a handler may hand over, checked at once: the line that is wrong is the line that fails."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from handlers.people import PHONE_CHANNELS, normalise

Delay = timedelta | float  # a float is in seconds

DEPTH = 64  # levels of nesting that a note, an option or a state may have


def words(value: object, what: str) -> str:
    """The text, which must say something. TypeError if it is no text, ValueError if it is blank."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{what} is empty")
    return value


def delay(value: Delay | None, what: str) -> timedelta | None:
    """The time span; None stays None. TypeError for no time, ValueError if negative or endless."""
    if value is None or isinstance(value, timedelta):
        span = value
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} must be a timedelta or seconds, not {type(value).__name__}")
    elif not math.isfinite(value) or abs(value) > timedelta.max.total_seconds() / 2:
        raise ValueError(f"{what} is not a number of seconds that can be waited for")
    else:
        span = timedelta(seconds=value)
    if span is not None and span < timedelta(0):
        raise ValueError(f"{what} is negative: it is a time to wait, from now")
    return span


def address(channel: str, value: object, what: str) -> str:
    """The address as it is kept. A phone number needs its country code (ValueError).

    Ten bare digits could be somebody in Montreal or in Peru, and would be taken for the latter.
    """
    given = words(value, what).strip()
    kept = normalise(channel, given)
    opaque = channel == "whatsapp" and not kept.startswith("+")  # a business-scoped id
    if channel in PHONE_CHANNELS and not opaque and not given.startswith(("+", "00")):
        raise ValueError(f"{what} needs its country code: +15145550123")
    return kept


def json_object(value: object, what: str) -> dict[str, Any]:
    """The object, which must be plain JSON: text, numbers, true, false, None, lists and dicts.

    None is an empty one. Raises TypeError or ValueError that names the place, `note["when"]`, and
    never the value.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must be a dict, not {type(value).__name__}")
    _check(value, what, DEPTH)
    return dict(value)


def _check(value: object, where: str, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"{where} is nested more than {DEPTH} deep")
    match value:
        case None | bool() | int() | str():
            return
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{where} is {value}, which JSON has no word for")
        case list() | tuple():
            for index, item in enumerate(value):
                _check(item, f"{where}[{index}]", depth - 1)
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise TypeError(f"{where} has a key that is no str but {type(key).__name__}")
                _check(item, f'{where}["{key}"]', depth - 1)
        case _:
            raise TypeError(f"{where} is a {type(value).__name__}, not JSON: make it a str first")
