"""Clients that stall, trickle, go away or do not listen; they are closed, and harm nobody else."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from receiver import serving
from receiver.edge import DRAIN, protocol
from tests.parts.ports import free_port
from tests.parts.process import (
    ACCOUNT,
    Serving,
    Talk,
    ask,
    is_stored,
    message,
    request,
    serve,
    stored,
)

SHORT = {"HEADER_TIMEOUT": "0.5s", "BODY_TIMEOUT": "0.5s"}
LONG = 40.0  # seconds; over every limit there is, so that a connection left open is noticed
HEAD = request(message("never"), length=50_000).partition(b"{")[0]
STOP = 10.0  # seconds that a stop may take


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One process with short deadlines."""
    folder = tmp_path_factory.mktemp("server")
    with serve(folder, ACCOUNT, "--no-work", settings=SHORT) as running:
        yield running


def works(server: Serving, seed: str) -> bool:
    """Whether another client is served meanwhile."""
    answer = ask(server.port, request(message(seed)), timeout=5)
    return answer is not None and answer.status == 200 and is_stored(server.database_url, seed)


def trickle(talk: Talk, data: bytes) -> bool:
    """Send a byte at a time until the other side takes no more; whether that came about."""
    for position in range(len(data)):
        if not talk.send(data[position : position + 1]):
            return True
        time.sleep(0.05)
    return False


def test_idle_connections_are_closed_and_cost_the_others_nothing(server: Serving) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(Talk(server.port, LONG)) for _ in range(200)]
        assert works(server, "among idle ones")
        for talk in idle:
            assert talk.answer() is None
            assert talk.closed()


def test_blank_lines_do_not_keep_a_connection(server: Serving) -> None:
    with Talk(server.port, LONG) as talk:
        talk.send(b"\r\n")
        assert talk.answer() is None


@pytest.mark.parametrize("part", [b"P", HEAD[:20], HEAD[:-3]])
def test_a_head_that_stalls_is_answered_408(part: bytes, server: Serving) -> None:
    with Talk(server.port, LONG) as talk:
        talk.send(part)
        answer = talk.answer()
        assert answer is not None
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert talk.closed()


def test_a_head_that_trickles_has_no_more_time_than_one_that_stalls(server: Serving) -> None:
    with Talk(server.port, LONG) as talk:
        assert trickle(talk, b"POST /webhooks/support HTTP/1.1\r\nX-A: " + b"a" * 1000)


def test_a_second_request_has_a_deadline_of_its_own(server: Serving) -> None:
    with Talk(server.port, LONG) as talk:
        talk.send(request(message("first of two")))
        first = talk.answer()
        time.sleep(0.8)  # idle for longer than a head may take
        talk.send(HEAD[:20])
        second = talk.answer()
        assert first is not None
        assert second is not None
        assert (first.status, second.status) == (200, 408)
        assert talk.closed()


@pytest.mark.parametrize("body", [b"", b'{"trigger":'])
@pytest.mark.parametrize("fields", [[], ["Expect: 100-continue"]])
def test_a_body_that_stalls_is_answered_408(
    body: bytes, fields: list[str], server: Serving
) -> None:
    before = len(stored(server.database_url))
    with Talk(server.port, LONG) as talk:
        talk.send(request(body, length=5000, fields=fields))
        answer = talk.answer()
        assert answer is not None
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert talk.closed()
    assert len(stored(server.database_url)) == before


def test_a_body_that_trickles_is_closed_while_others_are_served(server: Serving) -> None:
    with Talk(server.port, LONG) as talk:
        talk.send(HEAD)
        ended: list[bool] = []
        slow = threading.Thread(target=lambda: ended.append(trickle(talk, b" " * 1000)))
        slow.start()
        assert works(server, "beside a trickle")
        slow.join()
        assert ended == [True]


def test_a_chunked_body_without_an_end_is_answered_408(server: Serving) -> None:
    with Talk(server.port, LONG) as talk:
        fields = ["Transfer-Encoding: chunked"]
        talk.send(request(b"5\r\nabcde\r\n", length=None, fields=fields))
        answer = talk.answer()
        assert answer is not None
        assert answer.status == 408
        assert talk.closed()


REFUSED = [
    (404, {"target": "/webhooks/nobody"}),
    (404, {"target": "/elsewhere"}),
    (405, {"method": "PUT"}),
    (415, {"fields": ["Content-Encoding: gzip"]}),
    (413, {}),
]


