"""Two bots in one conversation: only the one that has it answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from handlers import Context, MessageReceived, Router
from receiver import samples
from storage.database import Database
from tests.receiver.worker import NOW, Stage, World, world

BOT = {"id": "c3d4e5f60718293a4b5c6d7e", "name": "bot", "integrationId": "d4e5f60718293a4b5c6d7e8f"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stand-ins' address."""
    with Stage() as ready:
        yield ready


def asked(active: dict[str, str] | None) -> bytes:
    """A v2 message in a conversation that `active` has."""
    body = samples.make("smooch", "conversation:message", seed="a", now=NOW, version="v2")
    conversation = body["events"][0]["payload"]["conversation"]
    del conversation["activeSwitchboardIntegration"]
    if active is not None:
        conversation["activeSwitchboardIntegration"] = active
    return json.dumps(body).encode()


def answering(told: list[Any], **options: Any) -> Router:
    router = Router()

    @router.on_message
    async def answer(ctx: Context[MessageReceived]) -> None:
        told.append(ctx.elsewhere)
        ctx.typing()
        ctx.reply("hi", **options)

    return router


def statuses(here: World) -> tuple[list[str], list[str]]:
    runs = here.worker.rows("SELECT outcome FROM run")
    return [status for _, status in here.worker.events()], [row[0] for row in runs]


CASES = [
    ("bot", BOT, None),
    (BOT["id"], BOT, None),
    (BOT["integrationId"], BOT, None),
    ("human desk", BOT, "bot"),
    ("human desk", {"id": BOT["id"]}, BOT["id"]),
    ("human desk", {}, None),
    ("human desk", None, None),
    (None, BOT, None),
]


@pytest.mark.parametrize(("ours", "active", "elsewhere"), CASES)
def test_where_another_has_the_conversation_nothing_is_said_and_nothing_fails(
    stage: Stage,
    database: Database,
    ours: str | None,
    active: dict[str, str] | None,
    elsewhere: str | None,
) -> None:
    told: list[Any] = []

    async def main() -> None:
        v2 = {"api_version": "v2", "switchboard": ours}
        async with world(stage, database, answering(told), chat=v2) as here:
            here.worker.receive(asked(active))
            await here.worker.work()
            assert told == [elsewhere]
            outcome, sent = ("dropped", []) if elsewhere else ("done", ["sent", "sent"])
            assert statuses(here) == (["done"], [outcome])
            assert here.worker.statuses() == sent

    stage.run(main())


def test_a_handler_may_speak_all_the_same_if_it_says_so(stage: Stage, database: Database) -> None:
    told: list[Any] = []

    async def main() -> None:
        v2 = {"api_version": "v2", "switchboard": "human desk"}
        router = answering(told, answer_elsewhere=True)
        async with world(stage, database, router, chat=v2) as here:
            here.worker.receive(asked(BOT))
            await here.worker.work()
            assert told == ["bot"]
            assert here.worker.statuses() == ["sent", "sent"]

    stage.run(main())
