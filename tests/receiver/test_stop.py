"""SIGTERM with requests under way: they end, new ones do not begin, and it is soon over."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests.parts.process import (
    ACCOUNT,
    Serving,
    Talk,
    message,
    message_id,
    request,
    serve,
    stored,
)

REQUESTS = 50
LONGEST = 10.5  # seconds for the whole stop


def plain(url: str) -> str:
    """The URL as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def toml(url: str) -> str:
    return f'database_url = "{url}"\nspool_dir = ""\nhandlers = ["handlers.echo"]\n{ACCOUNT}'


def test_fifty_under_way_and_one_slow_body_are_ended_in_time(
    postgres_url: str, tmp_path: Path
) -> None:
    with serve(tmp_path, toml(postgres_url)) as server, ExitStack() as stack:
        blocking = stack.enter_context(psycopg.connect(plain(postgres_url)))
        blocking.execute("LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
        talks = [stack.enter_context(Talk(server.port)) for _ in range(REQUESTS)]
        for number, talk in enumerate(talks):
            talk.send(request(message(f"under way {number}")))
        slow = stack.enter_context(Talk(server.port))
        slow.send(request(message("slow")[:100], length=1000))
        idle = stack.enter_context(Talk(server.port))
        time.sleep(0.5)  # all of them have been read
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _until_closed_to_new_ones(server)
        time.sleep(0.5)
        blocking.rollback()
        statuses = [answer and answer.status for answer in (talk.answer() for talk in talks)]
        late = slow.answer()
        assert idle.closed()
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < LONGEST
    assert statuses == [200] * REQUESTS
    assert late is None or late.status in (408, 503)
    wanted = {message_id(f"under way {number}") for number in range(REQUESTS)}
    assert {row.message_id for row in stored(postgres_url)} == wanted
    assert "Traceback" not in server.log.read_text()
    assert server.lines[-1]["event"] == "stopped"


def _until_closed_to_new_ones(server: Serving) -> None:
    """Until a new connection is refused, closed without an answer, or told 503."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            with Talk(server.port) as talk:
                talk.send(request(message("too late"), key="wrong"))
                answer = talk.answer()
        except ConnectionRefusedError:
            return
        if answer is None or answer.status == 503:
            return
    raise AssertionError("it still takes connections")


def test_a_database_that_never_answers_does_not_hold_up_the_stop(
    postgres_url: str, tmp_path: Path
) -> None:
    with serve(tmp_path, toml(postgres_url)) as server, ExitStack() as stack:
        blocking = stack.enter_context(psycopg.connect(plain(postgres_url)))
        blocking.execute("LOCK TABLE event, job IN ACCESS EXCLUSIVE MODE")
        talks = [stack.enter_context(Talk(server.port)) for _ in range(5)]
        for number, talk in enumerate(talks):
            talk.send(request(message(f"stuck {number}")))
        time.sleep(0.3)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(20)
        assert time.monotonic() - began < LONGEST
        answers = [talk.answer() for talk in talks]
        blocking.rollback()
    assert code == 1
    assert server.lines[-1]["event"] == "stopped_early"
    assert all(answer is None or answer.status == 503 for answer in answers)
    assert stored(postgres_url) == []
