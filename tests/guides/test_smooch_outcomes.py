"""
What the guides "Linking a channel" and "Creating users" say happens by itself, in the real product.

Handlers link, by each way of confirming; the outcome comes by webhook and reaches a handler with
the note that was written down for it. Who writes first is a user from then on.
https://docs.smooch.io/guide/linking-a-channel/
https://docs.smooch.io/guide/creating-users/
"""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from handlers import Context, Immediate, MessageReceived, Messenger, Prompt, Router, Twilio
from handlers.event import LinkOutcome
from handlers.links import Confirmation, Mailgun, Target, UserActivity
from handlers.people import User
from receiver.standins.faults import Answer
from receiver.standins.smooch import SmoochState, cancel, confirm
from storage import queries
from storage.database import Database
from tests.receiver.worker import ANN, Stage, World, said, world

PHONE = "+15145550155"
NOTE = {"order": "A17"}
HELLO = "Shall we go on here?"
ONE: dict[str, Any] = {"integration_id": "5e0000000000000000000009"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stand-ins' address."""
    with Stage() as ready:
        yield ready


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """One is enough here: both are under test elsewhere."""
    there = Database(sqlite_url)
    yield there
    there.close()


def linking(target: Target, confirmation: Confirmation, told: list[Any]) -> Router:
    """Links whoever writes; on the outcome it is noted, and written to where it is good."""
    router = Router()

    @router.on_message
    async def ask(ctx: Context[MessageReceived]) -> None:
        ctx.link(target, confirmation, note=NOTE)

    @router.on(LinkOutcome)
    async def outcome(ctx: Context[LinkOutcome]) -> None:
        assert ctx.event.link is not None
        error = ctx.event.error.code if ctx.event.error else None
        told.append((ctx.event.type, ctx.event.link.note, error))
        if ctx.event.type == "link.succeeded":
            ctx.send("A message over the channel, as requested.", via=ctx.event.channel)

    return router


async def ask(here: World) -> None:
    here.worker.receive(said("hello"))
    await here.worker.work()
    await here.outcomes()


def pending(here: World) -> str:
    """The client that waits for the person."""
    [person] = here.smooch.users.values()
    [client] = person.clients
    assert client.status == "pending"
    return client.id


def outcomes(told: list[Any]) -> list[str]:
    assert all(note == NOTE for _, note, _ in told)
    return [kind for kind, _, _ in told]


BY_TEXT: list[Confirmation] = [UserActivity(HELLO), Prompt(), Prompt(HELLO)]
WAYS: list[tuple[str, Target, Confirmation]] = [
    *((version, Twilio(PHONE, **ONE), how) for version in ("v1", "v1.1", "v2") for how in BY_TEXT),
    ("v1", Messenger(PHONE, "Ann", "Lee", **ONE), UserActivity(HELLO)),
    ("v1.1", Messenger(PHONE, "Ann", "Lee", **ONE), UserActivity(HELLO)),
]
Decision = Callable[[SmoochState, str], None]
DECISIONS: list[tuple[Decision, str]] = [(confirm, "link.succeeded"), (cancel, "link.failed")]


@pytest.mark.parametrize(("version", "target", "confirmation"), WAYS)
@pytest.mark.parametrize(("decide", "outcome"), DECISIONS)
def test_a_link_that_asks_the_person_ends_as_they_decide(
    stage: Stage,
    database: Database,
    version: str,
    target: Target,
    confirmation: Confirmation,
    decide: Decision,
    outcome: str,
) -> None:
    told: list[Any] = []

    async def main() -> None:
        router = linking(target, confirmation, told)
        async with world(stage, database, router, chat={"api_version": version}) as here:
            await ask(here)
            assert outcomes(told) == ["link.matched"]
            decide(here.smooch, pending(here))
            await here.outcomes()
            assert outcomes(told) == ["link.matched", outcome]
            assert len(here.smooch.messages) == (outcome == "link.succeeded")

    stage.run(main())


AT_ONCE: list[tuple[Target, Confirmation]] = [
    (Twilio(PHONE, **ONE), Immediate()),
    (Twilio(PHONE, **ONE), Immediate(HELLO)),
    (Messenger(PHONE, **ONE), Immediate(HELLO)),
    (Mailgun("their@example.com", "About your order", **ONE), Immediate()),
]


@pytest.mark.parametrize(("target", "confirmation"), AT_ONCE)
def test_a_link_to_nobody_fails_with_the_providers_reason(
    stage: Stage, database: Database, target: Target, confirmation: Confirmation
) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, linking(target, confirmation, told)) as here:
            here.smooch.unreachable.add(target.address)
            await ask(here)
            assert told == [("link.failed", NOTE, "bad_request")]
            [row] = here.worker.links()
            assert row[0] == "failed"

    stage.run(main())


def test_messenger_without_the_pages_permission_fails_with_the_note(
    stage: Stage, database: Database
) -> None:
    told: list[Any] = []
    refusal = {"error": {"code": "forbidden", "description": "Customer matching is not allowed"}}

    async def main() -> None:
        router = linking(Messenger(PHONE, **ONE), Immediate(HELLO), told)
        async with world(stage, database, router) as here:
            answer = Answer(400, json.dumps(refusal).encode(), {"Content-Type": "application/json"})
            here.smooch.faults.next(answer, on="/channels")
            await ask(here)
            assert told == [("link.failed", NOTE, "forbidden")]

    stage.run(main())


def test_a_link_that_nobody_answers_expires_with_the_note(stage: Stage, database: Database) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, linking(Twilio(PHONE), Prompt(), told)) as here:
            await ask(here)
            here.clock.forward(timedelta(days=2))
            here.worker.tick()
            await here.worker.work()
            assert outcomes(told) == ["link.matched", "link.expired"]

    stage.run(main())


def test_who_writes_first_is_a_user_with_the_providers_id(stage: Stage, database: Database) -> None:
    seen: list[User | None] = []
    router = Router()

    @router.on_message
    async def look(ctx: Context[MessageReceived]) -> None:
        seen.append(ctx.user)
        ctx.reply("Hello!")

    async def main() -> None:
        async with world(stage, database, router) as here:
            await ask(here)
            with database.read() as tx:
                [known] = queries.users(tx)
            assert (known.account, known.id) == ("chat", ANN)
            assert [user.id for user in seen if user] == [ANN]
            assert [identity.channel for identity in known.identities] == ["web"]
            assert [message["user"] for message in here.smooch.messages] == [ANN]

    stage.run(main())
