"""
No secret ever comes out, and no text or number of a person's gets into the logs: a real process
with canaries for all of them, good, forged and broken webhooks, handlers and providers that fail.
"""

import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from receiver import samples
from receiver.cli.main import app
from receiver.registry import PROVIDERS
from tests.parts.process import Serving, serve
from tests.receiver.web import Web, web

SECRETS = {
    "smooch_hook": "canary-smooch-hook-4c1f",
    "smooch_hook_old": "canary-smooch-old-88e0",
    "smooch_key": "canary-smooch-key-with-at-least-32-bytes",
    "sinch_hook": "canary-sinch-hook-77aa",
    "sinch_key": "canary-sinch-key-0b0b",
    "sms_token": "canary-sms-token-5d5d",
    "avaamo": "canary-avaamo-uuid-e3e3",
    "admin": "canary-admin-token-1212",
}
FORGED = "canary-forged-key-9f9f"
TEXT = "canary words of a person"
PHONE = "5145550177"  # the digits, so that every way to write it is found
NUMBER = "+1 514 555 0177"

SETTINGS = """
handlers = ["spoken.py"]

[accounts.chat]
provider = "smooch"
webhook_secrets = ["{smooch_hook_old}", "{smooch_hook}"]
app_id = "app1"
key_id = "app_key1"
key_secret = "{smooch_key}"
base_url = "{url}"

[accounts.texts]
provider = "sinch"
webhook_secrets = ["{sinch_hook}"]
project_id = "p1"
app_id = "a1"
key_id = "k1"
key_secret = "{sinch_key}"
base_url = "{url}"
auth_url = "{url}/oauth2/token"

[accounts.plain]
provider = "sinch_sms"
webhook_secrets = ["{sinch_hook}"]
service_plan_id = "plan1"
token = "{sms_token}"
base_url = "{url}"

[accounts.agent]
provider = "avaamo"
channel_uuid = "{avaamo}"
base_url = "{url}"
"""

# Handlers that answer, and handlers that fail with the person's words in their hands.
HANDLERS = '''
"""Answers, or fails."""

from handlers import Context, Immediate, MessageReceived, Router, Twilio, when

router = Router()


@router.on_message(when.text("fail"))
async def fails(ctx: Context[MessageReceived]) -> None:
    local = ctx.event.text
    raise ValueError(f"it failed for {ctx.event.text}")


@router.on_message
async def answers(ctx: Context[MessageReceived]) -> None:
    ctx.log.info("answered", text=ctx.event.text)
    ctx.reply(f"You said: {ctx.event.text}")
    ctx.send("by number", via="sms", to="NUMBER")
    ctx.start_avaamo("agent", to_phone="NUMBER", words=ctx.event.text)
    if ctx.provider == "smooch":
        ctx.link(Twilio("NUMBER"), Immediate(str(ctx.event.text)), note={"words": "TEXT"})
'''


