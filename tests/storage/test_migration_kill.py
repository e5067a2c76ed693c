"""A migration that is killed at any statement leaves nothing half done and nobody locked out."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import inspect, make_url, text

from storage.database import Database, NewerSchema
from tests.parts import postgres
from tests.parts.process import ACCOUNT, COMMAND, ask, message, request, serve, stored

# A process that migrates and kills itself after so many statements.
PROGRAM = """
import os, signal, sys
from sqlalchemy import event
from storage.database import Database

database = Database(sys.argv[1])
left = int(sys.argv[2])

@event.listens_for(database.engine, "after_cursor_execute")
def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

database.migrate()
"""
MOMENTS = [4, 25, 40]  # of about fifty statements


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/hookline.db"
        return
    server, name = request.getfixturevalue("postgres_server"), f"hookline_killed_{os.getpid()}"
    yield postgres.create_database(server, name)
    postgres.drop_database(server, name)


def migrate_and_die(url: str, moment: int) -> int:
    command = [sys.executable, "-P", "-c", PROGRAM, url, str(moment)]
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode


def is_untouched(url: str) -> bool:
    database = Database(url)
    try:
        return database.is_empty()
    finally:
        database.close()


def is_unlocked(url: str) -> bool:
    """Whether nobody holds the lock of migrations any more."""
    if url.startswith("sqlite"):
        return True
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    with psycopg.connect(plain) as connection:
        row = connection.execute(sql).fetchone()
    return row == (0,)


def test_whenever_it_is_killed_nothing_is_half_done_and_the_next_start_does_it(
    empty_url: str, tmp_path: Path
) -> None:
    for moment in MOMENTS:
        assert migrate_and_die(empty_url, moment) == -signal.SIGKILL
        assert is_untouched(empty_url)
        assert is_unlocked(empty_url)
    toml = f'database_url = "{empty_url}"\nspool_dir = ""\n{ACCOUNT}'
    with serve(tmp_path, toml, "--no-work") as server:
        answer = ask(server.port, request(message("first")))
        assert answer is not None
        assert answer.status == 200
        assert server.stop() == 0
    assert len(stored(empty_url)) == 1


def refused_start(folder: Path, url: str) -> str:
    """Why it does not serve."""
    folder.mkdir()
    (folder / "hookline.toml").write_text(f'database_url = "{url}"\nspool_dir = ""\n{ACCOUNT}')
    done = subprocess.run(
        [*COMMAND, "serve"], cwd=folder, capture_output=True, check=False, timeout=30, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@contextmanager
def stamped(url: str, revision: str | None) -> Iterator[Database]:
    """A database that says its schema is of that revision, until the block ends; None: of none."""
    database = Database(url)
    with database.engine.begin() as connection:
        before = connection.execute(text("DELETE FROM alembic_version RETURNING *")).scalar_one()
    _stamp(database, revision)
    try:
        yield database
    finally:
        _stamp(database, before)
        database.close()


def _stamp(database: Database, revision: str | None) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision:
            connection.execute(text("INSERT INTO alembic_version VALUES (:r)"), {"r": revision})


def test_an_older_schema_is_not_served_and_says_what_to_do(
    database_url: str, tmp_path: Path
) -> None:
    with stamped(database_url, None):
        assert "run `hookline migrate`" in refused_start(tmp_path / "older", database_url)


def test_a_newer_schema_is_left_alone(database_url: str, tmp_path: Path) -> None:
    with stamped(database_url, "9999") as database:
        assert "newer than this program" in refused_start(tmp_path / "newer", database_url)
        with pytest.raises(NewerSchema):
            database.migrate()
        assert "event" in inspect(database.engine).get_table_names()
        done = subprocess.run(
            [*COMMAND, "migrate"], cwd=tmp_path / "newer", capture_output=True, check=False
        )
    assert done.returncode == 1
    assert b"newer than this program" in done.stderr
    assert b"Traceback" not in done.stderr
