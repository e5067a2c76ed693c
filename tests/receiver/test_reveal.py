"""Addresses that webhooks hide: fetched once, kept, and never in anybody's way."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from handlers import Context, MessageReceived, Router
from receiver.reveal import Reveal
from receiver.standins.faults import Answer, Fault, Slow
from storage.database import Database
from tests.receiver.worker import ANN, Stage, World, paths, said, world

PHONE = "+15145550123"
CHANNELS = json.dumps({"channels": [{"type": "twilio", "phoneNumber": PHONE}]}).encode()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stand-ins' address."""
    with Stage() as ready:
        yield ready


def hidden(text: str) -> bytes:
    """An SMS by a webhook without the include options."""
    body = json.loads(said(text))
    del body["client"]
    body["messages"][0]["source"] = {"type": "twilio"}
    return json.dumps(body).encode()


def noting(seen: list[Any]) -> Router:
    """Notes where the user can be reached, each time."""
    router = Router()

    @router.on_message
    async def note(ctx: Context[MessageReceived]) -> None:
        known = ctx.identity("sms")
        seen.append(known and known.identity)

    return router


@asynccontextmanager
async def revealing(
    stage: Stage, database: Database, router: Router, **more: Any
) -> AsyncIterator[World]:
    async with world(stage, database, router, **more) as here:
        worker = here.worker
        worker.dispatcher._reveal = Reveal(database, worker.accounts, worker.sender, worker.clock)
        yield here


def fetches(here: World) -> list[str]:
    return [path for path in paths(here.smooch.requests) if path.endswith("/channels")]


def test_an_address_is_fetched_before_the_handlers_run_and_only_once(
    stage: Stage, database: Database
) -> None:
    seen: list[Any] = []

    async def main() -> None:
        async with revealing(stage, database, noting(seen)) as here:
            here.smooch.faults.next(Answer(200, CHANNELS), on="/channels")
            here.worker.receive(hidden("one"))
            await here.worker.work()
            here.worker.receive(hidden("two"), hidden("three"))
            await here.worker.work()
            assert seen == [PHONE] * 3
            assert len(fetches(here)) == 1
            assert ANN in fetches(here)[0]

    stage.run(main())


NO_HELP: dict[str, Fault] = {
    "nobody there": Answer(404),
    "the provider is ill": Answer(503),
    "garbage": Answer(200, b"<html>"),
    "nothing known": Answer(200, b'{"channels": []}'),
    "too slow": Slow(9),
}


@pytest.mark.parametrize("fault", NO_HELP.values(), ids=NO_HELP)
def test_without_an_answer_the_event_is_handled_as_it_is(
    stage: Stage, database: Database, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.reveal.DEADLINE", 0.1)
    seen: list[Any] = []

    async def main() -> None:
        async with revealing(stage, database, noting(seen)) as here:
            here.smooch.faults.next(fault, on="/channels")
            here.worker.receive(hidden("one"), hidden("two"))
            await here.worker.work()
            assert seen == [None, None]
            assert [status for _, status in here.worker.events()] == ["done", "done"]
            assert len(fetches(here)) == 1

    stage.run(main())


SETTINGS: dict[str, dict[str, Any]] = {
    "switched off": {"fetch_identities": False},
    "not complete": {"key_id": None},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_nothing_is_fetched_where_it_is_not_wanted_or_not_possible(
    stage: Stage, database: Database, settings: dict[str, Any]
) -> None:
    seen: list[Any] = []

    async def main() -> None:
        async with revealing(stage, database, noting(seen), chat=settings) as here:
            here.worker.receive(hidden("one"))
            await here.worker.work()
            assert seen == [None]
            assert here.smooch.requests == []

    stage.run(main())


def test_who_is_known_already_is_not_asked_about(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with revealing(stage, database, noting([])) as here:
            here.worker.receive(said("by the web, with its client"))
            await here.worker.work()
            assert here.smooch.requests == []

    stage.run(main())
