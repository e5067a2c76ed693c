"""Two processes over one PostgreSQL, which is all that they share."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.standins.server import serving_in_thread
from receiver.standins.smooch import SmoochState, smooch_app
from tests.parts.process import SECRET, Serving, ask, message, message_id, request, serve, stored

COPIES = 50


@pytest.fixture
def provider() -> SmoochState:
    """What the provider's stand-in knows."""
    return SmoochState(adopt=True)


@pytest.fixture
def pair(
    postgres_url: str, provider: SmoochState, tmp_path: Path
) -> Iterator[tuple[Serving, Serving]]:
    """Both, each with a worker and the echo handler."""
    with serving_in_thread(smooch_app(provider)) as url:
        toml = f"""
            database_url = "{postgres_url}"
            handlers = ["handlers.echo"]
            [accounts.support]
            provider = "smooch"
            webhook_secrets = ["{SECRET}"]
            app_id = "{provider.app_id}"
            key_id = "{provider.key_id}"
            key_secret = "{provider.key_secret}"
            base_url = "{url}"
        """
        with serve(tmp_path / "one", toml) as one, serve(tmp_path / "two", toml) as two:
            yield one, two


def test_fifty_copies_at_once_are_one_event_and_one_reply(
    pair: tuple[Serving, Serving], provider: SmoochState, postgres_url: str
) -> None:
    statuses: list[int | None] = []
    together = threading.Barrier(COPIES)

    def post(port: int) -> None:
        together.wait()
        answer = ask(port, request(message("copied")))
        statuses.append(answer and answer.status)

    threads = [threading.Thread(target=post, args=(pair[n % 2].port,)) for n in range(COPIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * COPIES

    after = request(message("after it", text="And this?"))
    answers = [ask(one.port, after) for one in pair]  # of the same user: handled after the first
    assert [answer and answer.status for answer in answers] == [200, 200]
    until = time.monotonic() + 15
    while len(replies(provider)) < 2 and time.monotonic() < until:
        time.sleep(0.05)

    assert replies(provider) == ["You said: Hello, is anybody there?", "You said: And this?"]
    received = [r.message_id for r in stored(postgres_url) if r.type == "message.received"]
    assert received == [message_id("copied"), message_id("after it")]
    assert sorted(one.stop() for one in pair) == [0, 0]
    assert all("Traceback" not in one.log.read_text() for one in pair)


def replies(provider: SmoochState) -> list[str]:
    """The texts that were sent to the user, in order."""
    return [sent["text"] for sent in list(provider.messages)]
