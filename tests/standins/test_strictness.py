"""Stand-ins refuse what the real ones refuse, in their words."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from receiver.standins.avaamo import AvaamoState, avaamo_app
from receiver.standins.sinch import SinchState, sinch_app
from receiver.standins.sinch_sms import SinchSmsState, sinch_sms_app
from receiver.standins.smooch import SmoochState, smooch_app

PHONE = "+15145550142"


def ask(app: Any, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} | headers

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            url = f"http://provider.example.com{path}"
            return await client.request(method, url, content=content, headers=given)

    return asyncio.run(run())


def smooch() -> SmoochState:
    state = SmoochState(token="t1")
    state.add_user("u1", "ann")
    state.conversations["k1"] = "u1"
    return state


TEXT = {"role": "appMaker", "type": "text", "text": "Hi"}
LINK = {"type": "twilio", "phoneNumber": PHONE, "confirmation": {"type": "immediate"}}
APP = "5e0000000000000000000001"
OLD = f"/v1.1/apps/{APP}/appusers/u1"
NEW = f"/v2/apps/{APP}"
SAID = {"author": {"type": "business"}, "content": {"type": "text", "text": "Hi"}}
PERSONAL = {"type": "personal", "participants": [{"userId": "u1"}]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"{OLD}/messages", TEXT, 201),
        (f"{OLD}/messages", TEXT | {"role": "appUser"}, 400),
        (f"{OLD}/messages", TEXT | {"colour": "red"}, 400),
        (f"{OLD}/messages", {"role": "appMaker", "type": "text"}, 400),
        (f"{OLD}/messages", TEXT | {"actions": [{"type": "link", "text": "x"}]}, 400),
        (f"{OLD}/messages", TEXT | {"destination": {}}, 400),
        (f"{OLD}/messages", b"{", 400),
        (f"{OLD}/channels", LINK, 200),
        (f"{OLD}/channels", {"type": "twilio", "phoneNumber": PHONE}, 400),
        (f"{OLD}/channels", LINK | {"phoneNumber": "15145550142"}, 400),
        (f"{OLD}/channels", LINK | {"type": "mailgun"}, 400),
        (f"{OLD}/channels", LINK | {"confirmation": {"type": "userActivity"}}, 400),
        ("/v1/appusers/u1/channels", LINK | {"type": "whatsapp"}, 400),
        ("/v1/appusers/u1/messages", TEXT, 201),
        ("/v1.1/appusers/u1/messages", TEXT, 404),
        ("/v1.1/apps/other/appusers/u1/messages", TEXT, 404),
        (f"/v1.1/apps/{APP}/appusers/nobody/messages", TEXT, 404),
        (f"/v1.1/apps/{APP}/appusers", {"userId": "ann"}, 409),
        (f"/v1.1/apps/{APP}/appusers", {}, 400),
        (f"{NEW}/conversations/k1/messages", SAID, 201),
        (f"{NEW}/conversations/k1/messages", TEXT, 400),
        (f"{NEW}/conversations/other/messages", SAID, 404),
        (f"{NEW}/conversations", PERSONAL, 201),
        (f"{NEW}/conversations", {"type": "personal", "participants": []}, 400),
        (f"{NEW}/users/u1/clients", LINK, 400),
    ],
)
def test_smooch_checks_path_and_body(path: str, body: Any, status: int) -> None:
    answer = ask(smooch_app(smooch()), "POST", path, body, Authorization="Bearer t1")
    assert answer.status_code == status
    if status >= 400 and path.startswith("/v2"):
        assert set(answer.json()["errors"][0]) == {"code", "title"}
    elif status >= 400:
        assert set(answer.json()["error"]) == {"code", "description"}


def test_smooch_wants_json_and_says_so() -> None:
    headers = {"Authorization": "Bearer t1", "Content-Type": "text/plain"}
    assert ask(smooch_app(smooch()), "POST", f"{OLD}/messages", TEXT, **headers).status_code == 415


BASIC = "Basic YXBwX3N0YW5kaW46c3RhbmRpbi1zZWNyZXQ="


@pytest.mark.parametrize(
    ("path", "authorization", "status"),
    [
        (OLD, "", 401),
        (OLD, "Bearer ", 401),
        (OLD, "Bearer a.b.c", 401),
        (OLD, "Bearer eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImFwcCJ9.", 401),
        (OLD, "Basic YTpi", 401),
        (OLD, BASIC, 200),
        ("/v1/appusers/u1", BASIC, 401),
        (f"{NEW}/users/u1", BASIC, 200),
    ],
)
def test_smooch_checks_the_credential(path: str, authorization: str, status: int) -> None:
    state = SmoochState()
    state.add_user("u1")
    answer = ask(smooch_app(state), "GET", path, Authorization=authorization)
    assert answer.status_code == status


TO_PHONE = {"identified_by": {"channel_identities": [{"channel": "SMS", "identity": PHONE}]}}
HI = {"text_message": {"text": "Hi"}}
SEND = {"app_id": "standin-app", "recipient": TO_PHONE, "message": HI}


@pytest.mark.parametrize(
    ("body", "mode", "status"),
    [
        (SEND, "CONVERSATION", 200),
        (SEND, "DISPATCH", 200),
        (SEND | {"app_id": "other"}, "CONVERSATION", 404),
        (SEND | {"recipient": {"contact_id": "c1"}}, "DISPATCH", 400),
        (SEND | {"recipient": {"contact_id": "c1"}}, "CONVERSATION", 404),
        (SEND | {"recipient": TO_PHONE | {"contact_id": "c1"}}, "CONVERSATION", 400),
        (SEND | {"message": {}}, "CONVERSATION", 400),
        (SEND | {"message": HI | {"media_message": {"url": "x"}}}, "CONVERSATION", 400),
        (SEND | {"channel_properties": {"SMS_FLASH_MESSAGE": True}}, "CONVERSATION", 400),
        (SEND | {"channel_priority_order": ["sms"]}, "CONVERSATION", 400),
        (SEND | {"correlation_id": "x" * 129}, "CONVERSATION", 400),
    ],
)
def test_sinch_checks_the_body_as_its_mode_demands(body: Any, mode: str, status: int) -> None:
    state = SinchState(mode=mode, tokens={"t1"})
    path = "/v1/projects/standin-project/messages:send"
    answer = ask(sinch_app(state), "POST", path, body, Authorization="Bearer t1")
    assert answer.status_code == status
    if status >= 400:
        assert set(answer.json()["error"]) == {"code", "message", "status", "details"}


def test_sinch_wants_a_token_of_its_own_and_its_project() -> None:
    state = SinchState(tokens={"t1"})
    path = "/v1/projects/standin-project/messages:send"
    assert ask(sinch_app(state), "POST", path, SEND).status_code == 401
    other = path.replace("standin-project", "other")
    answer = ask(sinch_app(state), "POST", other, SEND, Authorization="Bearer t1")
    assert answer.status_code == 404


BATCH = {"to": [PHONE], "body": "Hi"}


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [
        (BATCH, "standin-token", 201),
        (BATCH, "other", 401),
        ({"to": [], "body": "Hi"}, "standin-token", 400),
        (BATCH | {"type": "mt_media"}, "standin-token", 400),
        (BATCH | {"type": "mt_binary"}, "standin-token", 400),
        (BATCH | {"delivery_report": "yes"}, "standin-token", 400),
    ],
)
def test_sms_checks_batch_and_token(body: Any, token: str, status: int) -> None:
    app = sinch_sms_app(SinchSmsState())
    path = "/xms/v1/standin-plan/batches"
    answer = ask(app, "POST", path, body, Authorization=f"Bearer {token}")
    assert answer.status_code == status
    if status >= 400:
        assert set(answer.json()) == {"code", "text"}


@pytest.mark.parametrize(
    ("own", "body", "status", "success"),
    [
        (False, {"to_phone": PHONE, "emp_id": "7"}, 200, True),
        (False, {"to_phone": "+15145550100"}, 200, False),
        (False, {"emp_id": "7"}, 400, False),
        (True, {"emp_id": "7"}, 200, True),
    ],
)
def test_avaamo_needs_a_number_unless_the_agent_finds_it(
    own: bool, body: Any, status: int, success: bool
) -> None:
    state = AvaamoState(own_authentication=own, unreachable={"+15145550100"})
    answer = ask(avaamo_app(state), "POST", f"/sms/{state.channel_uuid}/send.json", body)
    assert (answer.status_code, answer.json()["success"]) == (status, success)
    assert len(state.greeted) == success
    assert ask(avaamo_app(state), "POST", "/sms/other/send.json", body).status_code == 404
