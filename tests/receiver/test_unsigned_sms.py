"""An SMS service plan whose callbacks are not signed: who is let in, and who is not."""

import asyncio
import io
import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from pydantic import ValidationError
from typer.testing import CliRunner

from receiver import logs, run, samples
from receiver.accounts import accounts
from receiver.app import public
from receiver.brief import brief
from receiver.cli.main import app
from receiver.errors import Refused
from receiver.intake import intake
from receiver.node import CannotStart
from receiver.provider import PATH_TOKEN
from receiver.providers.sinch_sms import proof
from receiver.providers.sinch_sms.options import SinchSmsOptions
from receiver.quarantine import reverify
from receiver.settings import Settings
from receiver.sinch_signature import sign
from storage.database import Database
from tests.receiver.web import web

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOKEN = "k3Jf9-sQ2_vLx0aZ8w"
OTHER = "k3Jf9-sQ2_vLx0aZ8x"
BODY = json.dumps(samples.make("sinch_sms", "mo_text", seed="a", now=NOW)).encode()


def basic(user: str, password: str) -> bytes:
    return b"Basic " + b64encode(f"{user}:{password}".encode())


GOOD = (b"authorization", basic("sinch", "pass word"))
BAD = (b"authorization", basic("sinch", "pass Word"))
BY_TOKEN = {"path_token": TOKEN}
BY_BASIC = {"basic_user": "sinch", "basic_password": "pass word"}
IN_WORDS = {"accept_unsigned": "anybody may post here"}

# What is configured, what comes, and whether it is let in.
CASES: list[tuple[dict[str, Any], list[tuple[bytes, bytes]], bool]] = [
    ({}, [], False),
    ({}, [(PATH_TOKEN, TOKEN.encode())], False),
    ({}, [GOOD], False),
    (BY_TOKEN, [(PATH_TOKEN, TOKEN.encode())], True),
    (BY_TOKEN, [(PATH_TOKEN, OTHER.encode())], False),
    (BY_TOKEN, [(PATH_TOKEN, TOKEN[:-1].encode())], False),
    (BY_TOKEN, [(PATH_TOKEN, b"")], False),
    (BY_TOKEN, [(PATH_TOKEN, TOKEN.encode())] * 2, False),
    (BY_TOKEN, [GOOD], False),
    (BY_TOKEN, [], False),
    (BY_BASIC, [GOOD], True),
    (BY_BASIC, [BAD], False),
    (BY_BASIC, [GOOD, GOOD], False),
    (BY_BASIC, [BAD, GOOD], False),
    (BY_BASIC, [(b"authorization", b"Basic ")], False),
    (BY_BASIC, [(b"authorization", b"Bearer pass word")], False),
    (BY_BASIC, [(b"authorization", b"\xff\xfe")], False),
    (BY_BASIC, [], False),
    (BY_TOKEN | BY_BASIC, [(PATH_TOKEN, TOKEN.encode()), GOOD], True),
    (BY_TOKEN | BY_BASIC, [(PATH_TOKEN, TOKEN.encode())], False),
    (BY_TOKEN | BY_BASIC, [GOOD], False),
    (IN_WORDS, [], True),
    (IN_WORDS | BY_TOKEN, [], False),
    (BY_TOKEN | {"webhook_secrets": ["s"]}, [(PATH_TOKEN, TOKEN.encode())], False),
    (IN_WORDS | {"webhook_secrets": ["s"]}, [], False),
]


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """What is logged; the process's own settings come back afterwards."""
    root = logging.getLogger()
    handlers, level, out = root.handlers[:], root.level, io.StringIO()
    logs.configure("json", stream=out)
    yield out
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    brief.write = None


def configured(**given: Any) -> SinchSmsOptions:
    return SinchSmsOptions.model_validate({"provider": "sinch_sms", **given})


def secrets_of(options: SinchSmsOptions) -> list[bytes]:
    return [secret.get_secret_value().encode() for secret in options.webhook_secrets]


@pytest.mark.parametrize(("given", "headers", "welcome"), CASES)
def test_only_what_is_configured_lets_a_callback_in_and_the_steps_agree(
    given: dict[str, Any], headers: list[tuple[bytes, bytes]], welcome: bool
) -> None:
    options = configured(**given)
    if welcome:
        assert proof.verify(headers, BODY, secrets_of(options), NOW, options).secret is None
    else:
        with pytest.raises(Refused) as refused:
            proof.verify(headers, BODY, secrets_of(options), NOW, options)
        assert not [s for s in (TOKEN, "pass word") if s in str(refused.value)]
    steps = proof.explain(headers, BODY, secrets_of(options), NOW, options)
    assert steps
    assert all(step.ok is not False for step in steps) is welcome


def test_with_a_secret_the_signature_alone_decides() -> None:
    options = configured(webhook_secrets=["s"], **BY_TOKEN)
    headers = [(k.encode(), v.encode()) for k, v in sign(BODY, b"s", NOW, "once").items()]
    assert proof.verify(headers, BODY, [b"s"], NOW, options).secret == 0
    with pytest.raises(Refused):
        proof.verify(headers, BODY + b" ", [b"s"], NOW, options)


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"path_token": "short"}, "16 or more"),
        ({"path_token": "with/a/slash/and/more"}, "16 or more"),
        ({"basic_user": "sinch"}, "belong together"),
        ({"basic_password": "x"}, "belong together"),
        ({"basic_user": "a:b", "basic_password": "x"}, "colon"),
        ({"basic_user": "sinch", "basic_password": " "}, "empty"),
        ({"accept_unsigned": True}, "anybody may post here"),
        ({"accept_unsigned": "yes"}, "anybody may post here"),
    ],
)
def test_what_would_protect_nothing_is_no_setting(given: dict[str, Any], about: str) -> None:
    with pytest.raises(ValidationError, match=about):
        configured(**given)


