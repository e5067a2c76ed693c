"""`hookline export`: everything, and what a damaged database still holds."""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from receiver.accounts import accounts
from receiver.cli.main import app
from receiver.receive import receive
from receiver.settings import load
from storage import inbox
from storage.database import Database, is_damaged
from tests.conftest import NOW
from tests.parts.postgres import Server
from tests.parts.process import (
    ACCOUNT,
    COMMAND,
    SECRET,
    ask,
    message,
    message_id,
    request,
    serve,
    stored,
)
from tests.receiver.reception import SMOOCH, said

PAGE = 4096  # bytes, SQLite's
BLOCK = 8192  # PostgreSQL's
COUNT = 1200  # events: more than two pages of a listing
KEY = ((b"x-api-key", SECRET.encode()),)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run, with their settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hookline.toml").write_text(ACCOUNT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def url(home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of either kind, which the commands use."""
    monkeypatch.setenv("HOOKLINE_DATABASE_URL", database_url)
    return database_url


def fill(url: str, bodies: list[bytes]) -> None:
    """Store these in one go."""
    database = Database(url)
    database.migrate()
    account = accounts(load().accounts)[SMOOCH]
    with database.write() as tx:
        inbox.save(tx, [receive(account, KEY, body, NOW) for body in bodies], NOW)
    database.close()  # SQLite's log is folded into the file


def export(*args: str) -> Result:
    return CliRunner().invoke(app, ["export", *args])


def lines(result: Result, kind: str) -> list[dict[str, Any]]:
    every = [json.loads(line) for line in result.stdout.splitlines()]
    return [line for line in every if line["kind"] == kind]


def overwrite(file: Path, *words: bytes) -> None:
    """Damage the pages of the file that hold these words."""
    content = bytearray(file.read_bytes())
    for word in words:
        at = content.index(word) // PAGE * PAGE
        content[at : at + PAGE] = b"\xa5" * PAGE
    file.write_bytes(content)


def roots(file: Path) -> dict[str, int]:
    """Where in the file each table and index begins."""
    with sqlite3.connect(file) as db:
        found = db.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage > 0")
        return {name: (page - 1) * PAGE for name, page in found}


def strike(file: Path, name: str) -> None:
    """Damage the first page of a table or index."""
    at = roots(file)[name]
    with file.open("r+b") as handle:
        handle.seek(at)
        handle.write(b"\xa5" * PAGE)


def test_everything_comes_out_the_oldest_first(url: str) -> None:
    fill(url, [said(n, user=f"user-{n % 700}") for n in range(COUNT)])
    result = export()
    assert result.exit_code == 0
    events, people = lines(result, "event"), lines(result, "user")
    assert [event["message_id"] for event in events] == [
        f"user-{n % 700}-{n}" for n in range(COUNT)
    ]
    assert events[0]["raw"]["messages"][0]["_id"] == "user-0-0"
    assert {event["status"] for event in events} == {"pending"}
    assert sorted(person["id"] for person in people) == sorted(f"user-{n}" for n in range(700))
    assert any(person["identities"] for person in people)
    assert f"{COUNT} events" in result.stderr
    assert "700 people" in result.stderr


def test_what_cannot_be_parsed_comes_out_as_it_came(url: str) -> None:
    fill(url, [b"no JSON at all", b"\xff\xfe", message("3")])
    odd, odder, plain = lines(export(), "event")
    assert (odd["status"], odd["body"]) == ("unparsed", "no JSON at all")
    assert (odder["status"], odder["body_base64"]) == ("unparsed", "//4=")
    assert "body" not in plain
    assert plain["message_id"] == message_id("3")


def test_an_empty_database_gives_nothing(url: str) -> None:
    fill(url, [])
    result = export()
    assert (result.exit_code, result.stdout) == (0, "")


def test_it_can_be_narrowed(url: str) -> None:
    fill(url, [said(1)])
    assert len(lines(export("--account", SMOOCH), "event")) == 1
    assert export("--account", "another").stdout == ""
    assert lines(export("--until", "2020-01-01T00:00:00Z"), "event") == []
    assert len(lines(export("--since", "2020-01-01T00:00:00Z"), "event")) == 1


@pytest.fixture
def damaged(home: Path) -> Callable[..., Path]:
    """An SQLite file with COUNT events, of which something is overwritten."""

    def made(damage: Callable[[Path], None]) -> Path:
        file = home / "hookline.db"
        fill(f"sqlite:///{file}", [said(number, user="ann") for number in range(COUNT)])
        damage(file)
        return file

    return made


