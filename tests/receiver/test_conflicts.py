"""The same event id with another body is no duplicate; another id with the same words neither."""

import asyncio
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from handlers import Context, MessageReceived, Router
from receiver import samples
from receiver.send import Sender
from storage.database import Database
from storage.queries import EventRow
from tests.conftest import NOW
from tests.parts.process import ACCOUNT, COMMAND, stored
from tests.receiver.reception import NEW, SINCH, SMOOCH, known, receiving, said, texted
from tests.receiver.worker import Clock, Worker, limits


def changed(body: bytes, text: str) -> bytes:
    """The same message with other words."""
    made = json.loads(body)
    made["messages"][0]["text"] = text
    return json.dumps(made).encode()


def receive(database: Database, *bodies: bytes, account: str = SMOOCH) -> list[Any]:
    """Send these, one after the other; the log's alarms."""

    async def main() -> None:
        async with receiving(database.url) as here:
            for body in bodies:
                assert await here.send(account, body, NEW) == 200

    with capture_logs() as logs:
        asyncio.run(main())
    return [line for line in logs if line["event"] == "event_conflict"]


def kept(database: Database) -> list[tuple[str, str]]:
    """(type, status) of all events."""
    return [(row.type, row.status) for row in stored(database.url)]


MESSAGE = ("message.received", "pending")
CONFLICT = ("conflict", "conflict")


def test_a_body_that_contradicts_a_known_event_is_kept_and_alarms_once(database: Database) -> None:
    first, other = said(1), changed(said(1), "Something else")
    alarms = receive(database, first, other, first, other, other)
    assert kept(database) == [MESSAGE, CONFLICT]
    whole, odd = stored(database.url)
    assert (whole.body, odd.body) == (first, other)
    assert (odd.key, odd.message_id, odd.user) == (whole.key, whole.message_id, whole.user)
    assert odd.error == f"event {whole.id} has the same id and another body"
    [alarm] = alarms
    assert alarm["log_level"] == "critical"
    assert (alarm["event_id"], alarm["conflict_id"]) == (whole.id, odd.id)


def test_another_contradiction_is_another_one(database: Database) -> None:
    alarms = receive(database, said(1), *(changed(said(1), f"words {n}") for n in range(3)))
    assert kept(database) == [MESSAGE, *[CONFLICT] * 3]
    assert len(alarms) == 3


def test_it_is_the_same_with_sinch_under_a_nonce_of_its_own(database: Database) -> None:
    other = json.loads(texted(1))
    other["message"]["contact_message"] = {"text_message": {"text": "Something else"}}
    alarms = receive(database, texted(1), json.dumps(other).encode(), account=SINCH)
    assert kept(database) == [MESSAGE, CONFLICT]
    assert len(alarms) == 1


def test_the_same_json_written_otherwise_is_a_duplicate(database: Database) -> None:
    compact = json.dumps(json.loads(said(1)), separators=(",", ":"), sort_keys=True).encode()
    assert receive(database, said(1), compact) == []
    assert kept(database) == [MESSAGE]


def test_two_people_who_say_the_same_are_two_events(database: Database) -> None:
    bodies = [changed(said(number), "Hi!") for number in range(2)]
    assert receive(database, *bodies) == []
    assert kept(database) == [MESSAGE, MESSAGE]


def several(*numbers: int) -> bytes:
    """A webhook with these events, as v2 groups them."""
    elements = []
    for number in numbers:
        made = samples.make("smooch", "conversation:message", seed=f"m{number}", now=NOW)
        elements += made["events"]
    return json.dumps({**made, "events": elements}).encode()


def test_events_that_are_grouped_anew_are_duplicates(database: Database) -> None:
    assert receive(database, several(1, 2), several(1), several(2, 1), several(2, 3)) == []
    assert kept(database) == [MESSAGE] * 3


def test_a_body_that_retention_has_taken_contradicts_nothing(database: Database) -> None:
    receive(database, said(1))
    with database.write() as tx:
        tx.run("UPDATE event SET body = NULL")
    assert receive(database, changed(said(1), "Something else")) == []
    assert kept(database) == [MESSAGE]


def test_many_at_once_keep_each_contradiction_once(database: Database) -> None:
    async def main() -> None:
        async with receiving(database.url) as here:
            assert await here.send(SMOOCH, said(1), NEW) == 200
            bodies = [changed(said(1), f"words {n % 4}") for n in range(60)]
            await asyncio.gather(*(here.send(SMOOCH, body, NEW) for body in bodies))
            assert here.statuses == [200] * 61

    asyncio.run(main())
    assert sorted(kept(database)) == [*[CONFLICT] * 4, MESSAGE]


def run(folder: Path, url: str, *arguments: str) -> str:
    """What a command says."""
    account = ACCOUNT.replace("support", SMOOCH)
    (folder / "hookline.toml").write_text(f'database_url = "{url}"\n{account}')
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode()


def heard(database: Database) -> list[str | None]:
    """What handlers are told when all that waits is handled."""
    texts: list[str | None] = []
    router = Router()

    @router.on_message
    async def note(ctx: Context[MessageReceived]) -> None:
        texts.append(ctx.event.text)

    clock = Clock(datetime.now(UTC) + timedelta(days=1))  # commands know no other time
    worker = Worker(database, router, known(NEW), Sender(clock), clock, limits())
    asyncio.run(worker.dispatch())
    return texts


@pytest.mark.parametrize("bulk", [True, False])
def test_it_is_handled_only_when_a_human_says_so(
    bulk: bool, database: Database, tmp_path: Path
) -> None:
    receive(database, changed(said(1), "first"), changed(said(1), "second"))
    assert heard(database) == ["first"]
    odd: EventRow = stored(database.url)[1]
    listed = run(tmp_path, database.url, "events", "--status", "conflict", "--json")
    assert [json.loads(line)["id"] for line in listed.splitlines()] == [odd.id]
    if bulk:
        run(tmp_path, database.url, "replay", "--account", SMOOCH)
        assert heard(database) == ["first"]
    else:
        run(tmp_path, database.url, "replay", str(odd.id))
        assert heard(database) == ["second"]
