"""How calls to Smooch are authenticated."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from receiver.providers.smooch.adapter import OUTBOUND
from receiver.providers.smooch.auth import token
from receiver.providers.smooch.options import SmoochOptions

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def header(auth: httpx.Auth) -> str:
    flow = auth.sync_auth_flow(httpx.Request("GET", "https://api.example.com"))
    return next(flow).headers["Authorization"]


def claims(authorization: str) -> Any:
    part = authorization.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def auth(clock: Clock, **given: Any) -> httpx.Auth:
    options = SmoochOptions.model_validate({"provider": "smooch"} | given)
    made = OUTBOUND.auth(options, clock)
    assert made is not None
    return made


def test_a_token_without_an_end_is_the_one_that_others_make() -> None:
    assert token("vienas", "a random, long, sequence of characters", {"scope": "app"}) == (
        "eyJhbGciOiJIUzI1NiIsImtpZCI6InZpZW5hcyIsInR5cCI6IkpXVCJ9"
        ".eyJzY29wZSI6ImFwcCJ9.LDWhsxgx-E6zcPQr3Am2eD0nsTU6mD-ogRirbB2Pkdc"
    )


@pytest.mark.parametrize("scope", ["app", "account"])
def test_a_key_makes_a_token_for_an_hour_and_renews_it_in_time(scope: str) -> None:
    clock = Clock()
    made = auth(clock, key_id="app_1", key_secret="short", scope=scope)
    first = header(made)
    now = int(START.timestamp())
    assert claims(first) == {"scope": scope, "iat": now, "exp": now + 3600}
    clock.now = START + timedelta(minutes=54, seconds=59)
    assert header(made) == first
    clock.now = START + timedelta(minutes=55)
    assert claims(header(made))["exp"] == now + 3600 + 55 * 60


def test_a_given_token_goes_before_the_key() -> None:
    assert header(auth(Clock(), token="given", key_id="k", key_secret="s")) == "Bearer given"


def test_basic_is_key_and_secret() -> None:
    made = auth(Clock(), auth="basic", key_id="app_1", key_secret="s3")
    assert header(made) == "Basic " + base64.b64encode(b"app_1:s3").decode()


@pytest.mark.parametrize("kind", ["jwt", "basic", "token"])
def test_without_a_credential_there_is_no_authentication(kind: str) -> None:
    options = SmoochOptions.model_validate({"provider": "smooch", "auth": kind})
    assert OUTBOUND.auth(options, Clock()) is None