def test_who_was_refused_before_the_body_came_does_not_stay(server: Serving) -> None:
    with ExitStack() as stack:
        silent, sending = (
            [stack.enter_context(Talk(server.port, LONG)) for _ in REFUSED] for _ in range(2)
        )
        for talks in (silent, sending):
            for talk, (status, options) in zip(talks, REFUSED, strict=True):
                talk.send(request(length=10**9, **options))  # type: ignore[arg-type]
                answer = talk.answer()
                assert answer is not None
                assert answer.status == status
        still = list(sending)
        while still:
            still = [talk for talk in still if talk.send(b" " * 1000)]
            time.sleep(0.01)
        assert all(talk.closed() for talk in silent + sending)


def test_who_was_refused_and_still_sends_all_of_it_may_go_on(server: Serving) -> None:
    with Talk(server.port, LONG) as talk:
        talk.send(request(target="/webhooks/nobody", length=10))
        refused = talk.answer()
        talk.send(b"0123456789" + request(message("after a 404")))
        answer = talk.answer()
        assert refused is not None
        assert answer is not None
        assert (refused.status, answer.status) == (404, 200)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("body", [b"", b'{"trigger":', b" " * 200_000])
def test_a_client_that_goes_away_leaves_no_row_and_no_traceback(
    body: bytes, reset: bool, server: Serving
) -> None:
    before, told = len(stored(server.database_url)), count(server, "webhook_aborted")
    with Talk(server.port) as talk:
        talk.send(request(body, length=900_000))
        if reset:
            talk.reset()
    until(lambda: count(server, "webhook_aborted") == told + 1)
    assert len(stored(server.database_url)) == before
    assert works(server, f"after one that went away {reset} {len(body)}")


def test_a_client_that_goes_away_after_its_request_is_stored_all_the_same(server: Serving) -> None:
    with Talk(server.port) as talk:
        talk.send(request(message("did not wait")))
    until(lambda: is_stored(server.database_url, "did not wait"))


def test_a_client_that_does_not_read_its_answers_is_dropped() -> None:
    given_up = asyncio.Event()

    async def long_answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b" " * 10**6, "more_body": True})
        given_up.set()

    async def deaf_client() -> None:
        port, short = free_port(), timedelta(seconds=0.2)
        http = protocol(header_timeout=short, body_timeout=short)
        async with serving.listening([serving.configure(long_answer, http=http, port=port)]):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(method="GET", length=None))
            await given_up.wait()
            writer.close()

    asyncio.run(asyncio.wait_for(deaf_client(), LONG))


def test_nothing_here_was_a_surprise(server: Serving) -> None:
    assert not [line for line in server.lines if line["level"] in ("error", "critical")]
    assert "Traceback" not in server.log.read_text()


def test_a_stop_waits_neither_for_those_that_stall_nor_for_those_that_trickle(
    tmp_path: Path,
) -> None:
    assert DRAIN < STOP
    codes: list[int] = []
    with serve(tmp_path, ACCOUNT) as server, ExitStack() as stack:
        idle, half, stalled, slow, late = (
            stack.enter_context(Talk(server.port, LONG)) for _ in range(5)
        )
        body = message("late")
        half.send(HEAD[:20])
        stalled.send(HEAD)
        slow.send(HEAD)
        late.send(request(body[:10], length=len(body)))
        ask(server.port, request(message("before")))  # all of them have been accepted
        sending = threading.Thread(target=trickle, args=(slow, b" " * 10_000))
        stopping = threading.Thread(target=lambda: codes.append(server.stop(STOP)))
        sending.start()
        stopping.start()
        until(lambda: not accepts(server.port))
        late.send(body[10:])
        answers = [talk.answer() for talk in (idle, half, stalled, late)]
        stopping.join()
        sending.join()
        assert codes == [0]
    assert [answer and answer.status for answer in answers] == [None, None, 503, 200]
    assert answers[2] is not None
    assert int(answers[2].headers["retry-after"]) > 0
    assert is_stored(server.database_url, "late")
    assert "Traceback" not in server.log.read_text()


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def count(server: Serving, event: str) -> int:
    """The log lines of that name."""
    return sum(line["event"] == event for line in server.lines)


def until(holds: Callable[[], bool]) -> None:
    """Wait for it, not for ever."""
    for _ in range(500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about")
