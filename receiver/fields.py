"""
Untrusted JSON, read without surprises: every getter answers a clean value or None, never raises.

`load` is the only way in: what it returns has no NaN, no infinity and no endless nesting.
"""

import hashlib
import json
import math
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NoReturn

from pydantic_core import from_json

from receiver.errors import Unparsed

DEPTH = 64  # levels of nesting that are read, at least; the deepest documented body has 9
ID_LENGTH = 1024  # characters; the longest id that a provider documents (externalId)

_BOM = b"\xef\xbb\xbf"
_SHAPE = bytes.maketrans(b"123456789E", b"000000000e")
_NUMBER_START = frozenset(b":,[- \t\r\n")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # unix seconds: the years 1 and 9999
_EXACT = 2**32  # unix seconds below which a float tells two microseconds apart


def load(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises Unparsed, and nothing else, on anything that is none.

    A byte order mark is skipped; of repeated keys the last wins; half a surrogate pair, legal in
    JSON, is kept here and mended where a text is read.
    """
    body = body.removeprefix(_BOM)
    try:
        if _may_overflow(body):
            raise ValueError("look closer")
        value = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        value = _load_slowly(body)
    if not isinstance(value, dict):
        raise Unparsed(f"the body is {_kind(value)}, not a JSON object")
    return value


def _may_overflow(body: bytes) -> bool:
    """Whether some number may not fit a float: the fast parser would make it infinite.

    Ids are full of "e123", so what stands before the digits decides. An exponent of two digits is
    too much only after hundreds of digits. Searching a translated copy costs two microseconds; the
    regular expression for the same costs thirty.
    """
    shape = body.translate(_SHAPE, b"+")
    if b"0" * 200 in shape:
        return True
    at = shape.find(b"0e000")
    while at >= 0:
        start = at
        while start >= 0 and shape[start] in b"0.":
            start -= 1
        if start < 0 or shape[start] in _NUMBER_START:
            return True
        at = shape.find(b"0e000", at + 1)
    return False


def _load_slowly(body: bytes) -> Any:
    """What the fast parser refuses, once more, by the letter of RFC 8259."""
    if _depth(body) > DEPTH:
        raise Unparsed(f"nested more than {DEPTH} deep")
    try:
        return json.loads(body.decode(), parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Unparsed(f"no JSON: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Where it went wrong, without quoting the body."""
    match error:
        case json.JSONDecodeError(msg=msg, pos=pos):
            return f"{msg} at character {pos}"
        case UnicodeDecodeError(start=start):
            return f"no UTF-8 at byte {start}"
        case _:
            return "a number is out of range"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("out of range")
    return number


def _depth(body: bytes) -> int:
    """How deep the brackets nest, those in strings left out; it need not look beyond DEPTH."""
    deepest = depth = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', body, re.DOTALL):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > DEPTH:
                break
        elif first in b"]}":
            depth -= 1
    return deepest


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def get(value: Any, path: str) -> Any:
    """What stands at "a.b.c", or None where any step is missing or no object."""
    if "." not in path:
        return value.get(path) if isinstance(value, dict) else None
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def obj(value: Any, path: str) -> dict[str, Any]:
    """The object at `path`; an empty one where there is none."""
    return as_obj(get(value, path))


def items(value: Any, path: str) -> list[Any]:
    """The array at `path`; an empty one where there is none."""
    return as_items(get(value, path))


def text(value: Any, path: str) -> str | None:
    """The text at `path`; None if it is missing, empty or no text."""
    return as_text(get(value, path))


def ident(value: Any, path: str) -> str | None:
    """The id at `path`; see `as_ident`."""
    return as_ident(get(value, path))


def moment(value: Any, path: str) -> datetime | None:
    """The time at `path`; see `as_moment`."""
    return as_moment(get(value, path))


def as_obj(found: Any) -> dict[str, Any]:
    """What was found, if it is an object; else an empty one."""
    return found if isinstance(found, dict) else {}


def as_items(found: Any) -> list[Any]:
    """What was found, if it is an array; else an empty one."""
    return found if isinstance(found, list) else []


def clean(text: str) -> str:
    """The text as any database can hold it: no NUL, and U+FFFD for half a surrogate pair."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return _SURROGATE.sub("\ufffd", text).replace("\0", "")


def as_text(found: Any) -> str | None:
    """What was found as a text; None if it is empty or no text."""
    if not isinstance(found, str):
        return None
    # A body is read by twenty of these, and nearly all are plain: they call nobody else for that.
    return (found if found.isascii() and "\0" not in found else clean(found)) or None


def as_ident(found: Any) -> str | None:
    """What was found as an id: text of 1 to 1,024 characters; a number is taken as its text.

    15145550100.0 is "15145550100": with its ".0" it would pass for a longer phone number.
    """
    if isinstance(found, str):
        if not found.isascii() or "\0" in found:
            found = clean(found)
    elif found is None or isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    else:
        found = str(int(found) if found == int(found) else found)
    return found if 0 < len(found) <= ID_LENGTH else None


def as_moment(found: Any) -> datetime | None:
    """What was found as a time, UTC: unix seconds (number or text) or ISO 8601; None if unreadable.

    Digits beyond the microsecond are cut, not rounded. A time without a zone is UTC.
    """
    try:
        if isinstance(found, str):
            found = found.strip().upper()
            return _iso(found) if _ISO.match(found) else _unix(Decimal(found))
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return _number(found)
    except (ValueError, OverflowError, InvalidOperation, OSError):
        return None
    return None


def _iso(found: str) -> datetime:
    when = datetime.fromisoformat(found)
    if when.tzinfo is UTC:
        return when
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _number(seconds: float) -> datetime:
    """By decimal arithmetic only where there are digits to cut: it takes four times as long."""
    if 0 <= seconds < _EXACT:
        when = datetime.fromtimestamp(seconds, UTC)  # rounded to the microsecond
        if when.timestamp() == seconds:
            return when
    return _unix(Decimal(repr(seconds)))


def _unix(seconds: Decimal) -> datetime:
    """Raises ValueError for no possible time: "1e999999" would take a minute to write out."""
    if not _FIRST <= seconds <= _LAST:
        raise ValueError("out of range")
    micros = int(seconds * 1_000_000)
    whole, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest)


@lru_cache(maxsize=1)  # each event of one long body asks for it
def digest(body: bytes) -> str:
    """A short name for exactly these bytes, for keys where the provider gives no id."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()
