"""The spool of a real process: killed while it spools, started with one left over, or refused."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import missing
from tests.parts import postgres
from tests.parts.postgres import Server
from tests.parts.process import (
    ACCOUNT,
    COMMAND,
    PATH,
    SECRET,
    message,
    message_id,
    serve,
    stored,
)

HEADERS = {"X-API-Key": SECRET}
CLIENTS = 6


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL that is stopped and started."""
    try:
        with postgres.server() as running:
            yield running
    except FileNotFoundError as error:
        missing(str(error))


def settings(server: Server, **more: str) -> str:
    lines = [f'{name} = "{value}"' for name, value in more.items()]
    return "\n".join([f'database_url = "{server.url}"', *lines, ACCOUNT])


def load(url: str, acked: list[str], stopping: threading.Event, name: str) -> None:
    """Send one message after the other; note those that were acknowledged."""
    number = 0
    with httpx.Client(base_url=url, headers=HEADERS, trust_env=False) as client:
        while not stopping.is_set():
            number += 1
            try:
                answer = client.post(PATH, content=message(f"{name}-{number}"))
            except httpx.TransportError:
                return
            assert answer.status_code == 200
            acked.append(message_id(f"{name}-{number}"))


def test_killed_while_it_spools_it_keeps_what_it_acknowledged(
    server: Server, tmp_path: Path
) -> None:
    acked: list[str] = []
    toml = settings(server)
    stopping = threading.Event()
    with serve(tmp_path, toml, "--no-work") as process:
        clients = [
            threading.Thread(target=load, args=(process.url, acked, stopping, f"c{number}"))
            for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        time.sleep(0.3)
        server.stop()
        before = len(acked)
        until = time.monotonic() + 10
        while len(acked) < before + 200 and time.monotonic() < until:
            time.sleep(0.01)
        process.process.send_signal(signal.SIGKILL)
        stopping.set()
        for client in clients:
            client.join()
    assert len(acked) >= before + 200
    with serve(tmp_path, toml, "--no-work", ready=503) as again:
        late = httpx.post(
            f"{again.url}{PATH}", content=message("late"), headers=HEADERS, trust_env=False
        )
        assert late.status_code == 200
        server.start("fsync=off")
        again.said("spool_empty", within=15)
        assert again.stop() == 0
    ids = [row.message_id for row in stored(server.url)]
    assert len(ids) == len(set(ids))
    assert set(acked) <= set(ids)
    assert ids[-1] == message_id("late")


def refused_start(folder: Path) -> str:
    """Why it does not start."""
    done = subprocess.run(
        [*COMMAND, "serve"], cwd=folder, capture_output=True, check=False, timeout=30, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_spool_that_cannot_be_written_is_no_way_to_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    toml = f'spool_dir = "{tmp_path}/file"\n{ACCOUNT}'
    (tmp_path / "hookline.toml").write_text(toml)
    assert f"spool_dir: {tmp_path}/file" in refused_start(tmp_path)


def test_two_processes_do_not_share_a_spool(tmp_path: Path) -> None:
    toml = f'spool_dir = "{tmp_path}/spool"\n{ACCOUNT}'
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "hookline.toml").write_text(toml)
    with serve(tmp_path / "one", toml):
        assert "another process" in refused_start(tmp_path / "two")
