"""
The guide "Send SMS": fetch a token, send to a number by the Conversation API.

Its JSON has keys without quotes and a comma too many; its path is v1beta, which is still served.
https://developers.sinch.com/docs/conversation/channel-support/sms
"""

import asyncio

import httpx
import pytest

from handlers.actions import Send
from handlers.content import Text
from receiver.provider import Recipient
from receiver.providers.sinch.adapter import OUTBOUND
from receiver.providers.sinch.options import SinchOptions
from receiver.standins.server import serving
from receiver.standins.sinch import SinchState, sinch_app
from tests.driver import perform

IDENTITY = {"channel": "SMS", "identity": "+15145550131"}


@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_a_token_is_fetched_and_a_text_is_sent_to_a_number(version: str) -> None:
    state = SinchState()

    async def recipe() -> None:
        async with serving(sinch_app(state)) as url, httpx.AsyncClient() as client:
            options = SinchOptions.model_validate(
                {
                    "provider": "sinch",
                    "base_url": url,
                    "auth_url": f"{url}/oauth2/token",
                    "project_id": state.project_id,
                    "app_id": state.app_id,
                    "key_id": state.key_id,
                    "key_secret": state.key_secret,
                    "api_version": version,
                }
            )
            action = Send(
                content=Text("Text message from Sinch Conversation API."),
                via="sms",
                to="+15145550131",
                options={"SMS_FLASH_MESSAGE": True},
            )
            exchange = OUTBOUND.carry_out(action, Recipient(), options)
            sent = await perform(client, exchange, OUTBOUND.auth(options, state.clock))
            assert sent.message_id == state.messages[0]["id"]
            await state.hooks.settled()

    asyncio.run(recipe())
    token, send = state.requests
    assert (token.method, token.path, token.status) == ("POST", "/oauth2/token", 200)
    assert token.headers["authorization"].startswith("Basic ")
    assert token.body == b"grant_type=client_credentials"
    path = f"/{version}/projects/standin-project/messages:send"
    assert (send.method, send.path, send.status) == ("POST", path, 200)
    assert send.headers["content-type"] == "application/json"
    assert send.headers["authorization"].removeprefix("Bearer ") in state.tokens
    assert send.json == {
        "app_id": "standin-app",
        "recipient": {
            "identified_by": {
                "channel_identities": [{"channel": "SMS", "identity": "+15145550131"}]
            }
        },
        "message": {"text_message": {"text": "Text message from Sinch Conversation API."}},
        "channel_properties": {"SMS_FLASH_MESSAGE": "true"},
    }
    found = (fired.body.get("message_delivery_report") for fired in state.hooks.fired)
    reports = [report for report in found if report]
    assert [report["status"] for report in reports] == ["QUEUED_ON_CHANNEL", "DELIVERED"]
