"""A database that is away, slow, full, or cut off in the middle: never a 4xx, never a lost 200."""

import asyncio
import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import make_url
from structlog.testing import capture_logs

from receiver.commit import DEADLINE
from storage.sqlite import prepare
from tests.parts.cable import Cable, cable
from tests.parts.postgres import Server
from tests.parts.process import (
    ACCOUNT,
    COMMAND,
    Answer,
    Serving,
    ask,
    is_stored,
    message,
    message_id,
    request,
    serve,
    stored,
)
from tests.receiver.reception import NEW, SMOOCH, receiving, said

ECHO = 'handlers = ["handlers.echo"]\n'


def post(server: Serving, seed: str, timeout: float = 15.0) -> Answer:
    answer = ask(server.port, request(message(seed)), timeout)
    assert answer is not None
    return answer


def readiness(server: Serving) -> int:
    return httpx.get(f"{server.admin}/readyz", trust_env=False).status_code


def until_ready(server: Serving, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while readiness(server) != 200:
        assert time.monotonic() < until, server.log.read_text()[-2000:]
        time.sleep(0.05)


def plain(url: str) -> str:
    """The URL as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def deferred(answer: Answer) -> bool:
    """Whether it asks, without a word, to be sent the same again."""
    return (answer.status, answer.body) == (503, b"") and int(answer.headers["retry-after"]) > 0


def toml(url: str, spool: str = "") -> str:
    return f'database_url = "{url}"\nspool_dir = "{spool}"\n{ECHO}{ACCOUNT}'


def test_a_database_that_is_away_at_the_start_is_set_up_when_it_comes(
    own_server: Server, tmp_path: Path
) -> None:
    own_server.stop()
    with serve(tmp_path, toml(own_server.url), ready=503) as server:
        assert deferred(post(server, "away"))
        own_server.start("fsync=off")
        until_ready(server)
        assert post(server, "away").status == 200
        server.said("event_dispatched", outcome="done")
        assert server.stop() == 0
    assert [row.message_id for row in stored(own_server.url)] == [message_id("away")]


def test_what_was_spooled_at_such_a_start_is_taken_in_when_it_comes(
    own_server: Server, tmp_path: Path
) -> None:
    own_server.stop()
    with serve(tmp_path, toml(own_server.url, "spool"), ready=503) as server:
        assert [post(server, seed).status for seed in ("one", "two")] == [200, 200]
        assert readiness(server) == 503
        own_server.start("fsync=off")
        server.said("spool_empty", within=10)
        assert post(server, "three").status == 200
        assert server.stop() == 0
    ids = [row.message_id for row in stored(own_server.url)]
    assert ids == [message_id(seed) for seed in ("one", "two", "three")]


def test_a_schema_of_an_older_program_that_turns_up_later_is_told_and_left_alone(
    own_server: Server, tmp_path: Path
) -> None:
    with psycopg.connect(plain(own_server.url), autocommit=True) as connection:
        connection.execute("CREATE TABLE event (id bigint)")
    own_server.stop()
    with serve(tmp_path, toml(own_server.url), ready=503) as server:
        own_server.start("fsync=off")
        line = server.said("database_unfit", within=10)
        assert line["level"] == "critical"
        assert "hookline migrate" in line["reason"]
        assert readiness(server) == 503
        assert deferred(post(server, "older"))


@pytest.fixture
def wired(postgres_url: str) -> Iterator[tuple[Cable, str]]:
    """A cable to a database, and its URL by way of that."""
    there = make_url(postgres_url)
    assert there.port
    with cable(there.port) as made:
        yield made, there.set(port=made.port).render_as_string(hide_password=False)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_that_is_cut_in_the_commit_is_a_503_and_the_retry_is_one_row(
    moment: str, wired: tuple[Cable, str], postgres_url: str, tmp_path: Path
) -> None:
    line, url = wired
    line.behind = b"INSERT INTO event"  # others commit as well
    with serve(tmp_path, toml(url), "--no-work") as server:
        assert post(server, "whole").status == 200
        setattr(line, f"cut_{moment}", b"COMMIT")
        answer = post(server, "cut")
        assert line.cuts == 1
        assert deferred(answer)
        assert is_stored(postgres_url, "cut") == (moment == "after")
        assert post(server, "cut").status == 200
        assert post(server, "cut").status == 200
        assert server.stop() == 0
    ids = [row.message_id for row in stored(postgres_url)]
    assert ids == [message_id("whole"), message_id("cut")]


def test_a_commit_that_takes_too_long_is_a_503_in_time_and_nobody_else_waits(
    wired: tuple[Cable, str], postgres_url: str, tmp_path: Path
) -> None:
    line, url = wired
    with serve(tmp_path, toml(url), "--no-work") as server, ThreadPoolExecutor(8) as pool:
        assert post(server, "before").status == 200
        line.hold()
        waiting = [pool.submit(post, server, f"held {n}") for n in range(8)]
        for _ in range(3):
            assert httpx.get(f"{server.url}/", trust_env=False).status_code == 200
            assert httpx.get(f"{server.admin}/livez", trust_env=False).status_code == 200
            refused = ask(server.port, request(message("x"), key="wrong"))
            assert refused is not None
            assert refused.status == 401
        assert not any(one.done() for one in waiting), "the others did not wait for a commit"
        assert all(deferred(one.result()) for one in waiting)
        assert server.said("webhook_deferred", reason=f"not stored within {DEADLINE:g} s")
        line.let_go()
        for number in range(8):
            assert post(server, f"held {number}").status == 200
    ids = [row.message_id for row in stored(postgres_url)]
    assert sorted(ids) == sorted(
        [message_id("before"), *(message_id(f"held {n}") for n in range(8))]
    )


def is_whole(file: Path) -> bool:
    """Whether SQLite finds nothing wrong with its file."""
    connection = sqlite3.connect(file)
    try:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))
    finally:
        connection.close()


def until_refused(server: Serving, name: str) -> tuple[list[str], Answer]:
    """Send messages until one is not taken; the ids of those that were, and that answer."""
    taken: list[str] = []
    for number in range(500):
        answer = post(server, f"{name} {number}")
        if answer.status != 200:
            return taken, answer
        taken.append(message_id(f"{name} {number}"))
    raise AssertionError("it takes them all")


def check_recovered(server: Serving, file: Path, taken: list[str]) -> None:
    """Everything that was acknowledged is there and handled, and the file is sound."""
    server.said("database_full", level="critical")
    assert post(server, "afterwards").status == 200
    taken = [*taken, message_id("afterwards")]
    until = time.monotonic() + 10
    while {row.status for row in stored(f"sqlite:///{file}")} != {"done"}:
        assert time.monotonic() < until, server.log.read_text()[-2000:]
        time.sleep(0.05)
    assert server.stop() == 0
    assert set(taken) <= {row.message_id for row in stored(f"sqlite:///{file}")}
    assert is_whole(file)


def test_a_file_that_may_not_grow_is_a_503_and_an_alarm_until_it_may(tmp_path: Path) -> None:
    with serve(tmp_path, ACCOUNT) as server:
        assert post(server, "before").status == 200
        used = (tmp_path / "hookline.db-wal").stat().st_size
        _limit(server, used + 100_000)
        taken, refused = until_refused(server, "full")
        assert deferred(refused)
        assert httpx.get(f"{server.admin}/livez", trust_env=False).status_code == 200
        _limit(server, resource.RLIM_INFINITY)
        check_recovered(server, tmp_path / "hookline.db", [message_id("before"), *taken])


def _limit(server: Serving, size: int) -> None:
    """The bytes that any file of the process may have."""
    both = (size, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, both)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("nobody but root may mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_is_a_503_and_an_alarm_until_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    file = small_disk / "hookline.db"
    with serve(tmp_path, f'database_url = "sqlite:///{file}"\n{ACCOUNT}') as server:
        assert post(server, "before").status == 200
        filler = small_disk / "filler"
        _fill(filler)
        taken, refused = until_refused(server, "full")
        assert deferred(refused)
        assert httpx.get(f"{server.admin}/livez", trust_env=False).status_code == 200
        filler.unlink()
        check_recovered(server, file, [message_id("before"), *taken])


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"a" * 4096)
        except OSError:
            return


@pytest.fixture
def sqlite_connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """All connections to SQLite that are made."""
    made: list[sqlite3.Connection] = []

    def note(connection: sqlite3.Connection) -> None:
        prepare(connection)
        made.append(connection)

    for module in ("sqlite", "writer"):
        monkeypatch.setattr(f"storage.{module}.prepare", note)
    return made


def test_a_database_that_has_all_its_pages_is_a_503_and_an_alarm(
    sqlite_url: str, sqlite_connections: list[sqlite3.Connection]
) -> None:
    def allow(pages: int) -> None:
        for connection in sqlite_connections:
            connection.execute(f"PRAGMA max_page_count={pages}")

    async def main() -> None:
        async with receiving(sqlite_url) as here:
            assert await here.send(SMOOCH, said(0), NEW) == 200
            allow(1)  # as few as there are
            number = 0
            while await here.send(SMOOCH, said(number := number + 1), NEW) == 200:
                assert number < 500
            assert here.statuses[-1] == 503
            allow(1_000_000)
            assert await here.send(SMOOCH, said(number), NEW) == 200

    with capture_logs() as logs:
        asyncio.run(main())
    assert {line["log_level"] for line in logs if line["event"] == "database_full"} == {"critical"}
    numbers = [int(str(row.message_id).rpartition("-")[2]) for row in stored(sqlite_url)]
    assert numbers == [*range(len(numbers))]


def refused_start(folder: Path) -> str:
    """Why it does not start."""
    done = subprocess.run(
        [*COMMAND, "serve"], cwd=folder, capture_output=True, check=False, timeout=30, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def _read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "ro,remount", str(place)], check=True)


def test_a_read_only_file_system_is_no_way_to_start_and_the_path_is_named(
    small_disk: Path,
) -> None:
    (small_disk / "hookline.toml").write_text(ACCOUNT)
    _read_only(small_disk)
    assert "hookline.db: Read-only file system" in refused_start(small_disk)


@pytest.mark.parametrize("there", ["folder", "garbage", "no folder"])
def test_a_place_for_no_database_is_named(there: str, tmp_path: Path) -> None:
    file = tmp_path / ("missing/hookline.db" if there == "no folder" else "hookline.db")
    match there:
        case "folder":
            file.mkdir()
        case "garbage":
            file.write_bytes(b"not a database at all" * 1000)
    (tmp_path / "hookline.toml").write_text(f'database_url = "sqlite:///{file}"\n{ACCOUNT}')
    assert str(file) in refused_start(tmp_path)
