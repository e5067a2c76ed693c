"""The guide "Creating users": https://docs.smooch.io/guide/creating-users/"""

import asyncio

import httpx

from handlers.actions import CreateUser
from receiver.provider import Recipient
from receiver.providers.smooch.adapter import OUTBOUND
from receiver.providers.smooch.options import SmoochOptions
from receiver.standins.server import serving
from receiver.standins.smooch import SmoochState, smooch_app
from tests.driver import perform

STATE_KEY = {"key_id": "app_standin", "key_secret": "standin-secret"}


def test_a_user_is_created_before_they_write() -> None:
    state = SmoochState()

    async def recipe() -> None:
        async with serving(smooch_app(state)) as url, httpx.AsyncClient() as client:
            options = SmoochOptions.model_validate(
                {"provider": "smooch", "api_version": "v1", "base_url": url} | STATE_KEY
            )
            auth = OUTBOUND.auth(options, state.clock)
            action = CreateUser(external_id="some-user-id")
            sent = await perform(client, OUTBOUND.carry_out(action, Recipient(), options), auth)
            assert sent.user is not None
            assert sent.user.external_id == "some-user-id"
            assert state.users[sent.user.id].external_id == "some-user-id"

    asyncio.run(recipe())
    [seen] = state.requests
    assert (seen.method, seen.path, seen.status) == ("POST", "/v1/appusers", 201)
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["authorization"].startswith("Bearer ey")
    assert seen.json == {"userId": "some-user-id"}
