"""
What a provider's answer means: one mapping from a response to a decision, for all providers.

    2xx            the JSON object in it; unreadable after an effect: Uncertain
    429            Throttled, not before its Retry-After
    401, 403       Unauthorized
    408, 5xx       Unavailable
    anything else  Rejected, with the provider's own code and words (a redirect is never followed)

Messages name host, method and status. The path is left out, since it may hold a secret, and
whatever the provider quotes of our request is struck out of its words.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from receiver import fields
from receiver.errors import (
    Rejected,
    SendError,
    Throttled,
    Unauthorized,
    Unavailable,
    Uncertain,
    Unparsed,
)
from receiver.provider import Call, Calls

LONGEST_WAIT = timedelta(hours=1)
_WORDS = 300  # characters of the provider's words that are kept
_NAMES = frozenset({"type", "role", "channel", "schema", "status"})  # never anybody's text


def call(request: httpx.Request, *, effect: bool = True, needs: str | None = None) -> Call:
    """Make one request; return the JSON object of its answer, or raise a SendError.

    effect: whether doing it twice would be seen. If not, an answer that cannot be read is
            Unavailable, to be tried again, and not Uncertain.
    needs:  the path of an id without which the answer is not the one that is documented.
    """
    response = yield request
    if not response.is_success:
        raise refusal(request, response)
    try:
        body = fields.load(response.content)
    except Unparsed as error:
        raise _unreadable(request, response, effect, str(error)) from None
    if needs and fields.ident(body, needs) is None:
        raise _unreadable(request, response, effect, f"{needs} is missing")
    return body


def tell(request: httpx.Request) -> Calls[None]:
    """Make one request of whose answer only the status matters. Raises a SendError."""
    response = yield request
    if not response.is_success:
        raise refusal(request, response)


def refusal(request: httpx.Request, response: httpx.Response, *, quote: bool = True) -> SendError:
    """The error for an answer that is not 2xx. `quote`: whether to repeat the provider's words."""
    status = response.status_code
    code, words = reason(response.content) if quote else (None, None)
    message = summary(request, response, *_struck(words, request), *([code] if code else []))
    if status == 429:
        return Throttled(message, retry_after=retry_after(response.headers))
    if status in (401, 403):
        return Unauthorized(message, status=status, code=code)
    if status == 408 or status >= 500:
        return Unavailable(message, status=status, code=code)
    return Rejected(message, status=status, code=code)


def summary(request: httpx.Request, response: httpx.Response, *details: str) -> str:
    """One line for an error: host, method, status, and what else may be told."""
    head = f"{request.url.host} answered {request.method} with {response.status_code}"
    return ": ".join((head, *details))


def _unreadable(
    request: httpx.Request, response: httpx.Response, effect: bool, why: str
) -> SendError:
    kind = Uncertain if effect else Unavailable
    return kind(summary(request, response, why), status=response.status_code)


def reason(content: bytes) -> tuple[str | None, str | None]:
    """The provider's code and words in the body of a refusal; None where it has none.

    Smooch v1: {"error": {"code", "description"}}; Sunshine v2: {"errors": [{"code", "title"}]};
    Sinch: {"error": {"code", "message", "status"}}, or that without the wrapper;
    XMS: {"code", "text"}; OAuth 2: {"error", "error_description"}.
    """
    try:
        body = fields.load(content)
    except Unparsed:
        return None, None
    found = [e for e in fields.items(body, "errors") if isinstance(e, dict)]
    told = found or [fields.obj(body, "error") or body]
    words = [text for error in told if (text := _first(error, _WORD_KEYS))]
    return _first(told[0], _CODE_KEYS), "; ".join(words) or None


# Sinch's status ("NOT_FOUND") says more than its code (404), so it stands first.
_CODE_KEYS = ("status", "code", "error")
_WORD_KEYS = ("description", "title", "message", "text", "error_description")


def _first(error: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((found for key in keys if (found := fields.ident(error, key))), None)


def _struck(words: str | None, request: httpx.Request) -> list[str]:
    """The provider's words with all that they quote of our request struck out, longest first."""
    if not words:
        return []
    try:
        sent = fields.load(request.content)
    except Unparsed:
        sent = {}
    for text in sorted(_texts(sent), key=len, reverse=True):
        words = words.replace(text, "…")
    return [words[:_WORDS]]


def _texts(value: Any) -> Iterator[str]:
    """Every text of 3 characters or more in a JSON value, the names of types left out."""
    match value:
        case dict():
            for key, inner in value.items():
                if key not in _NAMES:
                    yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case str() if len(value) >= 3:
            yield value


def retry_after(headers: httpx.Headers) -> timedelta | None:
    """How long to wait: seconds, or an HTTP date counted from the answer's own Date.

    At most an hour. None if the header is missing, in the past or garbage.
    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return LONGEST_WAIT if len(value) > 4 else min(timedelta(seconds=int(value)), LONGEST_WAIT)
    until, sent = http_date(value), http_date(headers.get("Date", ""))
    if until is None or sent is None or until < sent:
        return None
    return min(until - sent, LONGEST_WAIT)


def http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else None
