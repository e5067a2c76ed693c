"""`hookline verify`: genuine or not, and why not."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from receiver.cli.main import app

SECRET = "canary-of-verify"
BODY = b'{"message": {"id": "01HVERIFY"}}'
SIGNED_AT = 1_700_000_000
PREFIX = "x-sinch-webhook-signature"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.json").write_bytes(BODY)
    (tmp_path / "hookline.toml").write_text(
        f"""
        [accounts.texts]
        provider = "sinch"
        webhook_secrets = ["another", "{SECRET}"]
        [accounts.moved]
        provider = "sinch"
        webhook_secrets = ["another", "{SECRET}"]
        old_secrets_until = 2023-11-14T22:20:00Z
        [accounts.support]
        provider = "smooch"
        webhook_secrets = ["{SECRET}"]
        [accounts.agent]
        provider = "avaamo"
        """,
        encoding="utf-8",
    )


def signed(body: bytes = BODY) -> list[str]:
    """The options for a request signed by the documented rule."""
    message = body + b"." + b"nonce-1" + b"." + str(SIGNED_AT).encode()
    digest = hmac.new(SECRET.encode(), message, hashlib.sha256).digest()
    headers = {
        PREFIX: base64.b64encode(digest).decode(),
        f"{PREFIX}-nonce": "nonce-1",
        f"{PREFIX}-timestamp": str(SIGNED_AT),
        f"{PREFIX}-algorithm": "HmacSHA256",
    }
    return [part for k, v in headers.items() for part in ("--header", f"{k.title()}: {v}")]


def verify(*args: str, file: str = "body.json", stdin: bytes | None = None) -> Result:
    result = CliRunner().invoke(app, ["verify", file, *args], input=stdin)
    assert SECRET not in result.output
    return result


def test_a_genuine_request_is_genuine_however_old_the_file_is() -> None:
    result = verify("--account", "texts", *signed())
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "genuine"


def test_the_steps_are_told_to_programs_too() -> None:
    result = verify("--account", "texts", *signed(), "--json")
    told = json.loads(result.stdout)
    assert (told["file"], told["account"]) == ("body.json", "texts")
    assert (told["genuine"], told["reason"]) == (True, None)
    assert {"name", "ok", "detail"} == set(told["steps"][0])
    assert not any(step["ok"] is False for step in told["steps"])


@pytest.mark.parametrize(
    ("at", "code"),
    [("2023-11-14T22:14:00Z", 0), (str(SIGNED_AT + 30), 0), ("2026-01-01T00:00:00Z", 1)],
)
def test_with_the_time_of_arrival_the_age_is_judged(at: str, code: int) -> None:
    assert verify("--account", "texts", *signed(), "--at", at).exit_code == code


def test_that_the_secret_is_an_old_one_is_told() -> None:
    assert verify("--account", "moved", *signed(), "--at", str(SIGNED_AT)).exit_code == 0
    result = verify("--account", "moved", *signed())
    assert result.exit_code == 1
    assert "good until 2023-11-14T22:20:00+00:00 (old_secrets_until)" in result.stdout
    changed = verify("--account", "moved", *signed(), file="-", stdin=BODY + b"\n")
    assert changed.exit_code == 1
    assert "old secret" not in changed.stdout


def test_a_changed_body_is_not_genuine() -> None:
    result = verify("--account", "texts", *signed(), file="-", stdin=BODY + b"\n")
    assert result.exit_code == 1
    assert "not genuine: " in result.stdout


def test_a_smooch_request_is_its_key_and_a_doubled_key_is_none() -> None:
    key = ("--header", f"X-Api-Key: {SECRET}")
    assert verify("--account", "support", *key).exit_code == 0
    assert verify("--account", "support", *key, *key).exit_code == 1
    assert verify("--account", "support", "--header", "X-API-Key: wrong").exit_code == 1
    assert verify("--account", "support").exit_code == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--account", "text"), "did you mean texts?"),
        (("--account", "agent"), "avaamo sends no webhooks"),
        (("--account", "texts", "--header", "no colon"), "NAME:VALUE"),
        (("--account", "texts", "--at", "yesterday"), "is no time"),
    ],
)
def test_wrong_use_is_exit_2(args: tuple[str, ...], said: str) -> None:
    result = verify(*args)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_missing_file_is_exit_1() -> None:
    result = verify("--account", "texts", file="gone.json")
    assert result.exit_code == 1
    assert "gone.json cannot be read" in result.stderr
