"""What is sent to Avaamo, and what counts as its success."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from handlers.actions import Action, CreateUser, Reply, Send, StartAvaamo, Typing
from handlers.content import Text
from receiver.errors import (
    Rejected,
    SendError,
    Throttled,
    Unauthorized,
    Unavailable,
    Uncertain,
    Unsupported,
)
from receiver.provider import Recipient
from receiver.providers.avaamo.adapter import OUTBOUND
from receiver.providers.avaamo.options import AvaamoOptions
from tests.driver import Driven, drive

UUID = "7d0c2f9e-1111-4222-8333-444455556666"
PHONE = "+1 (514) 555-0142"


def run(action: Any, *answers: httpx.Response, **given: Any) -> Driven:
    options = AvaamoOptions.model_validate({"provider": "avaamo", "channel_uuid": UUID} | given)
    return drive(OUTBOUND.carry_out(action, Recipient(), options), *answers)


def greet(**given: Any) -> StartAvaamo:
    return StartAvaamo(account="agent", **given)


GOOD = httpx.Response(200, json={"success": True})


@pytest.mark.parametrize(
    ("action", "body"),
    [
        (greet(to_phone=PHONE), {"to_phone": PHONE}),
        (greet(to_phone=PHONE, params={"emp_id": "7"}), {"emp_id": "7", "to_phone": PHONE}),
        (greet(to_phone=PHONE, params={"to_phone": "x"}), {"to_phone": PHONE}),
        (greet(params={"emp_id": "7"}), {"emp_id": "7"}),
    ],
)
def test_a_greeting_has_the_phone_and_the_parameters(
    action: StartAvaamo, body: dict[str, Any]
) -> None:
    driven = run(action, GOOD)
    assert driven.lines == [f"POST https://cx.avaamo.com/sms/{UUID}/send.json"]
    assert driven.requests[0].headers["Content-Type"] == "application/json"
    assert driven.bodies == [body]
    assert driven.sent is not None
    assert driven.sent.raw == {"success": True}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(200, json={"success": False}), Rejected),
        (httpx.Response(200, json={"success": "true"}), Uncertain),
        (httpx.Response(200, json={}), Uncertain),
        (httpx.Response(200, text="OK"), Uncertain),
        (httpx.Response(201, json={"success": True}), Uncertain),
        (httpx.Response(302), Rejected),
        (httpx.Response(404, text=f"no channel {UUID}"), Rejected),
        (httpx.Response(400, json={"error": {"code": UUID, "message": UUID}}), Rejected),
        (httpx.Response(401), Unauthorized),
        (httpx.Response(429), Throttled),
        (httpx.Response(500), Unavailable),
    ],
)
def test_anything_but_success_is_an_error_that_does_not_tell_the_uuid(
    answer: httpx.Response, error: type[SendError]
) -> None:
    with pytest.raises(SendError) as caught:
        run(greet(to_phone=PHONE), answer)
    assert type(caught.value) is error
    assert "cx.avaamo.com" in str(caught.value)
    assert UUID not in f"{caught.value} {caught.value.code}"


@pytest.mark.parametrize(
    "action",
    [Reply(content=Text("Hi")), Send(content=Text("Hi")), CreateUser(), Typing()],
)
def test_it_can_say_nothing_of_its_own(action: Action) -> None:
    with pytest.raises(Unsupported, match="only greets"):
        run(action)


def test_it_needs_the_channel() -> None:
    with pytest.raises(Unsupported, match="channel_uuid"):
        run(greet(to_phone=PHONE), channel_uuid=None)


def test_there_is_no_other_credential() -> None:
    options = AvaamoOptions.model_validate({"provider": "avaamo", "channel_uuid": UUID})
    assert OUTBOUND.auth(options, lambda: datetime(2026, 11, 21, tzinfo=UTC)) is None
