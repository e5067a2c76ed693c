"""`hookline users erase`: nothing of the person is left in any file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from handlers.events import MessageReceived
from handlers.people import ChannelIdentity, User
from receiver.cli.main import app
from receiver.spool import Spool
from storage import inbox, quarantine, retention
from storage.database import Database
from storage.inbox import Delivery
from storage.quarantine import Refusal
from storage.retention import Keep
from tests.conftest import NOW

PHONE = "15145550177"
ANN = "canary7c9e1f2a3b4c5d6e7f"
LONG = 20_000  # bytes: more than one page, so that some pages are freed as a whole
DAY = timedelta(days=1)


@pytest.fixture
def home(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run, with the settings for this database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOKLINE_DATABASE_URL", database_url)
    settings = '[accounts.chat]\nprovider = "smooch"\nwebhook_secrets = ["s"]\n'
    (tmp_path / "hookline.toml").write_text(settings, encoding="utf-8")
    return tmp_path


def body(number: int, user: str) -> bytes:
    said = {"n": number, "user": user, "from": f"+{PHONE}", "text": "x" * LONG}
    return json.dumps(said if user == ANN else {"n": number, "user": user}).encode()


def write(database: Database, user: str, count: int) -> None:
    """So many messages of somebody, each in a transaction of its own."""
    places = (ChannelIdentity("sms", f"+{PHONE}", "twilio"),) if user == ANN else ()
    for number in range(count):
        event = MessageReceived(id=f"{user}:{number}", user=User(user), identities=places)
        received = NOW - 60 * DAY if number % 2 else NOW
        with database.write() as tx:
            inbox.save(tx, [Delivery("chat", body(number, user), (event,), received)], received)


def forget(*more: str) -> Result:
    args = ["users", "erase", ANN, "--account", "chat", "--yes", *more]
    return CliRunner().invoke(app, args)


def found(folder: Path) -> list[tuple[str, str]]:
    """(file, word) of what is left."""
    return [
        (path.name, word)
        for path in sorted(folder.glob("hookline*"))
        if path.is_file()
        for word in (ANN, PHONE)
        if word.encode() in path.read_bytes()
    ]


def fill(database: Database) -> None:
    """Ann in all places there are, some of them deleted already; and somebody else."""
    write(database, ANN, 12)
    write(database, "somebody-else", 6)
    refusal = Refusal("chat", NOW, None, 401, "no", b"salt", (), body(99, ANN))
    with database.write() as tx:
        quarantine.add(tx, [refusal] * 3)
        tx.run("DELETE FROM job")
    with database.write() as tx:
        while retention.prune(tx, Keep(30 * DAY, 365 * DAY), NOW):
            pass


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_byte_of_the_files_names_them_afterwards(database: Database, home: Path) -> None:
    fill(database)
    assert {word for _, word in found(home)} == {ANN, PHONE}
    database.check()  # which leaves a connection open
    result = forget("--json")
    assert result.exit_code == 0, result.output
    receipt = json.loads(result.stdout)
    assert (receipt["users"], receipt["events"], receipt["refused"]) == (1, 12, 3)
    assert receipt["erased_at"]
    assert (home / "hookline.db-wal").exists(), "somebody else has the database open"
    assert found(home) == []
    with database.read() as tx:
        left = tx.run("SELECT count(*) FROM event WHERE body IS NOT NULL").scalar_one()
    assert left == 3, "somebody else's, of whom half is pruned"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_the_file_is_being_read_it_says_so_and_a_second_run_does_it(
    database: Database, home: Path
) -> None:
    fill(database)
    with database.read() as tx:
        tx.run("SELECT count(*) FROM event").scalar_one()
        result = forget()
    assert result.exit_code == 1
    assert "run the same command again" in result.stderr
    again = forget()
    assert (again.exit_code, again.stderr) == (1, f"hookline: there is no user '{ANN}' in chat\n")
    assert found(home) == []


@contextmanager
def spool(folder: Path) -> Iterator[Spool]:
    there = Spool(folder, 10**6)
    there.open()
    try:
        yield there
    finally:
        there.close()


def test_webhooks_that_wait_in_the_spool_are_taken_in_first(
    database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_SPOOL_DIR", "waiting")
    fill(database)
    with spool(home / "waiting") as waiting:
        waiting.append([Delivery("chat", body(7, ANN), (), NOW)], begin=True)
        result = forget()
        assert result.exit_code == 1
        assert "nothing was forgotten" in result.stderr
        assert "waiting" in result.stderr
        waiting.read(10)
        waiting.drop()
        assert waiting.finish()
        assert forget().exit_code == 0


def test_a_file_that_was_set_aside_and_names_them_is_named(
    database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_SPOOL_DIR", "waiting")
    fill(database)
    with spool(home / "waiting") as waiting:
        waiting.set_aside("one", b"somebody-else")
        path = waiting.set_aside("two", body(7, ANN))
    result = forget()
    assert result.exit_code == 1
    assert Path(path).name in result.stderr
    assert "aside-one" not in result.stderr
    Path(path).unlink()
    assert forget().exit_code == 0
