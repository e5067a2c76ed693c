"""Long bodies from many connections at once: what is kept of them is bounded for all together."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


def test_one_stranger_leaves_room_for_others(server: Serving) -> None:
    body = message("from elsewhere").ljust(LENGTH)
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stalled(stack, server, "wrong")
        other = stack.enter_context(Talk(server.port, source="127.0.0.2"))
        whole = request(body)
        other.send(whole[:-1000])
        time.sleep(0.5)  # so that it comes in two pieces at least, of which the first is long
        other.send(whole[-1000:])
        answer = other.answer()
    assert answer is not None
    assert answer.status == 200
    assert is_stored(server.database_url, "from elsewhere")


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


def test_half_a_gigabyte_of_strangers_bodies_is_no_trouble(server: Serving) -> None:
    bad = request(b"a" * MEGABYTE, key="wrong")

    def send(_: int) -> set[int | None]:
        with Talk(server.port) as talk:
            statuses = set()
            for _ in range(50):
                talk.send(bad)
                answer = talk.answer()
                statuses.add(answer.status if answer else None)
            return statuses

    with ThreadPoolExecutor(10) as pool:
        floods = [pool.submit(send, number) for number in range(10)]
        good = 0
        while not all(flood.done() for flood in floods):
            with Talk(server.port, source="127.0.0.2") as talk:
                talk.send(request(message(f"beside {good}")))
                answer = talk.answer()
            assert answer is not None
            assert answer.status == 200
            good += 1
    assert set().union(*(flood.result() for flood in floods)) <= {401, 503}
    assert good > 5
    assert peak(server) < MOST


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