@dataclass(frozen=True)
class Running:
    """A process that has seen everything. told: all that its HTTP side said to strangers."""

    serving: Serving
    told: str

    def run(self, *arguments: str, **environment: str) -> str:
        """All that a command says, in the process's folder."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.serving.folder)
            for name, value in environment.items():
                patch.setenv(name, value)
            result = CliRunner().invoke(app, list(arguments))
        assert isinstance(result.exception, SystemExit | None)
        return result.output


@pytest.fixture(scope="module", params=["json", "console"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[
    Running
]:  # fmt: skip
    folder = tmp_path_factory.mktemp(f"canaries-{request.param}")
    handlers = HANDLERS.replace("NUMBER", NUMBER).replace("TEXT", TEXT)
    (folder / "spoken.py").write_text(handlers)
    with web() as provider:
        _refuse_everything(provider)
        toml = SETTINGS.format(url=provider.url, **SECRETS)
        with serve(folder, toml, settings={"LOG_FORMAT": request.param}) as serving:
            told = _talk(serving)
            _until_settled(serving)
            yield Running(serving, told)


def _refuse_everything(provider: Web) -> None:
    """Every call fails, in words that quote what was asked."""
    words = {"code": "bad", "description": f"{TEXT} to {NUMBER} cannot be done"}
    provider.default = (400, json.dumps({"error": words}).encode())
    provider.answers["POST /oauth2/token"] = (401, json.dumps({"error": "invalid_client"}).encode())


def _talk(serving: Serving) -> str:
    """Everything a provider and a stranger may post; all that came back."""
    said = []
    for account, provider, trigger, secret in (
        ("chat", "smooch", "message:appUser", "smooch_hook"),
        ("texts", "sinch", "MESSAGE_INBOUND", "sinch_hook"),
        ("plain", "sinch_sms", "mo_text", "sinch_hook"),
    ):
        for words in ("hello", "fail"):
            body = _body(provider, trigger, words)
            good = _signed(provider, body, SECRETS[secret])
            said.append(_post(serving, account, body, good))
            said.append(_post(serving, account, body, _signed(provider, body, FORGED)))
        broken = f'{{"text": "{TEXT}", "from": "{NUMBER}'.encode()
        said.append(_post(serving, account, broken, _signed(provider, broken, SECRETS[secret])))
        said.append(_post(serving, account, broken, {**good, "Content-Encoding": "gzip"}))
        said.append(_post(serving, account, TEXT.encode() * 50_000, good))
        said.append(_post(serving, f"{account}?key={FORGED}", broken, {"X-API-Key": FORGED}))
    said.append(_post(serving, f"{SECRETS['smooch_hook']}", b"{}", {}))
    bearer = {"Authorization": f"Bearer {FORGED}"}
    said += [
        httpx.get(f"{serving.admin}{path}", headers=bearer, trust_env=False)
        for path in ("/readyz", "/livez", "/nothing")
    ]
    assert {answer.status_code for answer in said} == {200, 401, 404, 413, 415}
    return "\n".join(f"{answer.headers} {answer.text}" for answer in said)


def _body(provider: str, trigger: str, words: str) -> bytes:
    version = "v1.1" if provider == "smooch" else None
    body = samples.make(provider, trigger, seed=words, now=datetime.now(UTC), version=version)
    text = f"{words}: {TEXT}, {NUMBER}"
    match provider:
        case "smooch":
            body["messages"][0]["text"] = text
            body["appUser"]["email"] = f"{PHONE}@example.com"
        case "sinch":
            body["message"]["contact_message"] = {"text_message": {"text": text}}
            body["message"]["channel_identity"]["identity"] = f"1{PHONE}"
        case "sinch_sms":
            body |= {"body": text, "from": f"1{PHONE}"}
    return json.dumps(body).encode()


def _signed(provider: str, body: bytes, secret: str) -> dict[str, str]:
    inbound = PROVIDERS[provider].inbound
    assert inbound is not None
    return inbound.sign(body, secret.encode(), datetime.now(UTC), f"nonce-{zlib.crc32(body)}")


def _post(serving: Serving, account: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    url = f"{serving.url}/webhooks/{account}"
    return httpx.post(url, content=body, headers=headers, trust_env=False)


def _until_settled(serving: Serving) -> None:
    """Every handler has run, and whatever does not wait for another try has been refused."""
    until = time.monotonic() + 30
    wanted = {"handler_failed": 3, "event_dispatched": 7, "action_delivered": 8}
    while time.monotonic() < until:
        log = serving.log.read_text()
        if all(log.count(event) >= times for event, times in wanted.items()):
            return
        time.sleep(0.05)
    found = {event: log.count(event) for event in wanted}
    raise AssertionError(f"{found}, wanted {wanted}:\n{log}")


def escaped(where: str, canaries: list[str]) -> list[str]:
    """The canaries that are found in a text, however blanks and marks are written."""
    plain = where.replace(" ", "").replace("-", "").replace("\\", "")
    return [c for c in canaries if c.replace(" ", "").replace("-", "") in plain]


def test_no_canary_is_in_the_log(running: Running) -> None:
    log = running.serving.log.read_text()
    assert escaped(log, [*SECRETS.values(), FORGED, TEXT, PHONE]) == []


def test_the_log_tells_what_happened_all_the_same(running: Running) -> None:
    log = running.serving.log.read_text()
    events = ("webhook_received", "webhook_refused", "event_dispatched", "action_delivered")
    assert [event for event in events if event not in log] == []
    assert "ValueError" in log
    assert "answered" in log


def test_no_canary_is_in_an_answer(running: Running) -> None:
    assert escaped(running.told, [*SECRETS.values(), FORGED, TEXT, PHONE]) == []


@pytest.mark.parametrize(
    "command",
    [
        "config",
        "config --json",
        "events --json --limit 0",
        "events --limit 0",
        "events show 1 --json",
        "users --json",
        "links --json",
        "outbox --json --limit 0",
        "dead --json",
        "dead",
        "dead --groups",
        "accounts --json",
        "secrets",
        "secrets --json",
        "quarantine",
        "quarantine --json --limit 0",
        "quarantine reverify --dry-run --json",
        "users show c1 --json",
        "replay --status done --dry-run --json",
        "prune --dry-run --json",
        "migrate --check --json",
        "doctor",
        "doctor --json",
        "verify body.json --account chat --header X-API-Key:{forged}",
        "verify body.json --account texts --json --header X-Sinch-Webhook-Signature:{forged}",
        "register chat https://hooks.example.com --dry-run",
        "simulate chat message:appUser --dry-run",
        "simulate texts MESSAGE_INBOUND --dry-run --json",
    ],
)
def test_no_command_shows_a_secret(running: Running, command: str) -> None:
    (running.serving.folder / "body.json").write_text("{}")
    words = command.format(forged=FORGED).split()
    said = running.run(*words, HOOKLINE_ADMIN_TOKEN=SECRETS["admin"])
    assert said
    assert escaped(said, [*SECRETS.values(), FORGED]) == []


def test_no_help_shows_a_secret(running: Running) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ADMIN_TOKEN", "ACCOUNTS__CHAT__KEY_SECRET", "DATABASE_URL"):
            patch.setenv(f"HOOKLINE_{name}", SECRETS["smooch_key"])
        for command in ([], *([family] for family in ("serve", "send", "register", "verify"))):
            said = running.run(*command, "--help")
            assert "Usage" in said
            assert escaped(said, list(SECRETS.values())) == []


def test_a_database_that_is_away_is_told_without_its_password(tmp_path: Path) -> None:
    password = "canary-database-password"
    url = f"postgresql://hookline:{password}@127.0.0.1:9/hookline"
    toml = f'database_url = "{url}"\n{SETTINGS.format(url="http://127.0.0.1:9", **SECRETS)}'
    (tmp_path / "spoken.py").write_text(HANDLERS)
    with serve(tmp_path, toml, ready=503) as serving:
        told = httpx.get(f"{serving.admin}/readyz", trust_env=False).text
        good = _signed("smooch", b"{}", SECRETS["smooch_hook"])
        assert _post(serving, "chat", b"{}", good).status_code == 200  # spooled
        serving.said("database_away")
        told += serving.log.read_text()
    assert escaped(told, [*SECRETS.values(), password]) == []


def test_a_send_that_fails_shows_neither_secret_nor_text(running: Running) -> None:
    for account, whom in (("chat", "--user=u1"), ("texts", "--user=c1"), ("plain", "--to=sms:+1")):
        said = running.run("send", account, TEXT, whom)
        assert "hookline:" in said
        assert escaped(said, [*SECRETS.values(), TEXT]) == []
    said = running.run("send", "agent", f"--to=sms:{NUMBER}")
    assert "hookline:" in said
    assert escaped(said, [*SECRETS.values(), PHONE]) == []


def test_wrong_settings_are_refused_without_their_values(running: Running, tmp_path: Path) -> None:
    good = (running.serving.folder / "hookline.toml").read_text()
    wrong = good.replace("key_secret", "key_secrett")
    (tmp_path / "wrong.toml").write_text(wrong + f'\nwebhook_secrets = "{FORGED}"\n')
    said = running.run("config", HOOKLINE_CONFIG=str(tmp_path / "wrong.toml"))
    assert "did you mean key_secret?" in said
    assert escaped(said, [*SECRETS.values(), FORGED]) == []


@pytest.mark.parametrize("command", ["config", "config --json", "events", "migrate"])
def test_a_database_password_is_never_shown(running: Running, command: str) -> None:
    password = "canary-database-password"
    for url in (
        f"postgresql://hookline:{password}@127.0.0.1:9/hookline",
        f"postgresql://127.0.0.1:9/hookline?user=a&password={password}",
    ):
        said = running.run(*command.split(), HOOKLINE_DATABASE_URL=url)
        assert "127.0.0.1" in said
        assert escaped(said, [password]) == []
