"""
The guides "Linking a channel" and "Linking users to SMS": create, link, send.

The bodies printed there close the object too early, and the second guide leaves out the
confirmation that has been required since 2017; what is sent is what they mean.
https://docs.smooch.io/guide/linking-a-channel/
"""

import asyncio
from typing import Any

import httpx
import pytest

from handlers.actions import Action, CreateUser, Link, Send
from handlers.content import Text
from handlers.links import Immediate, Mailgun, Messenger, Target, Twilio
from handlers.people import User
from receiver.provider import Recipient, Sent
from receiver.providers.smooch.adapter import OUTBOUND
from receiver.providers.smooch.options import SmoochOptions
from receiver.standins.core import Seen
from receiver.standins.server import serving
from receiver.standins.smooch import SmoochState, smooch_app
from tests.driver import perform

PHONE = "+15145550155"
HELLO = "Let\u2019s connect on Messenger"


def follow(target: Target, confirmation: Immediate, text: str) -> SmoochState:
    """The recipe's three steps, over a socket; what the provider saw and did."""
    state = SmoochState()

    async def recipe() -> None:
        async with serving(smooch_app(state)) as url, httpx.AsyncClient() as client:
            options = SmoochOptions.model_validate(
                {
                    "provider": "smooch",
                    "api_version": "v1",
                    "base_url": url,
                    "key_id": state.key_id,
                    "key_secret": state.key_secret,
                }
            )
            auth = OUTBOUND.auth(options, state.clock)

            async def step(action: Action, recipient: Recipient) -> Sent:
                exchange = OUTBOUND.carry_out(action, recipient, options)
                return await perform(client, exchange, auth)

            await step(CreateUser(external_id="ann@example.com"), Recipient())
            ann = Recipient(User("ann@example.com"))
            linked = await step(Link(target=target, confirmation=confirmation), ann)
            assert [i.status for i in linked.identities] == ["pending"]
            said = await step(Send(content=Text(text)), ann)
            assert said.message_id == state.messages[0]["_id"]
            await state.hooks.settled()

    asyncio.run(recipe())
    return state


def told(seen: Seen) -> tuple[str, str, int | None, Any]:
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["authorization"].startswith("Bearer ")
    return seen.method, seen.path, seen.status, seen.json


USER = "/v1/appusers/ann%40example.com"


def check(state: SmoochState, link: dict[str, Any], text: str) -> None:
    assert [told(seen) for seen in state.requests] == [
        ("POST", "/v1/appusers", 201, {"userId": "ann@example.com"}),
        ("POST", f"{USER}/channels", 200, link),
        ("POST", f"{USER}/messages", 201, {"role": "appMaker", "type": "text", "text": text}),
    ]
    assert [fired.body["trigger"] for fired in state.hooks.fired] == [
        "link:match",
        "link:success",
        "delivery:success",
    ]


LINKED: list[tuple[Target, Immediate, dict[str, Any]]] = [
    (
        Twilio(PHONE),
        Immediate(),
        {"type": "twilio", "phoneNumber": PHONE, "confirmation": {"type": "immediate"}},
    ),
    (
        Messenger(PHONE),
        Immediate(HELLO),
        {
            "type": "messenger",
            "phoneNumber": PHONE,
            "confirmation": {
                "type": "immediate",
                "message": {"role": "appMaker", "type": "text", "text": HELLO},
            },
        },
    ),
    (
        Mailgun("their@example.com", "About your order"),
        Immediate(),
        {
            "type": "mailgun",
            "address": "their@example.com",
            "subject": "About your order",
            "confirmation": {"type": "immediate"},
        },
    ),
]


@pytest.mark.parametrize(("target", "confirmation", "link"), LINKED)
def test_linking_a_channel(target: Target, confirmation: Immediate, link: dict[str, Any]) -> None:
    text = "A message over the channel, as requested."
    check(follow(target, confirmation, text), link, text)


def test_linking_users_to_sms() -> None:
    text = "A message over SMS, as requested."
    target, confirmation, link = LINKED[0]
    check(follow(target, confirmation, text), link, text)
