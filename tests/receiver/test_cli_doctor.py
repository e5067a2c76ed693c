"""`hookline doctor` over sockets: a real server here, a stand-in for the provider there."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from typer.testing import CliRunner, Result

from receiver.cli.main import app
from receiver.doctor.examine import examine
from receiver.providers.smooch.hooks import SETTINGS, TRIGGERS
from receiver.settings import load
from receiver.standins.server import serving_in_thread
from receiver.standins.sinch import SinchState, sinch_app
from receiver.standins.smooch import SmoochState, smooch_app
from tests.parts.ports import free_port
from tests.parts.process import PATH, SECRET, Serving, serve

# What a webhook over a plain connection on one machine always has to be told.
PLAIN = ("webhook", "warning")


@dataclass
class Clinic:
    """A running server, its account's provider, and where the settings are."""

    server: Serving
    smooch: SmoochState

    @property
    def target(self) -> str:
        return f"{self.server.url}{PATH}"

    @property
    def hook(self) -> dict[str, Any]:
        """The webhook that is registered from the start."""
        return self.smooch.webhooks["w1"]


def settings(smooch: SmoochState, url: str) -> str:
    return f"""
        handlers = ["handlers.echo"]
        [accounts.support]
        provider = "smooch"
        app_id = "{smooch.app_id}"
        key_id = "{smooch.key_id}"
        key_secret = "{smooch.key_secret}"
        base_url = "{url}"
        webhook_secrets = ["{SECRET}"]
    """


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """One for all: a server takes its time to start."""
    smooch = SmoochState()
    folder = tmp_path_factory.mktemp("clinic")
    with (
        serving_in_thread(smooch_app(smooch)) as url,
        serve(folder, settings(smooch, url)) as server,
    ):
        yield Clinic(server, smooch)


@pytest.fixture
def clinic(running: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """The server, and a provider that has its webhook as it should be."""
    monkeypatch.chdir(running.server.folder)
    monkeypatch.setenv("HOOKLINE_ADMIN_PORT", str(running.server.admin_port))
    hook = {"_id": "w1", "target": running.target, "secret": SECRET, **SETTINGS["v1.1"]}
    running.smooch.requests.clear()
    running.smooch.webhooks.clear()
    running.smooch.webhooks["w1"] = {**hook, "triggers": sorted(TRIGGERS["v1.1"])}
    return running


def run(*args: str) -> Result:
    result = CliRunner().invoke(app, ["doctor", *args])
    assert SECRET not in result.output
    return result


def found(*args: str, code: int) -> list[dict[str, Any]]:
    result = run(*args, "--json")
    assert result.exit_code == code, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def problems(*args: str, code: int) -> list[tuple[str, str]]:
    return [(f["check"], f["level"]) for f in found(*args, code=code) if f["level"] != "ok"]


def test_where_all_is_well_nothing_is_bad(clinic: Clinic) -> None:
    lines = found(code=0)
    assert [(f["check"], f["level"]) for f in lines] == [
        ("settings", "ok"),
        ("handlers", "ok"),
        ("database file", "ok"),
        ("database", "ok"),
        ("server", "ok"),
        ("secrets", "ok"),
        ("sending", "ok"),
        ("clock", "ok"),
        ("credentials", "ok"),
        PLAIN,
        ("public address", "ok"),
    ]
    assert {f["account"] for f in lines} == {None, "support"}
    text = run().output
    assert "ok      server: " in text
    assert "warning support: webhook: " in text


def test_it_changes_nothing_and_is_no_webhook(clinic: Clinic) -> None:
    found(code=0)
    assert {seen.method for seen in clinic.smooch.requests} == {"GET"}
    refused = [line for line in clinic.server.lines if line["event"] == "webhook_refused"]
    assert {line["status"] for line in refused} == {405}
    assert not [line for line in clinic.server.lines if line["event"] == "webhook_received"]


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        ({"secret": "another"}, 1, "its secret is not in accounts.support.webhook_secrets"),
        ({"triggers": ["postback"]}, 0, "not asked for: appUser:delete"),
        ({"includeClient": False}, 0, "includeClient is off"),
    ],
)
def test_what_differs_at_the_provider_is_found(
    clinic: Clinic, damage: dict[str, Any], code: int, words: str
) -> None:
    clinic.hook.update(damage)
    details = [f["detail"] for f in found(code=code)]
    assert [detail for detail in details if words in detail]