@pytest.mark.parametrize("numbers", [(600,), (3, 700), (COUNT - 1,)])
def test_of_a_damaged_file_all_else_comes_out(
    damaged: Callable[..., Path], numbers: tuple[int, ...]
) -> None:
    words = [f'"_id": "ann-{number}"'.encode() for number in numbers]
    damaged(lambda file: overwrite(file, *words))
    result = export()
    assert result.exit_code == 1
    found = {event["message_id"] for event in lines(result, "event")}
    lost = [number for number in range(COUNT) if f"ann-{number}" not in found]
    assert set(numbers) <= set(lost)
    assert len(lost) <= 4 * len(numbers)  # as many as a page holds
    assert [person["id"] for person in lines(result, "user")] == ["ann"]
    told = result.stderr.splitlines()[-1]
    assert f" {lost[0] + 1}{' and later' if numbers == (COUNT - 1,) else '-'}" in told


@pytest.mark.parametrize("table", ["job", "app_user", "run"])
def test_damage_elsewhere_costs_no_event(damaged: Callable[..., Path], table: str) -> None:
    damaged(lambda file: strike(file, table))
    result = export()
    found = lines(result, "event")
    assert [event["message_id"] for event in found] == [f"ann-{n}" for n in range(COUNT)]
    assert {event["user"]["id"] for event in found} == {"ann"}
    assert result.exit_code == (1 if table == "app_user" else 0)


@pytest.fixture
def server(own_server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A PostgreSQL of this test's own, which the commands use."""
    monkeypatch.setenv("HOOKLINE_DATABASE_URL", own_server.url)
    return own_server


def ruin(server: Server, relation: str, block: int) -> None:
    """Damage a page of a table or index, while the server is down."""
    with psycopg.connect(server.url) as db:
        [path] = db.execute("SELECT pg_relation_filepath(%s::regclass)", [relation]).fetchone()
    server.stop(immediate=False)
    with (server.folder / "data" / path).open("r+b") as handle:
        handle.seek(block * BLOCK)
        handle.write(b"\xa5" * BLOCK)
    server.start("fsync=off")


def test_of_a_damaged_postgresql_all_else_comes_out(server: Server) -> None:
    fill(server.url, [said(number, user="ann") for number in range(COUNT)])
    ruin(server, "event", 20)
    result = export()
    assert result.exit_code == 1
    found = {event["message_id"] for event in lines(result, "event")}
    lost = [number for number in range(COUNT) if f"ann-{number}" not in found]
    assert 0 < len(lost) <= 10  # as many as a page holds
    assert [person["id"] for person in lines(result, "user")] == ["ann"]
    assert result.stderr.splitlines()[-1].startswith("hookline: the database is damaged")


def test_with_a_spool_what_cannot_be_stored_waits_until_it_is_mended(
    server: Server, tmp_path: Path
) -> None:
    fill(server.url, [message("before")])
    ruin(server, "uq_event_dedup", 0)
    settings = f'database_url = "{server.url}"\nspool_dir = "spool"\n{ACCOUNT}'
    with serve(tmp_path, settings, "--no-work") as running:
        statuses = []
        for seed in ("1", "2"):
            answer = ask(running.port, request(message(seed)))
            assert answer is not None
            statuses.append(answer.status)
        assert statuses == [200, 200]
        assert "hookline export" in running.said("database_damaged")["todo"]
        with psycopg.connect(server.url, autocommit=True) as db:
            db.execute("REINDEX INDEX uq_event_dedup")
        running.said("spool_empty", within=20)
        assert running.stop() == 0
    ids = [row.message_id for row in stored(server.url)]
    assert ids == [message_id(seed) for seed in ("before", "1", "2")]


def test_other_errors_are_not_taken_for_damage(url: str) -> None:
    fill(url, [said(1)])
    database = Database(url)
    with pytest.raises(Exception, match="no_such_table") as caught, database.read() as tx:
        tx.run("SELECT 1 FROM no_such_table").fetchall()
    database.close()
    assert not is_damaged(caught.value)


def test_a_process_that_cannot_start_says_what_to_do(damaged: Callable[..., Path]) -> None:
    file = damaged(lambda file: strike(file, "alembic_version"))
    done = subprocess.run([*COMMAND, "serve"], cwd=file.parent, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"sqlite:///hookline.db cannot be used" in done.stderr
    assert b"hookline export" in done.stderr


def test_a_running_one_stores_what_it_can_and_raises_an_alarm(tmp_path: Path) -> None:
    with serve(tmp_path, ACCOUNT, "--no-work") as server:
        server.stop()
    strike(tmp_path / "hookline.db", "sqlite_autoindex_event_1")
    with serve(tmp_path, ACCOUNT, "--no-work") as server:
        answer = ask(server.port, request(message("1")))
        assert answer is not None
        assert answer.status == 503
        alarm = server.said("database_damaged")
        assert (alarm["level"], alarm["waiting"]) == ("critical", 1)
        assert "hookline export" in alarm["todo"]
