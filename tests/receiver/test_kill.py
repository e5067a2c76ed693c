"""`hookline serve` under load, killed without warning, again and again."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from receiver.standins.server import serving_in_thread
from receiver.standins.smooch import SmoochState, smooch_app
from storage.database import Database
from tests.parts.process import serve, stored
from tests.receiver.worker import said

KILLS = 4
PEOPLE = ("ann", "bob", "cy", "dee")

HANDLERS = """
from handlers import Context, MessageReceived, Router

router = Router()

@router.on_message
async def answer(ctx: Context[MessageReceived]) -> None:
    ctx.reply(f"re {ctx.event.text}")
"""

TOML = """
handlers = ["answer.py"]
lease = "2s"
log_level = "error"

[accounts.chat]
provider = "smooch"
webhook_secrets = ["{secret}"]
api_version = "v1.1"
app_id = "{app_id}"
key_id = "{key_id}"
key_secret = "{key_secret}"
base_url = "{url}"
uncertain = "hold"
"""


@dataclass
class Load:
    """Somebody who writes one message after another, each until it is acknowledged."""

    person: str
    state: SmoochState
    url: str = ""
    acknowledged: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with httpx.Client(timeout=5, trust_env=False) as client:
            number = 0
            while not self.stopping.is_set():
                if self._is_taken(client, f"{self.person} {number}"):
                    self.acknowledged.append(f"{self.person} {number}")
                    number += 1
                self.stopping.wait(0.02)

    def _is_taken(self, client: httpx.Client, text: str) -> bool:
        headers = {"X-API-Key": self.state.secret, "Content-Type": "application/json"}
        body = said(text, user=self.person)
        try:
            answer = client.post(f"{self.url}/webhooks/chat", content=body, headers=headers)
        except (httpx.TransportError, httpx.UnsupportedProtocol):
            return False
        return answer.status_code == 200


@contextmanager
def loading(state: SmoochState) -> Iterator[list[Load]]:
    """All of them write until the block ends, to wherever `url` says at the moment."""
    loads = [Load(person, state) for person in PEOPLE]
    threads = [threading.Thread(target=load.run) for load in loads]
    for thread in threads:
        thread.start()
    try:
        yield loads
    finally:
        for load in loads:
            load.stopping.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_acknowledged_is_lost_and_nothing_is_sent_twice(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    own = f"sqlite:///{tmp_path}/hookline.db"
    url = own if kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    chance = random.Random(7)
    state = SmoochState(adopt=True)
    (tmp_path / "answer.py").write_text(HANDLERS)
    with serving_in_thread(smooch_app(state)) as standin:
        toml = TOML.format(
            url=standin,
            secret=state.secret,
            app_id=state.app_id,
            key_id=state.key_id,
            key_secret=state.key_secret,
        )
        with loading(state) as loads:
            for _ in range(KILLS):
                with serve(tmp_path, toml, settings={"DATABASE_URL": url}) as process:
                    for load in loads:
                        load.url = process.url
                    _wait_for_load(loads)
                    time.sleep(0.6 * chance.random())
        with serve(tmp_path, toml, settings={"DATABASE_URL": url}) as process:
            _wait_until_settled(url)
            assert process.stop() == 0
    _check(url, loads, state)


def _wait_for_load(loads: list[Load]) -> None:
    """Until more has been acknowledged since than there are people."""
    until = time.monotonic() + 20
    before = sum(len(load.acknowledged) for load in loads)
    while sum(len(load.acknowledged) for load in loads) <= before + len(PEOPLE):
        assert time.monotonic() < until, "nothing is taken"
        time.sleep(0.02)


def _wait_until_settled(url: str) -> None:
    database = Database(url)
    until = time.monotonic() + 30
    try:
        while time.monotonic() < until:
            with database.read() as tx:
                left = tx.run("SELECT count(*) FROM job WHERE state <> 4").fetchone()[0]
            if not left:
                return
            time.sleep(0.1)
    finally:
        database.close()
    raise AssertionError(f"{left} jobs are left over")


def _check(url: str, loads: list[Load], state: SmoochState) -> None:
    events = Counter(row.key for row in stored(url))
    assert set(events.values()) == {1}, "each is stored once"
    assert {row.status for row in stored(url)} == {"done"}
    acknowledged = [text for load in loads for text in load.acknowledged]
    assert len(acknowledged) > KILLS * len(PEOPLE), "there was load"
    actions = _actions(url)
    assert {f"re {text}" for text in acknowledged} <= set(actions), "none is lost"
    sends = Counter(message["text"] for message in state.messages)
    assert max(sends.values()) == 1, "nothing is sent twice"
    for text, status in actions.items():
        assert status in ("sent", "uncertain")
        assert status == "uncertain" or sends[text] == 1, text
    _check_order(state)


def _actions(url: str) -> dict[str, str]:
    """What was to be said -> status; each once."""
    database = Database(url)
    try:
        with database.read() as tx:
            rows = tx.run("SELECT body, status FROM action").fetchall()
    finally:
        database.close()
    found = {_said(body): status for body, status in rows}
    assert len(found) == len(rows), "each handler's wish is queued once"
    return found


def _said(body: str) -> str:
    return body.partition('"text":"')[2].partition('"')[0]


def _check_order(state: SmoochState) -> None:
    heard: dict[str, list[int]] = defaultdict(list)
    for message in state.messages:
        _, person, number = message["text"].split()
        heard[person].append(int(number))
    assert heard.keys() == set(PEOPLE)
    for numbers in heard.values():
        assert numbers == sorted(numbers)
