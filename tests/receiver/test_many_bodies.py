"""Long bodies from many connections at once: what is kept of them is bounded for all together."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from receiver.incoming import ROOM
from tests.parts.process import (
    ACCOUNT,
    Serving,
    Talk,
    ask,
    is_stored,
    message,
    request,
    serve,
)

MEGABYTE = 1_000_000
LENGTH = 1_048_576  # what they claim to send: the rest never comes
CLIENTS = 200
MOST = 200  # megabytes of memory


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A receiver."""
    with serve(tmp_path_factory.mktemp("server"), ACCOUNT, "--no-work") as running:
        yield running


def peak(server: Serving) -> float:
    """The most memory that the process ever had, in megabytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def stalled(stack: ExitStack, server: Serving, key: str) -> Talk:
    """A connection over which most of a long body came."""
    talk = stack.enter_context(Talk(server.port))
    talk.send(request(b"a" * MEGABYTE, length=LENGTH, key=key))
    return talk


def test_strangers_with_long_bodies_take_little_memory_and_nobodys_turn(server: Serving) -> None:
    with ExitStack() as stack:
        talks = [stalled(stack, server, "wrong") for _ in range(CLIENTS)]
        answer = ask(server.port, request(message("meanwhile")))
        refused = talks[-1].answer()
    assert answer is not None
    assert answer.status == 200
    assert refused is not None
    assert (refused.status, refused.body) == (503, b"")
    assert int(refused.headers["retry-after"]) > 0
    line = server.said("webhook_deferred", reason="too many long bodies at once")
    assert (line["account"], line["status"]) == ("support", 503)
    assert CLIENTS * MEGABYTE > 5 * ROOM
    assert peak(server) < MOST


def test_when_they_are_gone_there_is_room_again(server: Serving) -> None:
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stalled(stack, server, "wrong")
    until = time.monotonic() + 10
    body = message("long again").ljust(LENGTH)
    while (answer := ask(server.port, request(body))) and answer.status == 503:
        assert time.monotonic() < until
    assert answer is not None
    assert answer.status == 200
    assert is_stored(server.database_url, "long again")


@pytest.mark.parametrize("key", ["wrong", None])
def test_two_hundred_megabytes_of_refused_bodies_leave_no_more_than_their_bound(
    key: str | None, server: Serving
) -> None:
    for _ in range(200):
        answer = ask(server.port, request(b"a" * MEGABYTE, key=key))
        assert answer is not None
        assert answer.status == 401
    assert ask(server.port, request(message(f"after {key}"))) is not None
    assert is_stored(server.database_url, f"after {key}")
    assert peak(server) < MOST
