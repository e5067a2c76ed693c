"""What is sent to Sinch's SMS API."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from handlers.actions import Action, Reply, Send, Typing
from handlers.content import Binary, Button, Content, Location, Media, Text
from handlers.people import ChannelIdentity, User
from receiver.errors import Rejected, Uncertain, Unsupported
from receiver.provider import Recipient
from receiver.providers.sinch_sms.adapter import OUTBOUND
from receiver.providers.sinch_sms.options import SinchSmsOptions
from tests.driver import Driven, drive

PHONE = "+15145550142"
ANN = Recipient(User(f"sms:{PHONE}"), reference="hl-7")
SENT = httpx.Response(201, json={"id": "b1"})


def options(**more: Any) -> SinchSmsOptions:
    given = {"provider": "sinch_sms", "service_plan_id": "plan1", "token": "t1"} | more
    return SinchSmsOptions.model_validate(given)


def run(action: Any, *answers: httpx.Response, to: Recipient = ANN, **given: Any) -> Driven:
    return drive(OUTBOUND.carry_out(action, to, options(**given)), *answers)


@pytest.mark.parametrize(
    ("content", "given", "said"),
    [
        (Text("Hi"), {}, {"type": "mt_text", "body": "Hi"}),
        (
            Binary("AAEC", "050003CC0201"),
            {},
            {"type": "mt_binary", "body": "AAEC", "udh": "050003CC0201"},
        ),
        (Binary("AAEC"), {}, {"type": "mt_binary", "body": "AAEC", "udh": ""}),
        (
            Media("https://example.com/a.png", "A"),
            {"subject": "Tea"},
            {
                "type": "mt_media",
                "body": {"url": "https://example.com/a.png", "message": "A", "subject": "Tea"},
            },
        ),
    ],
)
def test_a_message_is_a_batch_for_one_number(
    content: Content, given: dict[str, Any], said: dict[str, Any]
) -> None:
    driven = run(Reply(content=content, options=given), SENT, region="eu")
    assert driven.lines == ["POST https://eu.sms.api.sinch.com/xms/v1/plan1/batches"]
    assert driven.bodies == [
        said | {"to": [PHONE], "delivery_report": "per_recipient", "client_reference": "hl-7"}
    ]
    assert driven.sent is not None
    assert driven.sent.message_id == "b1"


def test_options_of_the_batch_are_passed_on() -> None:
    given = {"delivery_report": "full", "flash_message": True, "SMS_SENDER": "Tea", "other": 1}
    [body] = run(Reply(content=Text("Hi"), options=given), SENT, sender="15550001111").bodies
    assert (body["delivery_report"], body["flash_message"], body["from"]) == ("full", True, "Tea")
    assert "other" not in body
    [body] = run(Reply(content=Text("Hi")), SENT, sender="15550001111").bodies
    assert body["from"] == "15550001111"
    [body] = run(Reply(content=Text("Hi"), options={"from": "7"}), SENT, sender="8").bodies
    assert body["from"] == "7"


@pytest.mark.parametrize(
    ("action", "to", "number"),
    [
        (Send(content=Text("Hi"), via="sms", to="+15145550199"), ANN, "+15145550199"),
        (Send(content=Text("Hi"), to="+15145550199"), Recipient(), "+15145550199"),
        (Send(content=Text("Hi"), via="mms"), Recipient(User(f"mms:{PHONE}")), PHONE),
        (
            Reply(content=Text("Hi")),
            Recipient(
                User("somebody"),
                (
                    ChannelIdentity("email", "a@example.com"),
                    ChannelIdentity("sms", "+15145550101", status="inactive"),
                    ChannelIdentity("sms", PHONE),
                ),
            ),
            PHONE,
        ),
    ],
)
def test_the_number_is_the_one_named_or_known(action: Action, to: Recipient, number: str) -> None:
    assert run(action, SENT, to=to).bodies[0]["to"] == [number]


@pytest.mark.parametrize(
    ("action", "to", "given"),
    [
        (Typing(), ANN, {}),
        (Reply(content=Location(1, 2)), ANN, {}),
        (Reply(content=Text("Hi", (Button("reply", "Yes"),))), ANN, {}),
        (Send(content=Text("Hi"), via="whatsapp"), ANN, {}),
        (Reply(content=Text("Hi")), Recipient(User("messenger:7")), {}),
        (Reply(content=Text("Hi")), Recipient(), {}),
        (Reply(content=Text("Hi")), ANN, {"service_plan_id": None}),
    ],
)
def test_what_is_no_sms_is_refused_before_any_request(
    action: Action, to: Recipient, given: dict[str, Any]
) -> None:
    with pytest.raises(Unsupported):
        next(OUTBOUND.carry_out(action, to, options(**given)))


def test_a_refusal_names_the_code_and_not_the_number() -> None:
    words = f"The format of parameter 'to[0]' is invalid; value '{PHONE}' is not a number"
    answer = httpx.Response(400, json={"code": "syntax_invalid_parameter_format", "text": words})
    with pytest.raises(Rejected) as caught:
        run(Reply(content=Text("Hi")), answer)
    assert caught.value.code == "syntax_invalid_parameter_format"
    assert PHONE not in str(caught.value)


def test_an_answer_without_a_batch_is_uncertain() -> None:
    with pytest.raises(Uncertain):
        run(Reply(content=Text("Hi")), httpx.Response(201, json={}))


def test_the_plans_token_is_the_credential() -> None:
    auth = OUTBOUND.auth(options(), lambda: datetime(2026, 11, 21, tzinfo=UTC))
    assert auth is not None
    flow = auth.sync_auth_flow(httpx.Request("GET", "https://example.com"))
    assert next(flow).headers["Authorization"] == "Bearer t1"
    assert OUTBOUND.auth(options(token=None), lambda: datetime(2026, 11, 21, tzinfo=UTC)) is None
