"""One bug that hits every event of a type: it is seen as one, and others do not suffer from it."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from handlers import Context, MessageReceived, Postback, Router, when
from receiver import samples
from receiver.cli.waiting import grouped
from storage.database import Database
from tests.conftest import NOW
from tests.parts.process import ACCOUNT, COMMAND
from tests.receiver.worker import Clock, Worker, plain, said

PEOPLE = 30


def pressed(user: str) -> bytes:
    """A button that somebody pressed."""
    body = samples.make("smooch", "postback", seed=user, now=NOW, version="v1.1")
    body["appUser"]["_id"] = user
    return json.dumps(body).encode()


def failing(database: Database) -> tuple[Worker, list[str]]:
    """A worker whose handler of messages has a bug; and the buttons that it was told of."""
    router = Router()
    told: list[str] = []

    @router.on_message(when.text("secret words"))
    async def fails(ctx: Context[MessageReceived]) -> None:
        raise KeyError(f"order {ctx.event.message_id}")

    @router.on_message
    async def fails_otherwise(ctx: Context[MessageReceived]) -> None:
        raise ValueError(f"no order 17{len(told)}")

    @router.on(Postback)
    async def works(ctx: Context[Postback]) -> None:
        told.append(ctx.event.trigger or "")

    return plain(database, router, Clock(), max_attempts=1), told


def run(folder: Path, url: str, *arguments: str) -> list[dict[str, Any]]:
    (folder / "hookline.toml").write_text(f'database_url = "{url}"\n{ACCOUNT}')
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_bug_in_one_handler_is_one_group_and_leaves_other_types_alone(
    database: Database, tmp_path: Path
) -> None:
    worker, told = failing(database)
    for number in range(PEOPLE):
        worker.receive(said(f"hello {number}", user=f"u{number}"), pressed(f"u{number}"))
    worker.receive(said("secret words"))
    asyncio.run(worker.work())
    assert len(told) == PEOPLE, "each person's button comes after the message that failed"
    many, one = run(tmp_path, database.url, "dead", "--groups", "--json")
    assert (many["count"], many["what"], many["type"]) == (PEOPLE, "event", "message.received")
    assert many["error"] == "ValueError: no order #"
    assert (one["count"], one["error"].split(":")[0]) == (1, "KeyError")
    listed = run(tmp_path, database.url, "dead", "--json", "--limit", "0")
    assert len(listed) == PEOPLE + 1
    assert many["newest"] == max(row["id"] for row in listed if "no order" in row["error"])


def test_what_differs_in_more_than_numbers_is_another_group() -> None:
    row = {"what": "event", "account": "a", "type": "t", "status": "dead"}
    rows = [
        {**row, "id": 4, "error": "timeout after 30 s"},
        {**row, "id": 3, "error": "timeout after 5 s"},
        {**row, "id": 2, "error": None},
        {**row, "id": 1, "error": "timeout after 5 s", "account": "b"},
    ]
    assert [(group["count"], group["newest"]) for group in grouped(rows)] == [
        (2, 4),
        (1, 2),
        (1, 1),
    ]
