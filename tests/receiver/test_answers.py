"""What a provider's answer means."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from receiver.answers import LONGEST_WAIT, call, reason, retry_after, tell
from receiver.errors import (
    Rejected,
    SendError,
    Throttled,
    Unauthorized,
    Unavailable,
    Uncertain,
)


def ask(response: httpx.Response, *, sent: Any = None, **how: Any) -> Any:
    request = httpx.Request("POST", "https://api.example.com/secret-path", json=sent or {})
    exchange = call(request, **how)
    next(exchange)
    try:
        exchange.send(response)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("one request was expected")


def test_a_success_is_the_json_in_it() -> None:
    assert ask(httpx.Response(201, json={"id": "b1"}), needs="id") == {"id": "b1"}


@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (300, Rejected, False),
        (302, Rejected, False),
        (304, Rejected, False),
        (400, Rejected, False),
        (401, Unauthorized, True),
        (402, Rejected, False),
        (403, Unauthorized, True),
        (404, Rejected, False),
        (408, Unavailable, True),
        (409, Rejected, False),
        (413, Rejected, False),
        (422, Rejected, False),
        (423, Rejected, False),
        (429, Throttled, True),
        (500, Unavailable, True),
        (501, Unavailable, True),
        (502, Unavailable, True),
        (503, Unavailable, True),
        (504, Unavailable, True),
    ],
)
def test_each_status_is_one_decision(status: int, error: type[SendError], retryable: bool) -> None:
    with pytest.raises(SendError) as caught:
        ask(httpx.Response(status, headers={"Location": "https://elsewhere.example.com"}))
    assert type(caught.value) is error
    assert caught.value.status == status
    assert caught.value.retryable is retryable
    assert str(caught.value) == f"api.example.com answered POST with {status}"


def test_a_refusal_is_also_one_where_only_the_status_matters() -> None:
    exchange = tell(httpx.Request("DELETE", "https://api.example.com/x"))
    next(exchange)
    with pytest.raises(Rejected):
        exchange.send(httpx.Response(404))


def test_a_success_without_a_body_is_enough_where_only_the_status_matters() -> None:
    exchange = tell(httpx.Request("DELETE", "https://api.example.com/x"))
    next(exchange)
    with pytest.raises(StopIteration):
        exchange.send(httpx.Response(204))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"id": ', b"[]", b"null", b'{"other": 1}', b'{"id": ""}']
)
def test_an_unreadable_success_is_uncertain_after_an_effect_and_else_tried_again(
    body: bytes,
) -> None:
    with pytest.raises(Uncertain):
        ask(httpx.Response(200, content=body), needs="id")
    with pytest.raises(Unavailable):
        ask(httpx.Response(200, content=body), needs="id", effect=False)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b'{"error": {"code": "conflict", "description": "is taken"}}', "conflict", "is taken"),
        (
            b'{"errors": [{"code": "bad_request", "title": "a"}, {"code": "x", "title": "b"}]}',
            "bad_request",
            "a; b",
        ),
        (
            b'{"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}',
            "NOT_FOUND",
            "gone",
        ),
        (b'{"code": 404, "message": "gone", "status": "NOT_FOUND"}', "NOT_FOUND", "gone"),
        (b'{"code": 5, "message": "gone"}', "5", "gone"),
        (b'{"code": "syntax_invalid_json", "text": "no"}', "syntax_invalid_json", "no"),
        (b'{"error": "invalid_client", "error_description": "no"}', "invalid_client", "no"),
        (b'{"errors": ["odd"]}', None, None),
        (b'{"error": []}', None, None),
        (b"<html>", None, None),
        (b"", None, None),
    ],
)
def test_the_provider_gives_code_and_words(
    body: bytes, code: str | None, words: str | None
) -> None:
    assert reason(body) == (code, words)


def test_an_error_repeats_the_providers_words_but_nothing_of_what_we_sent() -> None:
    refused = {"code": "bad_format", "text": "value '+15145550142' in 'to be or not': twilio?"}
    with pytest.raises(Rejected) as caught:
        ask(
            httpx.Response(400, json=refused),
            sent={"to": ["+15145550142"], "body": {"text": "to be or not"}, "type": "twilio"},
        )
    assert str(caught.value) == (
        "api.example.com answered POST with 400: value '…' in '…': twilio?: bad_format"
    )
    assert caught.value.code == "bad_format"


def test_long_words_are_cut() -> None:
    with pytest.raises(Rejected) as caught:
        ask(httpx.Response(400, json={"code": "x", "text": "y" * 9999}))
    assert len(str(caught.value)) < 400


DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": "30"}, timedelta(seconds=30)),
        ({"Retry-After": " 0 "}, timedelta(0)),
        ({"Retry-After": "3600"}, LONGEST_WAIT),
        ({"Retry-After": "3601"}, LONGEST_WAIT),
        ({"Retry-After": "9999999999"}, LONGEST_WAIT),
        ({"Retry-After": "9" * 5000}, LONGEST_WAIT),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:45 GMT", "Date": DATE}, timedelta(seconds=45)),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:00 GMT", "Date": DATE}, LONGEST_WAIT),
        ({"Retry-After": "Sat, 21 Nov 2026 11:59:59 GMT", "Date": DATE}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:45 GMT"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:45 GMT", "Date": "today"}, None),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:45", "Date": DATE}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_more_than_an_hour(
    headers: dict[str, str], wait: timedelta | None
) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert retry_after(httpx.Headers(encoded)) == wait


def test_a_throttled_call_says_when_to_come_back() -> None:
    with pytest.raises(Throttled) as caught:
        ask(httpx.Response(429, headers={"Retry-After": "7"}))
    assert caught.value.retry_after == timedelta(seconds=7)
