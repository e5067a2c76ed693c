"""`hookline create-user`, `link` and `send`: the requests that the guides describe."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from receiver.cli.main import app
from tests.receiver.web import Web, web

USER = "7c9e1f2a3b4c5d6e7f809a1b"
SMOOCH = "/v1.1/apps/6f1a/appusers"
SINCH = "/v1/projects/proj"


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.chdir(tmp_path)
    with web() as there:
        (tmp_path / "hookline.toml").write_text(
            f"""
            [accounts.support]
            provider = "smooch"
            app_id = "6f1a"
            token = "canary-token"
            base_url = "{there.url}"
            [accounts.texts]
            provider = "sinch"
            project_id = "proj"
            app_id = "app1"
            token = "canary-token"
            base_url = "{there.url}"
            [accounts.agent]
            provider = "avaamo"
            channel_uuid = "canary-uuid"
            base_url = "{there.url}"
            [accounts.unfinished]
            provider = "sinch"
            """,
            encoding="utf-8",
        )
        yield there


def run(*args: str) -> Result:
    result = CliRunner().invoke(app, list(args))
    assert "canary" not in result.output
    return result


def said(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def answer(value: Any, status: int = 200) -> tuple[int, bytes]:
    return status, json.dumps(value).encode()


def last(provider: Web) -> tuple[str, str, Any]:
    asked = provider.asked[-1]
    return asked.method, asked.path, json.loads(asked.body)


def test_a_user_is_created_before_they_write(provider: Web) -> None:
    provider.answers[f"POST {SMOOCH}"] = answer({"appUser": {"_id": USER, "userId": "ann"}}, 201)
    result = run(
        *("create-user", "support", "--external-id", "ann", "--given-name", "Ann"),
        *("--property", "plan=gold", "--json"),
    )
    assert said(result)["user"] == {"id": USER, "external_id": "ann"}
    method, path, body = last(provider)
    assert (method, path) == ("POST", SMOOCH)
    assert (body["userId"], body["givenName"]) == ("ann", "Ann")
    assert body["properties"] == {"plan": "gold"}
    assert provider.asked[-1].headers["authorization"] == "Bearer canary-token"


def test_a_sinch_contact_is_created_with_its_identity(provider: Web) -> None:
    provider.answers[f"POST {SINCH}/contacts"] = answer({"id": "01HCONTACT"})
    result = run("create-user", "texts", "--identity", "sms:+1 514 555 0123", "--json")
    assert said(result)["user"]["id"] == "01HCONTACT"
    [identity] = last(provider)[2]["channel_identities"]
    assert identity["channel"] == "SMS"
    assert identity["identity"].lstrip("+") == "15145550123"


@pytest.mark.parametrize(
    ("args", "body"),
    [
        (
            ("twilio", "+15145550123"),
            {
                "type": "twilio",
                "phoneNumber": "+15145550123",
                "confirmation": {"type": "immediate"},
            },
        ),
        (
            ("mailgun", "ann@example.com", "--subject", "Order A17"),
            {
                "type": "mailgun",
                "address": "ann@example.com",
                "subject": "Order A17",
                "confirmation": {"type": "immediate"},
            },
        ),
        (
            ("twilio", "+15145550123", "--confirmation", "prompt"),
            {"type": "twilio", "phoneNumber": "+15145550123", "confirmation": {"type": "prompt"}},
        ),
    ],
)
def test_a_channel_is_linked(provider: Web, args: tuple[str, ...], body: Any) -> None:
    provider.default = answer({"appUser": {"_id": USER}})
    result = run("link", "support", USER, *args)
    assert result.exit_code == 0, result.output
    assert last(provider) == ("POST", f"{SMOOCH}/{USER}/channels", body)


def test_the_message_of_a_confirmation_goes_along(provider: Web) -> None:
    provider.default = answer({"appUser": {"_id": USER}})
    args = ("--confirmation", "userActivity", "--message", "Answer yes to go on.")
    assert run("link", "support", USER, "messenger", "+15145550123", *args).exit_code == 0
    confirmation = last(provider)[2]["confirmation"]
    assert confirmation["type"] == "userActivity"
    assert confirmation["message"]["text"] == "Answer yes to go on."


def test_for_sinch_an_identity_is_added_to_the_contact(provider: Web) -> None:
    contact = {"id": "01HC", "channel_identities": [{"channel": "SMS", "identity": "15145550123"}]}
    provider.default = answer(contact)
    result = run("link", "texts", "01HC", "whatsapp", "+15145550123", "--json")
    assert said(result)["account"] == "texts"
    method, path, body = last(provider)
    assert method == "PATCH"
    assert path.startswith(f"{SINCH}/contacts/01HC")
    assert [i["channel"] for i in body["channel_identities"]] == ["SMS", "WHATSAPP"]


def test_a_message_is_sent_to_a_user(provider: Web) -> None:
    provider.default = answer({"message": {"_id": "0a1b"}, "conversation": {"_id": "8d0f"}}, 201)
    result = run("send", "support", "A message over SMS, as requested.", "--user", USER, "--json")
    assert said(result)["message_id"] == "0a1b"
    method, path, body = last(provider)
    assert (method, path) == ("POST", f"{SMOOCH}/{USER}/messages")
    assert body == {"role": "appMaker", "type": "text", "text": "A message over SMS, as requested."}


def test_a_message_is_sent_to_a_number(provider: Web) -> None:
    provider.default = answer({"message_id": "01HMSG", "accepted_time": "2026-11-21T12:00:00Z"})
    args = ("--to", "sms:+15145550123", "--option", "SMS_SENDER=15550001111")
    assert said(run("send", "texts", "Hello", *args, "--json"))["message_id"] == "01HMSG"
    method, path, body = last(provider)
    assert (method, path) == ("POST", f"{SINCH}/messages:send")
    [identity] = body["recipient"]["identified_by"]["channel_identities"]
    assert (identity["channel"], identity["identity"].lstrip("+")) == ("SMS", "15145550123")
    assert body["message"] == {"text_message": {"text": "Hello"}}
    assert body["channel_properties"]["SMS_SENDER"] == "15550001111"


def test_an_avaamo_agent_greets_somebody(provider: Web) -> None:
    provider.default = answer({"success": True})
    args = ("--option", "first_name=Ann", "--option", "visits:=3")
    assert run("send", "agent", "--to", "sms:+15145550123", *args).exit_code == 0
    method, path, body = last(provider)
    assert (method, path) == ("POST", "/sms/canary-uuid/send.json")
    assert body == {"to_phone": "+15145550123", "first_name": "Ann", "visits": 3}


def test_people_are_told_what_the_provider_answered(provider: Web) -> None:
    provider.default = answer({"message": {"_id": "0a1b\u001b[2J"}}, 201)
    result = run("send", "support", "Hello", "--user", USER)
    assert "message 0a1b" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 503])
def test_a_refusal_is_exit_1_with_its_reason_in_one_line(provider: Web, status: int) -> None:
    provider.default = answer({"error": {"code": "no_way", "description": "Not today"}}, status)
    result = run("send", "support", "the-text-itself", "--user", USER)
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert str(status) in line
    assert "the-text-itself" not in line


def test_a_provider_that_is_not_there_is_exit_1(
    provider: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKLINE_ACCOUNTS__SUPPORT__BASE_URL", "http://127.0.0.1:1")
    result = run("send", "support", "Hello", "--user", USER)
    assert result.exit_code == 1
    assert result.stderr.startswith("hookline: unavailable: connection: ")


@pytest.mark.parametrize(
    ("args", "code", "what"),
    [
        (("send", "suport", "Hi", "--user", "u"), 2, "did you mean support?"),
        (("send", "support", "--user", "u"), 2, "TEXT"),
        (("send", "support", "Hi"), 2, "--user"),
        (("send", "support", "Hi", "--user", "u", "--to", "sms:+1"), 2, "--to"),
        (("send", "texts", "Hi", "--to", "+15145550123"), 2, "CHANNEL:ADDRESS"),
        (("send", "texts", "Hi", "--to", "sms:+15145550123", "--option", "x"), 2, "NAME=VALUE"),
        (("send", "agent", "Hi", "--to", "sms:+15145550123"), 2, "greeting"),
        (("send", "unfinished", "Hi", "--to", "sms:+15145550123"), 1, "accounts.unfinished.app_id"),
        (("link", "support", "u", "twillio", "+15145550123"), 2, "did you mean twilio?"),
        (("link", "support", "u", "twilio", "5145550123"), 2, "country code"),
        (("link", "support", "u", "twilio", "+15145550123", "--subject", "x"), 2, "--subject"),
        (("link", "support", "u", "mailgun", "a@b.c", "--confirmation", "prompt"), 2, "mailgun"),
        (("link", "support", "u", "messenger", "+15145550123"), 2, "message"),
        (("link", "texts", "u", "sms", "+15145550123", "--subject", "x"), 2, "--subject"),
        (("create-user", "support"), 1, "unsupported"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent(
    provider: Web, args: tuple[str, ...], code: int, what: str
) -> None:
    result = run(*args)
    assert (result.exit_code, provider.asked) == (code, []), result.output
    assert what in result.stderr
    assert len(result.stderr.splitlines()) == 1
