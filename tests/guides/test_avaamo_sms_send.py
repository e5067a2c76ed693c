"""
The guide "SMS Send API": an agent greets a number, with parameters for its script.

https://docs.avaamo.com/user-guide/ref/avaamo-platform-api-documentation/sms-send-api
"""

import asyncio

import httpx

from handlers.actions import StartAvaamo
from receiver.provider import Recipient
from receiver.providers.avaamo.adapter import OUTBOUND
from receiver.providers.avaamo.options import AvaamoOptions
from receiver.standins.avaamo import AvaamoState, avaamo_app
from receiver.standins.server import serving
from tests.driver import perform


def test_an_agent_greets_a_number() -> None:
    state = AvaamoState()
    params = {"first_name": "Ann", "last_name": "Lee", "emp_id": "1234"}

    async def recipe() -> None:
        async with serving(avaamo_app(state)) as url, httpx.AsyncClient() as client:
            options = AvaamoOptions.model_validate(
                {"provider": "avaamo", "channel_uuid": state.channel_uuid, "base_url": url}
            )
            action = StartAvaamo(account="agent", to_phone="+1 (514) 555-0142", params=params)
            sent = await perform(client, OUTBOUND.carry_out(action, Recipient(), options))
            assert sent.raw == {"success": True}

    asyncio.run(recipe())
    [seen] = state.requests
    assert (seen.method, seen.status) == ("POST", 200)
    assert seen.path == f"/sms/{state.channel_uuid}/send.json"
    assert seen.headers["content-type"] == "application/json"
    assert "authorization" not in seen.headers
    assert seen.json == params | {"to_phone": "+1 (514) 555-0142"}
    assert state.greeted == [seen.json]
