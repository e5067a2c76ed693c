"""`hookline simulate` and the samples it sends."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from receiver import samples
from receiver.cli.main import app
from receiver.registry import PROVIDERS
from tests.receiver.web import Asked, web

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRETS = {"support": b"smooch-secret", "modern": b"modern-secret", "texts": b"sinch-secret"}
VERSIONS = [
    ("smooch", "v1"),
    ("smooch", "v1.1"),
    ("smooch", "v2"),
    ("sinch", None),
    ("sinch_sms", None),
]
ALL = [(p, v, t) for p, v in VERSIONS for t in samples.triggers(p, v)]
# What the provider itself cannot tell apart: a person is deleted once.
ONCE = {"appUser:delete"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hookline.toml").write_text(
        """
        port = 1
        [accounts.support]
        provider = "smooch"
        webhook_secrets = ["smooch-secret", "older"]
        [accounts.modern]
        provider = "smooch"
        api_version = "v2"
        webhook_secrets = ["modern-secret"]
        [accounts.texts]
        provider = "sinch"
        webhook_secrets = ["sinch-secret"]
        [accounts.plain]
        provider = "sinch_sms"
        [accounts.agent]
        provider = "avaamo"
        """,
        encoding="utf-8",
    )


def run(*args: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["simulate", *args], input=stdin)


def sent(*args: str, status: int = 200) -> tuple[Result, Asked]:
    with web() as receiver:
        receiver.default = (status, b"")
        result = run(*args, "--to", f"{receiver.url}/webhooks/here")
        [asked] = receiver.asked
    return result, asked


def make(provider: str, version: str | None, trigger: str, seed: str, now: datetime) -> bytes:
    body = samples.make(provider, trigger, seed=seed, now=now, version=version)
    return json.dumps(body).encode()


@pytest.mark.parametrize(("provider", "version", "trigger"), ALL)
def test_every_sample_is_an_event_of_its_trigger(
    provider: str, version: str | None, trigger: str
) -> None:
    inbound = PROVIDERS[provider].inbound
    assert inbound is not None
    [event] = inbound.parse(make(provider, version, trigger, "a", NOW))
    assert event.type != "unknown"
    assert event.trigger == trigger.partition("/")[0]


@pytest.mark.parametrize(("provider", "version", "trigger"), ALL)
def test_a_sample_is_a_new_event_each_time_and_the_same_one_if_wanted(
    provider: str, version: str | None, trigger: str
) -> None:
    inbound = PROVIDERS[provider].inbound
    assert inbound is not None
    first, again, later = (
        inbound.parse(make(provider, version, trigger, seed, NOW + timedelta(seconds=wait)))[0].id
        for seed, wait in (("a", 0), ("a", 0), ("b", 1))
    )
    assert first == again
    assert (first == later) is (trigger in ONCE)


@pytest.mark.parametrize(
    ("account", "trigger"),
    [
        ("support", "message:appUser"),
        ("support", "link:success"),
        ("modern", "conversation:message"),
        ("texts", "MESSAGE_INBOUND"),
        ("texts", "MESSAGE_DELIVERY/FAILED"),
    ],
)
def test_what_is_sent_is_genuine(account: str, trigger: str) -> None:
    result, asked = sent(account, trigger)
    assert result.exit_code == 0, result.output
    provider = PROVIDERS["sinch" if account == "texts" else "smooch"]
    options = provider.options(provider=provider.name)
    assert provider.inbound is not None
    headers = [(name.encode(), value.encode()) for name, value in asked.headers.items()]
    arrived = datetime.now(UTC)
    provider.inbound.verify(headers, asked.body, [SECRETS[account]], arrived, options)
    assert asked.path == "/webhooks/here"
    assert asked.headers["content-type"] == "application/json"


def test_the_accounts_api_version_decides_which_sample_it_is() -> None:
    assert json.loads(sent("support", "conversation:read")[1].body)["version"] == "v1.1"
    assert "events" in json.loads(sent("modern", "conversation:read")[1].body)


def test_values_can_be_set_as_text_and_as_json() -> None:
    _, asked = sent(
        *("support", "message:appUser"),
        *("--set", "messages.0.text=07", "--set", "messages[0].received:=5"),
        *("--set", "appUser.properties.plan=gold"),
    )
    body = json.loads(asked.body)
    assert (body["messages"][0]["text"], body["messages"][0]["received"]) == ("07", 5)
    assert body["appUser"]["properties"] == {"plan": "gold"}


def test_a_file_is_sent_byte_for_byte() -> None:
    body = b'{ "trigger" :\t"\xc3\xa9" }\n'
    Path("own.json").write_bytes(body)
    result, asked = sent("texts", "--file", "own.json")
    assert result.exit_code == 0
    assert asked.body == body


def test_the_same_event_can_be_sent_twice() -> None:
    same = ("support", "message:appUser", "--same")
    assert sent(*same)[1].body == sent(*same)[1].body
    assert sent("support", "message:appUser")[1].body != sent(*same)[1].body


@pytest.mark.parametrize("status", [401, 404, 503, 307])
def test_an_answer_that_is_no_success_is_exit_1(status: int) -> None:
    result, _ = sent("support", "message:appUser", "--json", status=status)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["status"] == status


def test_without_secrets_the_request_is_sent_unsigned_and_that_is_said() -> None:
    result, asked = sent("plain", "mo_text")
    assert "not signed" in result.stderr
    assert not any("signature" in name for name in asked.headers)


def test_a_dry_run_prints_the_request_without_the_secret() -> None:
    result = run("support", "message:appUser", "--dry-run")
    assert result.exit_code == 0
    assert "POST http://127.0.0.1:1/webhooks/support" in result.stdout
    assert "smooch-secret" not in result.output
    printed: dict[str, Any] = json.loads(
        run("texts", "MESSAGE_INBOUND", "--print", "--json").stdout
    )
    assert printed["headers"]["x-sinch-webhook-signature-algorithm"] == "HmacSHA256"
    assert "message" in json.loads(printed["body"])


def test_the_triggers_can_be_listed() -> None:
    names = run("modern", "--list").stdout.split()
    assert names[0] == "conversation:message"
    assert "link:success" in names
    assert all(
        json.loads(line)["trigger"] for line in run("texts", "--list", "--json").stdout.splitlines()
    )


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("suport", "message:appUser"), 2, "did you mean support?"),
        (("support", "mesage:appUser"), 2, "did you mean message:appUser?"),
        (("support",), 2, "TRIGGER"),
        (("agent", "greeting"), 2, "no sample"),
        (("support", "message:appUser", "--set", "messages.7.text=x"), 2, "messages.7.text"),
        (("support", "message:appUser", "--set", "messages"), 2, "PATH=VALUE"),
        (("support", "message:appUser", "--set", "a:=x"), 2, "no JSON"),
        (("support", "message:appUser"), 1, "hookline serve"),
        (("support", "message:appUser", "--to", "nonsense"), 1, "nonsense"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(args: tuple[str, ...], code: int, said: str) -> None:
    result = run(*args)
    assert result.exit_code == code
    [line] = result.stderr.splitlines()
    assert said in line
