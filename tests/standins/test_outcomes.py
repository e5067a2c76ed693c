"""Stand-ins tell outcomes by webhooks that our own receiving half takes as genuine."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from handlers.actions import AddIdentity, CreateUser, Link, Reply, Send
from handlers.content import Text
from handlers.event import Event
from handlers.links import Prompt, Twilio, UserActivity
from handlers.people import User
from receiver.provider import Recipient, Sent
from receiver.registry import PROVIDERS
from receiver.standins.sinch import SinchState, sinch_app
from receiver.standins.sinch_sms import SinchSmsState, sinch_sms_app
from receiver.standins.smooch import SmoochState, cancel, confirm, smooch_app
from tests.driver import perform

PHONE = "+15145550142"
APPS: dict[str, Callable[[Any], Any]] = {
    "smooch": smooch_app,
    "sinch": sinch_app,
    "sinch_sms": sinch_sms_app,
}


class Desk:
    """An account at a stand-in, and what its webhooks say, verified and parsed."""

    def __init__(self, name: str, state: Any, **given: Any) -> None:
        self.provider = PROVIDERS[name]
        self.state = state
        self.events: list[Event] = []
        settings = {"provider": name, "base_url": "http://provider.example.com"}
        self.options = self.provider.options.model_validate(settings | given)
        self.auth = self.provider.outbound.auth(self.options, state.clock)
        state.hooks.target = "http://receiver.example.com/webhooks/support"
        state.hooks.transport = httpx.ASGITransport(
            Starlette(routes=[Route("/webhooks/support", self.receive, methods=["POST"])])
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(APPS[name](state)))

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        assert self.provider.inbound is not None
        secret = self.state.secret.encode()
        headers = request.headers.raw
        self.provider.inbound.verify(
            headers, body, [b"old", secret], self.state.clock(), self.options
        )
        self.events.extend(self.provider.inbound.parse(body))
        return Response()

    async def do(self, action: Any, recipient: Recipient = Recipient()) -> Sent:  # noqa: B008
        exchange = self.provider.outbound.carry_out(action, recipient, self.options)
        return await perform(self.client, exchange, self.auth)

    async def types(self) -> list[str]:
        """The events so far, all webhooks sent; they are forgotten then."""
        await self.state.hooks.settled()
        assert all(fired.status == 200 for fired in self.state.hooks.fired)
        seen, self.events = [event.type for event in self.events], []
        return seen


def smooch(version: str) -> Desk:
    state = SmoochState(integrations={"twilio": "i1"})
    return Desk(
        "smooch",
        state,
        api_version=version,
        app_id=state.app_id,
        key_id=state.key_id,
        key_secret=state.key_secret,
        integrations=state.integrations,
    )


def sinch(**given: Any) -> Desk:
    state = SinchState(**given)
    return Desk(
        "sinch",
        state,
        auth_url="http://provider.example.com/oauth2/token",
        project_id=state.project_id,
        app_id=state.app_id,
        key_id=state.key_id,
        key_secret=state.key_secret,
        mode=state.mode,
    )


def play(desk: Desk, scene: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        async with desk.client:
            await scene(desk)

    asyncio.run(run())


async def somebody(desk: Desk) -> Recipient:
    made = await desk.do(CreateUser(external_id="ann"))
    return Recipient(made.user)


MATCHED = {
    "v1": ["link.matched"],
    "v1.1": ["link.matched"],
    "v2": ["identity.added", "link.matched"],
}
VERSIONS = ["v1", "v1.1", "v2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_immediate_link_is_matched_and_succeeds_and_messages_are_delivered(
    version: str,
) -> None:
    async def scene(desk: Desk) -> None:
        ann = await somebody(desk)
        await desk.do(Link(target=Twilio(PHONE)), ann)
        assert await desk.types() == [*MATCHED[version], "link.succeeded"]
        await desk.do(Send(content=Text("Hi"), via="sms"), ann)
        assert await desk.types() == ["message.delivered"]

    play(smooch(version), scene)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("confirmation", [UserActivity("Hello"), Prompt()])
def test_a_link_that_asks_the_person_waits_for_them(
    version: str, confirmation: UserActivity | Prompt
) -> None:
    async def scene(desk: Desk) -> None:
        ann = await somebody(desk)
        for decide, outcome in ((confirm, "link.succeeded"), (cancel, "link.failed")):
            linked = await desk.do(Link(target=Twilio(PHONE), confirmation=confirmation), ann)
            assert await desk.types() == MATCHED[version]
            assert linked.client_id is not None
            decide(desk.state, linked.client_id)
            assert await desk.types() == [outcome]

    play(smooch(version), scene)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_link_to_nobody_fails_with_the_providers_reason(version: str) -> None:
    async def scene(desk: Desk) -> None:
        ann = await somebody(desk)
        desk.state.unreachable.add(PHONE)
        await desk.do(Link(target=Twilio(PHONE)), ann)
        await desk.state.hooks.settled()
        failed = desk.events[-1]
        assert failed.type == "link.failed"
        assert getattr(failed, "error").code == "bad_request"  # noqa: B009

    play(smooch(version), scene)


@pytest.mark.parametrize("mode", ["CONVERSATION", "DISPATCH"])
def test_a_sinch_message_is_queued_and_delivered_with_our_reference(mode: str) -> None:
    async def scene(desk: Desk) -> None:
        ann = Recipient(User(f"sms:{PHONE}"), reference="hl-7")
        await desk.do(Reply(content=Text("Hi")), ann)
        desk.state.unreachable.add(PHONE)
        await desk.do(Reply(content=Text("Hi again")), ann)
        await desk.state.hooks.settled()
        receipts = [event for event in desk.events if event.type.startswith("message.")]
        assert [event.type for event in receipts] == [
            "message.queued",
            "message.delivered",
            "message.queued",
            "message.failed",
        ]
        assert {getattr(event, "reference") for event in receipts} == {"hl-7"}  # noqa: B009

    play(sinch(mode=mode), scene)


def test_sinch_contacts_are_made_and_changed() -> None:
    async def scene(desk: Desk) -> None:
        made = await desk.do(CreateUser(external_id="ann", identities=(("sms", PHONE),)))
        ann = Recipient(made.user)
        added = await desk.do(AddIdentity(channel="whatsapp", identity=PHONE), ann)
        assert added.linked
        assert await desk.types() == ["user.created", "user.updated"]
        assert made.user is not None
        held = desk.state.contacts[made.user.id]["channel_identities"]
        assert [identity["channel"] for identity in held] == ["SMS", "WHATSAPP"]

    play(sinch(), scene)


def test_tokens_are_counted_and_a_revoked_one_is_renewed() -> None:
    async def scene(desk: Desk) -> None:
        ann = Recipient(User(f"sms:{PHONE}"))
        await asyncio.gather(*(desk.do(Reply(content=Text("Hi")), ann) for _ in range(100)))
        assert desk.state.tokens_fetched == 1
        desk.state.revoke()
        await desk.do(Reply(content=Text("Hi")), ann)
        assert desk.state.tokens_fetched == 2
        assert len(desk.state.messages) == 101

    desk = sinch()
    desk.state.hooks.target = None
    play(desk, scene)


def test_an_sms_is_reported_for_its_recipient() -> None:
    async def scene(desk: Desk) -> None:
        await desk.do(Send(content=Text("Hi"), to=PHONE))
        desk.state.unreachable.add(PHONE)
        await desk.do(Send(content=Text("Hi"), to=PHONE))
        assert await desk.types() == ["message.delivered", "message.failed"]

    state = SinchSmsState()
    given = {"service_plan_id": state.service_plan_id, "token": state.token}
    play(Desk("sinch_sms", state, **given), scene)


def test_a_webhook_that_meets_a_503_is_sent_again_and_one_that_meets_a_401_is_not() -> None:
    answers = [503, 200, 401, 200]

    async def receive(request: Request) -> Response:
        return Response(status_code=answers.pop(0))

    async def run() -> None:
        state = SmoochState()
        state.hooks.target = "http://receiver.example.com/"
        app = Starlette(routes=[Route("/", receive, methods=["POST"])])
        state.hooks.transport = httpx.ASGITransport(app)
        state.hooks.fire({"n": 1}, {"n": 2})
        await state.hooks.settled()
        assert [(f.body["n"], f.status) for f in state.hooks.fired] == [(1, 200), (2, 401)]

    asyncio.run(run())
    assert answers == [200]
