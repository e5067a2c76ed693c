"""Where the log goes may be blocked, full or gone: webhooks are received all the same."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

import httpx
import pytest
import structlog

from receiver import logs
from receiver.sink import Sink
from tests.parts.ports import free_port
from tests.parts.process import ACCOUNT, COMMAND, ask, message, request, stored

PIPE = 65536  # bytes that a pipe holds by default


@contextmanager
def process(folder: Path, port: int, stderr: int) -> Iterator[subprocess.Popen[bytes]]:
    """A receiver whose log goes there; ready on entry."""
    (folder / "hookline.toml").write_text(ACCOUNT)
    admin = free_port()
    settings = {"PORT": port, "ADMIN_PORT": admin, "LOG_FORMAT": "json"}
    running = subprocess.Popen(
        [*COMMAND, "serve", "--no-work"],
        cwd=folder,
        env={**os.environ, **{f"HOOKLINE_{name}": str(value) for name, value in settings.items()}},
        stderr=stderr,
    )
    try:
        _until_ready(admin)
        yield running
    finally:
        running.kill()
        running.wait()


def _until_ready(admin: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{admin}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("it did not start")


def fill(pipe: int) -> None:
    """Write until the pipe takes no more."""
    os.set_blocking(pipe, False)
    try:
        while True:
            os.write(pipe, b" " * 4095 + b"\n")
    except BlockingIOError:
        os.set_blocking(pipe, True)


def statuses(port: int, name: str, count: int, key: str | None) -> set[int]:
    found = set()
    for number in range(count):
        body = message(f"{name}-{number}")
        answer = ask(port, request(body) if key is None else request(body, key=key))
        assert answer is not None
        found.add(answer.status)
    return found


def test_a_log_that_nobody_reads_holds_up_neither_webhooks_nor_the_stop(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    port = free_port()
    try:
        with process(tmp_path, port, writing) as running:
            fill(writing)
            assert statuses(port, "blocked", 30, None) == {200}
            assert statuses(port, "refused", 5, "wrong") == {401}
            assert len(stored(f"sqlite:///{tmp_path}/hookline.db")) == 30
            running.send_signal(signal.SIGTERM)
            assert running.wait(15) == 0
    finally:
        os.close(reading)
        os.close(writing)


def test_a_log_whose_reader_is_gone_makes_no_request_fail(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    port = free_port()
    with process(tmp_path, port, writing) as running:
        os.close(writing)
        os.close(reading)
        assert statuses(port, "gone", 5, None) == {200}
        assert statuses(port, "gone and refused", 5, "wrong") == {401}
        running.send_signal(signal.SIGTERM)
        assert running.wait(15) == 0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def until_read(reading: int, wanted: str) -> str:
    """What comes out of the pipe, up to and with the wanted words."""
    found = b""
    until = time.monotonic() + 10
    while wanted.encode() not in found:
        assert time.monotonic() < until, found[-500:]
        found += os.read(reading, PIPE)
    return found.decode()


@contextmanager
def logging_to(sink: Sink) -> Iterator[None]:
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, sink)),
    )
    try:
        yield
    finally:
        structlog.reset_defaults()


def test_what_does_not_fit_is_left_out_and_counted(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    fill(writing)
    sink = Sink(writing, limit=1000)
    sink.start()
    with logging_to(sink):
        told = overflow(reading)
    sink.stop()
    lines = [json.loads(line) for line in told.splitlines() if line.strip(" ")]
    through = [line["number"] for line in lines if line["event"] == "told"]
    [left_out] = [line["lines"] for line in lines if line["event"] == "log_lines_left_out"]
    assert 0 < len(through) < 50
    assert through[:-1] == [*range(len(through) - 1)], "those that fitted, in their order"
    assert left_out == 100 - (len(through) - 1)


def overflow(reading: int) -> str:
    """Log too much; what came through, the account of the rest, and one line more."""
    log = logs.get_logger()
    for number in range(100):
        log.info("told", number=number, words="w" * 50)
    told = until_read(reading, "log_lines_left_out")
    log.info("told", number="the last")
    return told + until_read(reading, "the last")


def test_all_that_was_logged_is_there_when_it_has_stopped(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    sink = Sink(writing)
    sink.start()
    threads = [
        threading.Thread(target=lambda n=n: [sink.write(f"{n} {k} \ud800\n") for k in range(50)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.stop()
    told = os.read(reading, PIPE).decode().splitlines()
    for n in range(4):
        assert [line for line in told if line.startswith(f"{n} ")] == [
            f"{n} {k} \\ud800" for k in range(50)
        ]


def test_a_stop_does_not_wait_for_a_reader(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    fill(writing)
    program = (
        "import sys; from receiver.sink import Sink;"
        " s = Sink(int(sys.argv[1])); s.start(); s.write('x' * 100_000); s.stop()"
    )
    command = [sys.executable, "-c", program, str(writing)]
    done = subprocess.run(command, pass_fds=[writing], capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (0, b"")
