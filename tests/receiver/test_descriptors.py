"""A process that may open no more files refuses whom it cannot serve, and serves again later."""

import os
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from tests.parts.process import (
    ACCOUNT,
    Serving,
    Talk,
    ask,
    message,
    message_id,
    request,
    serve,
    stored,
)

MOST = 128  # file descriptors


def descriptors(server: Serving) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def limited(server: Serving) -> None:
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (MOST, MOST))


def until_served(server: Serving, seed: str) -> None:
    """Send it, until it is taken."""
    until = time.monotonic() + 15
    while True:
        answer = ask(server.port, request(message(seed)))
        if answer is not None and answer.status == 200:
            return
        assert answer is None or answer.status == 503
        assert time.monotonic() < until, server.log.read_text()[-2000:]
        time.sleep(0.1)


def test_more_connections_than_descriptors_are_refused_until_some_are_free(
    database_url: str, tmp_path: Path
) -> None:
    toml = (
        f'database_url = "{database_url}"\nspool_dir = ""\nhandlers = ["handlers.echo"]\n{ACCOUNT}'
    )
    with serve(tmp_path, toml) as server, ExitStack() as stack:
        limited(server)
        assert ask(server.port, request(message("before"))) is not None
        talks = [stack.enter_context(Talk(server.port, 5)) for _ in range(2 * MOST)]
        assert descriptors(server) <= MOST
        talks[0].send(request(message("who is in")))
        answer = talks[0].answer()
        assert answer is not None
        assert answer.status in (200, 503)
        taken = {"who is in"} if answer.status == 200 else set()
        # It may wait for a descriptor until the idle ones are closed, after ten seconds.
        late = ask(server.port, request(message("one too many")))
        assert late is None or late.status in (200, 503)
        for talk in talks:
            talk.__exit__()
        for seed in ("afterwards", "who is in", "one too many"):
            until_served(server, seed)
        assert server.process.poll() is None
        until = time.monotonic() + 20
        while {row.status for row in stored(database_url)} != {"done"}:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert server.stop() == 0
    ids = [row.message_id for row in stored(database_url)]
    wanted = {"before", "afterwards", "who is in", "one too many"} | taken
    assert sorted(ids) == sorted(message_id(seed) for seed in wanted)
    assert "Traceback" not in server.log.read_text()


def test_a_thousand_hasty_connections_leave_no_descriptor_behind(tmp_path: Path) -> None:
    with serve(tmp_path, ACCOUNT, "--no-work") as server:
        ask(server.port, request(message("first")))
        before = descriptors(server)
        for number in range(1000):
            with socket.create_connection(("127.0.0.1", server.port)) as hasty:
                if number % 2:
                    hasty.sendall(request(message("first"))[: number // 2])
        until = time.monotonic() + 15
        while descriptors(server) > before + 2:
            assert time.monotonic() < until
            time.sleep(0.1)
