"""Outcomes that come twice, in another order, or to somebody else: nothing final is changed by it.

Everything is real but the provider: handlers ask, the outbox sends, and the stand-ins' webhooks
are stored as they come.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from handlers import Context, MessageReceived, Router, Twilio
from handlers.event import LinkOutcome
from receiver.standins.smooch import SmoochState
from receiver.standins.smooch_state import Client
from storage.database import Database
from tests.receiver.worker import ANN, Stage, World, said, texted, world

PHONE = "+15145550123"
SURVIVOR = "9d9e1f2a3b4c5d6e7f809a1b"
NOTE = {"why": "asked"}
VERSIONS = ["v1", "v1.1", "v2"]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stand-ins' address."""
    with Stage() as ready:
        yield ready


def asking(told: list[Any]) -> Router:
    """Links whoever writes, and notes what comes of it."""
    router = Router()

    @router.on_message
    async def ask(ctx: Context[MessageReceived]) -> None:
        if ctx.event.channel == "messenger":
            ctx.add_identity("sms", PHONE, note=NOTE)
        else:
            ctx.link(Twilio(PHONE, integration_id="5e0000000000000000000009"), note=NOTE)

    @router.on(LinkOutcome)
    async def outcome(ctx: Context[LinkOutcome]) -> None:
        assert ctx.event.link is not None
        told.append((ctx.event.type, ctx.event.link.note))
        if ctx.event.type == "link.succeeded":
            ctx.send("From now on here.", via="sms")

    return router


async def bodies(state: Any) -> list[bytes]:
    """What the stand-in has sent since the last time."""
    await state.hooks.settled()
    found = [json.dumps(fired.body).encode() for fired in state.hooks.fired]
    state.hooks.fired.clear()
    return found


def owners(here: World) -> list[tuple[Any, ...]]:
    """(status, whose) of all links, and of what was sent to them then."""
    named = "x JOIN app_user u ON u.key = x.user_key"
    return here.worker.rows(f"SELECT x.status, u.id FROM link {named}") + here.worker.rows(
        f"SELECT x.status, u.id FROM action {named} WHERE x.kind = 'send'"
    )


async def ask(here: World, account: str, *, early: bool) -> None:
    """Link, and receive what the provider tells of it.

    early: its webhooks are faster than its answer.
    """
    worker, state = here.worker, {"chat": here.smooch, "texts": here.sinch}[account]
    worker.receive({"chat": said, "texts": texted}[account]("hello"), account=account)
    await worker.dispatch()
    items = worker.deliverer.step([], 100)
    answers = [await worker.deliverer.work(item) for item in items]
    if not early:
        worker.deliverer.step(answers, 0)
    worker.receive(*await bodies(state), account=account)
    if early:
        worker.deliverer.step(answers, 0)
    await worker.work()


MATCHED, SUCCEEDED = ("link.matched", NOTE), ("link.succeeded", NOTE)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("known", [False, True], ids=["unknown there", "known there"])
def test_a_link_whose_user_is_merged_on_the_way_is_the_survivors_once(
    stage: Stage, database: Database, version: str, early: bool, known: bool
) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, asking(told), chat={"api_version": version}) as here:
            here.smooch.merging[ANN] = SURVIVOR
            if known:
                client = Client("c1", "twilio", PHONE, "active", integration_id="i1")
                here.smooch.person(SURVIVOR).clients.append(client)
            await ask(here, "chat", early=early)
            assert owners(here) == [("linked", SURVIVOR), ("sent", SURVIVOR)]
            assert told == [MATCHED, SUCCEEDED]
            assert [*here.smooch.users] == [SURVIVOR]

    stage.run(main())


@pytest.mark.parametrize("early", [False, True])
def test_a_contact_that_is_merged_while_it_gets_an_identity_is_linked_once(
    stage: Stage, database: Database, early: bool
) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, asking(told)) as here:
            worker = here.worker
            worker.receive(texted("hello"), account="texts")
            [(ann,)] = worker.rows("SELECT id FROM app_user")
            here.sinch.merging[ann] = SURVIVOR
            await ask(here, "texts", early=early)
            assert owners(here) == [("linked", SURVIVOR), ("sent", SURVIVOR)]
            assert told == [SUCCEEDED]
            [survivor] = here.sinch.contacts.values()
            assert [i["channel"] for i in survivor["channel_identities"]] == ["SMS"]

    stage.run(main())


@pytest.mark.parametrize("version", VERSIONS)
def test_an_outcome_that_comes_twice_is_told_once(
    stage: Stage, database: Database, version: str
) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, asking(told), chat={"api_version": version}) as here:
            here.smooch.hooks.duplicate(times=9)
            await ask(here, "chat", early=False)
            assert owners(here) == [("linked", ANN), ("sent", ANN)]
            assert told == [MATCHED, SUCCEEDED]

    stage.run(main())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_match_that_comes_after_the_outcome_does_not_undo_it(
    stage: Stage, database: Database, version: str
) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, asking(told), chat={"api_version": version}) as here:
            here.smooch.hooks.reorder(3 if version == "v2" else 2)
            await ask(here, "chat", early=False)
            assert owners(here) == [("linked", ANN), ("sent", ANN)]
            assert told == [SUCCEEDED, MATCHED]

    stage.run(main())


@pytest.mark.parametrize("account", ["chat", "texts"])
def test_receipts_that_come_twice_and_backwards_leave_the_furthest(
    stage: Stage, database: Database, account: str
) -> None:
    router = Router()

    @router.on_message
    async def answer(ctx: Context[MessageReceived]) -> None:
        ctx.reply("Hi")

    async def main() -> None:
        async with world(stage, database, router) as here:
            state: Any = {"chat": here.smooch, "texts": here.sinch}[account]
            state.hooks.duplicate(times=9)
            state.hooks.reorder(count=4)
            here.worker.receive({"chat": said, "texts": texted}[account]("hi"), account=account)
            if isinstance(state, SmoochState):
                state.person(ANN).clients.append(Client("c1", "twilio", PHONE, "active"))
            await here.worker.work()
            await here.outcomes()
            rows = here.worker.rows("SELECT status FROM receipt")
            assert rows == [("message.delivered",)]
            assert here.worker.statuses() == ["sent"]

    stage.run(main())


def test_what_is_held_for_another_order_goes_when_nothing_more_comes() -> None:
    async def run() -> list[Any]:
        state = SmoochState()
        state.hooks.reorder(count=5)
        state.hooks.duplicate()
        state.hooks.fire({"n": 1}, {"n": 2})
        await state.hooks.settled()
        state.hooks.fire({"n": 3}, {"n": 4})
        await state.hooks.settled()
        return [fired.body["n"] for fired in state.hooks.fired]

    assert asyncio.run(run()) == [2, 1, 1, 3, 4]
