"""The access token: fetched once, kept, renewed in time, and once after a 401."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from receiver.errors import SendError, Throttled, Unauthorized, Unavailable
from receiver.providers.sinch.adapter import OUTBOUND
from receiver.providers.sinch.options import SinchOptions

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
API = "https://us.conversation.api.sinch.com/v1/projects/p1/messages:send"


class Sinch:
    """The token's host and the API, with a clock that a test turns."""

    def __init__(self, life: Any = 3600) -> None:
        self.now = START
        self.life = life
        self.fetched: list[httpx.Request] = []
        self.called: list[str] = []
        self.good: str | None = None
        self.answer: Callable[[], httpx.Response] | None = None
        options = SinchOptions.model_validate(
            {"provider": "sinch", "key_id": "k1", "key_secret": "s3", "region": "eu"}
        )
        auth = OUTBOUND.auth(options, lambda: self.now)
        assert auth is not None
        self.auth = auth

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.host.endswith("auth.sinch.com"):
            self.fetched.append(request)
            if self.answer is not None:
                return self.answer()
            self.good = f"t{len(self.fetched)}"
            return httpx.Response(200, json={"access_token": self.good, "expires_in": self.life})
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.called.append(token)
        return httpx.Response(200 if token == self.good else 401)

    def call(self) -> int:
        with httpx.Client(transport=httpx.MockTransport(self.handle), auth=self.auth) as client:
            return client.post(API, json={}).status_code

    async def calls(self, count: int) -> list[int]:
        async def handle(request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0)
            return self.handle(request)

        async with httpx.AsyncClient(
            transport=httpx.MockTransport(handle), auth=self.auth
        ) as client:
            answers = await asyncio.gather(*(client.post(API, json={}) for _ in range(count)))
        return [answer.status_code for answer in answers]


def test_the_token_is_asked_for_with_the_key_at_the_regions_host() -> None:
    sinch = Sinch()
    assert sinch.call() == 200
    [asked] = sinch.fetched
    assert (asked.method, str(asked.url)) == ("POST", "https://eu.auth.sinch.com/oauth2/token")
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(b"k1:s3").decode()
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.content == b"grant_type=client_credentials"


def test_a_hundred_calls_at_once_fetch_one_token() -> None:
    sinch = Sinch()
    assert asyncio.run(sinch.calls(100)) == [200] * 100
    assert len(sinch.fetched) == 1


def test_a_hundred_calls_with_a_revoked_token_fetch_one_more() -> None:
    sinch = Sinch()
    sinch.call()
    sinch.good = "revoked"
    assert asyncio.run(sinch.calls(100)) == [200] * 100
    assert len(sinch.fetched) == 2


def test_the_auth_outlives_one_event_loop() -> None:
    sinch = Sinch()
    for _ in range(2):
        assert asyncio.run(sinch.calls(20)) == [200] * 20
    assert len(sinch.fetched) == 1


@pytest.mark.parametrize(
    ("life", "kept_for"),
    [
        (3600, timedelta(seconds=3540)),
        (60, timedelta(seconds=30)),
        (None, timedelta(seconds=15)),
        ("3600", timedelta(seconds=15)),
        (-1, timedelta(seconds=15)),
    ],
)
def test_the_token_is_renewed_before_it_ends(life: Any, kept_for: timedelta) -> None:
    sinch = Sinch(life)
    sinch.call()
    sinch.now = START + kept_for - timedelta(microseconds=1)
    sinch.call()
    assert len(sinch.fetched) == 1
    sinch.now = START + kept_for
    sinch.call()
    assert sinch.called == ["t1", "t1", "t2"]


def test_a_refused_token_is_fetched_again_once() -> None:
    sinch = Sinch()
    sinch.call()
    sinch.good = "revoked"
    assert sinch.call() == 200
    assert sinch.called == ["t1", "t1", "t2"]


def test_a_second_refusal_stands() -> None:
    sinch = Sinch()
    sinch.answer = lambda: httpx.Response(200, json={"access_token": "bad", "expires_in": 3600})
    assert sinch.call() == 401
    assert (len(sinch.fetched), sinch.called) == (2, ["bad", "bad"])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400, json={"error": "invalid_client"}), Unauthorized),
        (httpx.Response(401, json={"error": "invalid_client"}), Unauthorized),
        (httpx.Response(403), Unauthorized),
        (httpx.Response(429, headers={"Retry-After": "9"}), Throttled),
        (httpx.Response(500), Unavailable),
        (httpx.Response(200, text="<html>"), Unavailable),
        (httpx.Response(200, json={}), Unavailable),
    ],
)
def test_what_the_tokens_host_answers_decides_and_nothing_is_sent(
    answer: httpx.Response, error: type[SendError]
) -> None:
    sinch = Sinch()
    sinch.answer = lambda: answer
    with pytest.raises(SendError) as caught:
        sinch.call()
    assert type(caught.value) is error
    assert str(caught.value).startswith("eu.auth.sinch.com answered POST with")
    assert "s3" not in str(caught.value)
    assert sinch.called == []
    sinch.answer = None
    assert sinch.call() == 200


def test_a_failed_fetch_frees_the_calls_that_wait_for_it() -> None:
    sinch = Sinch()
    answers = [httpx.Response(503)]
    good = httpx.Response(200, json={"access_token": "t", "expires_in": 3600})
    sinch.good = "t"
    sinch.answer = lambda: answers.pop() if answers else good

    async def two() -> list[Any]:
        calls = (sinch.calls(1), sinch.calls(1))
        return list(await asyncio.gather(*calls, return_exceptions=True))

    first, second = asyncio.run(two())
    assert isinstance(first, Unavailable)
    assert second == [200]


def test_a_given_token_is_used_as_it_is() -> None:
    options = SinchOptions.model_validate({"provider": "sinch", "token": "given"})
    auth = OUTBOUND.auth(options, lambda: START)
    assert auth is not None
    flow = auth.sync_auth_flow(httpx.Request("GET", API))
    assert next(flow).headers["Authorization"] == "Bearer given"


def test_without_a_key_there_is_no_authentication() -> None:
    options = SinchOptions.model_validate({"provider": "sinch", "key_id": "k1"})
    assert OUTBOUND.auth(options, lambda: START) is None
