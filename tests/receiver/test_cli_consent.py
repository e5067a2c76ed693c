"""`hookline send` and `link` write to nobody who has refused it, where a database knows of that."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from handlers.event import Event
from handlers.events import MessageReceived, UserMerged
from handlers.people import ChannelIdentity, User
from receiver.cli.main import app
from storage import inbox
from storage.database import Database
from storage.inbox import Delivery
from tests.receiver.web import Web, web

PHONE = "+15145550123"
OTHER = "+15145550188"
ANN = User("7c9e1f2a3b4c5d6e7f809a1b", "ann")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A provider that agrees to everything, and the accounts to reach it."""
    monkeypatch.chdir(tmp_path)
    with web() as there:
        yes = {"id": "01HC", "channel_identities": [], "message_id": "01HM", "success": True}
        yes |= {"message": {"_id": "0a1b"}, "appUser": {"_id": ANN.id}}
        there.default = 200, json.dumps(yes).encode()
        (tmp_path / "hookline.toml").write_text(
            f"""
            [accounts.support]
            provider = "smooch"
            app_id = "6f1a"
            token = "t"
            base_url = "{there.url}"
            [accounts.texts]
            provider = "sinch"
            project_id = "proj"
            app_id = "app1"
            token = "t"
            base_url = "{there.url}"
            [accounts.agent]
            provider = "avaamo"
            channel_uuid = "u"
            base_url = "{there.url}"
            """,
            encoding="utf-8",
        )
        yield there


@pytest.fixture
def remembered(
    provider: Web, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """The database of these settings, in which Ann has said STOP to both accounts."""
    monkeypatch.setenv("HOOKLINE_DATABASE_URL", database_url)
    for account in ("support", "texts"):
        happen(database, account, text("STOP", 0))
    return database


def text(words: str, minutes: int) -> MessageReceived:
    return MessageReceived(
        id=f"m:{minutes}",
        user=ANN,
        identities=(ChannelIdentity("sms", PHONE, "twilio"),),
        channel="sms",
        text=words,
        occurred_at=NOW + timedelta(minutes=minutes),
    )


def happen(database: Database, account: str, *events: Event) -> None:
    with database.write() as tx:
        inbox.save(tx, [Delivery(account, b"{}", (event,), NOW) for event in events], NOW)


def run(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


TO_ANN = {
    "by number": ("send", "texts", "Hello", "--to", f"sms:{PHONE}"),
    "by id": ("send", "support", "Hello", "--user", ANN.id),
    "by id on that channel": ("send", "support", "Hello", "--user", ANN.id, "--via", "sms"),
    "by the business's id": ("send", "support", "Hello", "--user", "ann"),
    "by an alias": ("send", "support", "Hello", "--user", "old"),
    "by a number that is a user": ("send", "texts", "Hello", "--user", f"sms:{PHONE}"),
    "by a link": ("link", "support", "somebody", "twilio", PHONE),
    "by a link that asks": ("link", "support", "x", "twilio", PHONE, "--confirmation", "prompt"),
    "by an identity": ("link", "texts", "01HC", "sms", PHONE),
    "by an agent": ("send", "agent", "--to", f"sms:{PHONE}"),
}


@pytest.mark.parametrize("args", TO_ANN.values(), ids=TO_ANN)
def test_who_said_stop_is_not_written_to_until_they_say_start(
    provider: Web, remembered: Database, args: tuple[str, ...]
) -> None:
    happen(remembered, "support", UserMerged(id="merge", user=ANN, discarded=("old",)))
    result = run(*args)
    assert (result.exit_code, result.stdout, provider.asked) == (1, "", []), result.output
    [line] = result.stderr.splitlines()
    assert "opted_out" in line
    assert "START" in line
    for account in ("support", "texts"):
        happen(remembered, account, text("START", 1))
    assert run(*args).exit_code == 0
    assert provider.asked != []


@pytest.mark.parametrize(
    "args",
    [
        ("send", "texts", "Hello", "--to", f"sms:{OTHER}"),
        ("send", "texts", "Hello", "--to", f"whatsapp:{PHONE}"),
        ("send", "support", "Hello", "--user", "somebody"),
        ("link", "support", ANN.id, "twilio", OTHER),
        ("send", "agent", "--to", f"sms:{OTHER}"),
        ("create-user", "texts", "--identity", f"sms:{PHONE}"),
    ],
)
def test_what_goes_elsewhere_is_sent(
    provider: Web, remembered: Database, args: tuple[str, ...]
) -> None:
    result = run(*args)
    assert result.exit_code == 0, result.output
    assert provider.asked != []


def test_without_a_database_it_is_sent_and_none_is_made(provider: Web, tmp_path: Path) -> None:
    assert run(*TO_ANN["by number"]).exit_code == 0
    assert provider.asked != []
    assert not (tmp_path / "hookline.db").exists()


def test_nothing_is_sent_while_the_database_cannot_be_asked(
    provider: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    result = run(*TO_ANN["by number"])
    assert (result.exit_code, provider.asked) == (1, [])
    assert "database" in result.stderr