@pytest.mark.parametrize("given", [{}, {"service_plan_id": "p", "token": "t"}])
def test_a_plan_without_any_proof_does_not_start(given: dict[str, Any]) -> None:
    settings = Settings.model_validate({"accounts": {"plan": {"provider": "sinch_sms", **given}}})
    with pytest.raises(CannotStart, match=r"accounts\.plan\.webhook_secrets.*accept_unsigned"):
        run.start(settings, receives=True, works=False)


@pytest.mark.parametrize("given", [BY_TOKEN, BY_BASIC, IN_WORDS, {"webhook_secrets": ["s"]}])
def test_any_proof_is_enough_to_start(given: dict[str, Any]) -> None:
    assert configured(**given).unguarded() is None


# Through the endpoint

TOML: dict[str, Any] = {
    "plan": {"provider": "sinch_sms", **BY_TOKEN},
    "guarded": {"provider": "sinch_sms", **BY_BASIC},
    "chat": {"provider": "smooch", "webhook_secrets": ["the key"]},
}
KEY = {"X-API-Key": "the key"}

REQUESTS: list[tuple[str, str, dict[str, str], int]] = [
    ("POST", f"plan/{TOKEN}", {}, 200),
    ("POST", f"plan/{TOKEN}/", {}, 200),
    ("POST", f"plan/{OTHER}", {}, 401),
    ("POST", f"plan/{TOKEN}/more", {}, 401),
    ("POST", "plan", {}, 401),
    ("POST", "plan/", {}, 401),
    ("GET", f"plan/{TOKEN}", {}, 200),
    ("POST", "guarded", {"Authorization": basic("sinch", "pass word").decode()}, 200),
    ("POST", "guarded", {"Authorization": basic("sinch", "").decode()}, 401),
    ("POST", "chat", KEY, 200),
    ("POST", f"chat/{TOKEN}", KEY, 404),
    ("POST", f"nobody/{TOKEN}", {}, 404),
]


async def _answers(database: Database) -> list[int]:
    settings = Settings.model_validate({"accounts": TOML, "database_url": database.url})
    known = accounts(settings.accounts)
    async with (
        intake(settings, known, lambda: NOW, lambda: None, None) as endpoint,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(public(endpoint)), base_url="http://here"
        ) as client,
    ):
        return [
            (
                await client.request(method, f"/webhooks/{path}", headers=headers, content=BODY)
            ).status_code
            for method, path, headers, _ in REQUESTS
        ]


def test_the_path_after_the_name_is_the_token(database: Database, log: io.StringIO) -> None:
    assert asyncio.run(_answers(database)) == [status for *_, status in REQUESTS]
    assert "/webhooks/nobody/..." in log.getvalue()
    assert TOKEN not in log.getvalue()
    with database.read() as tx:
        kept = repr(tx.run("SELECT headers, reason FROM quarantine").fetchall())
    assert ":path-token" in kept
    assert OTHER not in kept


def test_what_was_refused_for_its_token_is_genuine_once_the_token_is_set_right(
    database: Database,
) -> None:
    mended = TOML | {"plan": {"provider": "sinch_sms", "path_token": OTHER}}
    asyncio.run(_answers(database))
    known = accounts(Settings.model_validate({"accounts": mended}).accounts)
    judged = list(reverify(database, known, "plan", NOW, dry_run=False))
    assert [one.genuine for one in judged] == [True, False, False, False]


# The commands

FILE = f"""
[accounts.plan]
provider = "sinch_sms"
path_token = "{TOKEN}"
basic_user = "sinch"
basic_password = "pass word"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hookline.toml").write_text(FILE)
    (tmp_path / "body").write_bytes(BODY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_simulated_callback_shows_what_sinch_would(folder: Path) -> None:
    with web() as receiver:
        port = receiver.url.rpartition(":")[2]
        (folder / "hookline.toml").write_text(f"port = {port}\n{FILE}")
        result = CliRunner().invoke(app, ["simulate", "plan", "mo_text"])
        [asked] = receiver.asked
    assert result.exit_code == 0, result.output
    assert asked.path == f"/webhooks/plan/{TOKEN}"
    headers = [(b"authorization", asked.headers["authorization"].encode())]
    proof.verify(
        [*headers, (PATH_TOKEN, asked.path.rpartition("/")[2].encode())],
        asked.body,
        [],
        NOW,
        configured(**BY_TOKEN, **BY_BASIC),
    )
    assert TOKEN not in result.output


@pytest.mark.parametrize(("path", "code"), [(f"/webhooks/plan/{TOKEN}", 0), ("/webhooks/plan", 1)])
def test_a_saved_callback_is_verified_with_its_path(folder: Path, path: str, code: int) -> None:
    header = f"Authorization: {basic('sinch', 'pass word').decode()}"
    args = ["verify", "body", "--account", "plan", "--path", path, "-H", header]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == code, result.output
    assert ("NO  path token" in result.output) is bool(code)
    assert "ok  basic" in result.output