def test_a_secret_whose_time_has_ended_is_not_ours(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "HOOKLINE_ACCOUNTS__SUPPORT__"
    monkeypatch.setenv(f"{variable}WEBHOOK_SECRETS", json.dumps(["the next one", SECRET]))
    assert problems(code=0) == [PLAIN]
    monkeypatch.setenv(f"{variable}OLD_SECRETS_UNTIL", "2026-11-01T00:00:00Z")
    assert problems(code=1) == [("webhook secret", "bad"), PLAIN]


def test_a_webhook_that_is_not_registered_is_bad_until_it_is(clinic: Clinic) -> None:
    clinic.smooch.webhooks.clear()
    assert problems(code=1) == [("webhook", "bad")]
    registered = CliRunner().invoke(app, ["register", "support", clinic.target])
    assert registered.exit_code == 0
    assert problems(code=1) == [("webhook secret", "bad"), PLAIN]
    [hook] = clinic.smooch.webhooks.values()
    hook["secret"] = SECRET
    assert problems(code=0) == [PLAIN]


def test_the_public_address_is_compared_and_tried(clinic: Clinic) -> None:
    assert problems("--url", clinic.server.url, code=0) == [PLAIN]
    admin = problems("--url", clinic.server.admin, code=1)
    assert admin == [PLAIN, ("webhook", "bad"), ("public address", "bad")]
    assert run("--url", "hooks.example.com").exit_code == 2


def test_a_redirect_on_the_way_is_found(clinic: Clinic) -> None:
    async def moved(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"location", b"https://hooks.example.com/"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 308, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    with serving_in_thread(moved) as url:
        [address] = [f for f in found("--url", url, code=1) if f["check"] == "public address"]
    assert "redirects (308)" in address["detail"]


def test_a_proxy_that_takes_no_long_body_is_found(clinic: Clinic) -> None:
    async def narrow(scope: Scope, receive: Receive, send: Send) -> None:
        status = 413 if scope["method"] == "PUT" else 200
        text = b"" if scope["method"] == "HEAD" else b"This address takes webhooks by POST.\n"
        headers = [(b"content-length", b"37")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    with serving_in_thread(narrow) as url:
        clinic.hook["target"] = f"{url}{PATH}"
        assert problems(code=0) == [PLAIN, ("proxy", "warning")]


def test_a_server_that_is_down_is_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKLINE_ADMIN_PORT", str(free_port()))
    clinic.hook["target"] = f"http://127.0.0.1:{free_port()}{PATH}"
    assert problems(code=1) == [("server", "warning"), PLAIN, ("public address", "bad")]


@pytest.mark.parametrize(
    ("setting", "check"), [("KEY_SECRET", "credentials"), ("APP_ID", "settings")]
)
def test_credentials_that_are_not_the_providers_are_bad(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, setting: str, check: str
) -> None:
    monkeypatch.setenv(f"HOOKLINE_ACCOUNTS__SUPPORT__{setting}", "another")
    assert problems(code=1) == [(check, "bad")]


@pytest.mark.parametrize(("minutes", "level"), [(3, "warning"), (30, "bad")])
def test_a_clock_that_is_off_is_found(clinic: Clinic, minutes: int, level: str) -> None:
    ahead = timedelta(minutes=minutes)
    findings = asyncio.run(examine(load(), lambda: datetime.now(UTC) + ahead, None))
    [clock] = [finding for finding in findings if finding.check == "clock"]
    assert (clock.level, "ahead of" in clock.detail) == (level, True)


def test_settings_that_cannot_be_read_are_the_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hookline.toml").write_text('prot = 1\n[accounts.x]\nprovider = "smoch"\n')
    assert problems(code=1) == [("settings", "bad")] * 2
    assert "smooch" in run().output


def test_a_sinch_account_is_compared_with_its_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state = SinchState(mode="DISPATCH")
    with serving_in_thread(sinch_app(state)) as url:
        (tmp_path / "hookline.toml").write_text(
            f"""
            handlers = ["handlers.echo"]
            [accounts.texts]
            provider = "sinch"
            project_id = "{state.project_id}"
            app_id = "{state.app_id}"
            key_id = "{state.key_id}"
            key_secret = "{state.key_secret}"
            base_url = "{url}"
            auth_url = "{url}/oauth2/token"
            webhook_secrets = ["{SECRET}"]
            """
        )
        of_app = [f for f in found(code=1) if f["account"] == "texts" and f["level"] == "bad"]
        assert [f["check"] for f in of_app] == ["settings", "webhook"]
        assert 'mode = "DISPATCH"' in of_app[0]["detail"]
        monkeypatch.setenv("HOOKLINE_ACCOUNTS__TEXTS__APP_ID", "of-another-region")
        [nothing] = [f for f in found(code=1) if f["account"] == "texts" and f["level"] == "bad"]
    assert (nothing["check"], "region" in nothing["todo"]) == ("settings", True)
