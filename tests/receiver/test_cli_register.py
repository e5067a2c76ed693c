"""`hookline register` over sockets: the webhook is as it should be, and there is one of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from receiver.cli.main import app
from receiver.providers.sinch.hooks import TRIGGERS as SINCH_TRIGGERS
from receiver.providers.smooch.hooks import TRIGGERS
from receiver.standins.faults import Lost
from receiver.standins.server import serving_in_thread
from receiver.standins.sinch import SinchState, sinch_app
from receiver.standins.smooch import SmoochState, smooch_app

HOOKS = "https://hooks.example.com/webhooks"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def smooch(folder: Path) -> Iterator[SmoochState]:
    state = SmoochState(integrations={"twilio": "i1"})
    with serving_in_thread(smooch_app(state)) as url:
        account = f"""
            provider = "smooch"
            app_id = "{state.app_id}"
            key_id = "{state.key_id}"
            key_secret = "{state.key_secret}"
            base_url = "{url}"
        """
        (folder / "hookline.toml").write_text(
            f"""
            [accounts.oldest]
            {account}
            api_version = "v1"
            [accounts.old]
            {account}
            api_version = "v1.1"
            [accounts.new]
            {account}
            api_version = "v2"
            """
        )
        yield state


def sinch_settings(folder: Path, url: str, *secrets: str) -> None:
    (folder / "hookline.toml").write_text(
        f"""
        [accounts.texts]
        provider = "sinch"
        project_id = "standin-project"
        app_id = "standin-app"
        key_id = "standin-key"
        key_secret = "standin-secret"
        base_url = "{url}"
        auth_url = "{url}/oauth2/token"
        webhook_secrets = {json.dumps(secrets)}
        """
    )


@pytest.fixture
def sinch(folder: Path) -> Iterator[SinchState]:
    state = SinchState()
    with serving_in_thread(sinch_app(state)) as url:
        sinch_settings(folder, url, "canary-one", "canary-two")
        yield state


def run(*args: str) -> Result:
    return CliRunner().invoke(app, ["register", *args])


def told(*args: str) -> dict[str, Any]:
    result = run(*args, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def writes(state: SmoochState | SinchState) -> list[str]:
    """What was asked of the provider that changes something."""
    return [s.method for s in state.requests if s.method != "GET" and "oauth2" not in s.path]


@pytest.mark.parametrize(
    ("account", "version", "settings"),
    [
        ("oldest", "v1", {}),
        ("old", "v1.1", {"includeClient": True, "includeFullAppUser": True}),
        ("new", "v2", {"includeFullUser": True, "includeFullSource": True}),
    ],
)
def test_it_is_created_whole_and_the_second_run_changes_nothing(
    smooch: SmoochState, account: str, version: str, settings: dict[str, Any]
) -> None:
    target = f"{HOOKS}/{account}"
    first = told(account, target)
    assert (first["result"], first["secret"]) == ("created", None)
    [hook] = smooch.webhooks.values()
    assert hook["target"] == target
    assert set(hook["triggers"]) == TRIGGERS[version]
    assert {name: hook[name] for name in settings} == settings
    again = told(account, target + "/")
    assert (again["result"], again["changed"], again["id"]) == ("unchanged", [], first["id"])
    assert writes(smooch) == ["POST"]


def test_the_secret_is_printed_only_on_request_and_its_place_always(smooch: SmoochState) -> None:
    quiet = run("old", f"{HOOKS}/old")
    [hook] = smooch.webhooks.values()
    assert quiet.exit_code == 0
    assert "accounts.old.webhook_secrets" in quiet.output
    assert hook["secret"] not in quiet.output
    assert hook["secret"] in run("old", f"{HOOKS}/old", "--show-secret").output
    assert told("old", f"{HOOKS}/old", "--show-secret")["secret"] == hook["secret"]


def test_a_secret_that_is_set_already_is_told_to_be(smooch: SmoochState, folder: Path) -> None:
    told("old", f"{HOOKS}/old")
    [hook] = smooch.webhooks.values()
    file = folder / "hookline.toml"
    where = "[accounts.old]\n"
    secret = f'{where}webhook_secrets = ["{hook["secret"]}"]\n'
    file.write_text(file.read_text().replace(where, secret))
    assert told("old", f"{HOOKS}/old")["secret_is_set"] is True
    assert "its secret is in accounts.old" in run("old", f"{HOOKS}/old").output


def test_what_differs_is_put_right_and_named(smooch: SmoochState) -> None:
    told("old", f"{HOOKS}/old")
    [hook] = smooch.webhooks.values()
    hook |= {"includeClient": False, "triggers": ["postback", "message:appUser"]}
    plan = told("old", f"{HOOKS}/old", "--dry-run")
    assert (plan["result"], plan["changed"]) == ("update", ["includeClient", "triggers"])
    assert hook["includeClient"] is False
    done = told("old", f"{HOOKS}/old")
    assert (done["result"], done["changed"]) == ("updated", ["includeClient", "triggers"])
    assert (hook["includeClient"], set(hook["triggers"])) == (True, TRIGGERS["v1.1"])
    assert writes(smooch) == ["POST", "PUT"]
    assert told("old", f"{HOOKS}/old")["result"] == "unchanged"


def test_only_the_triggers_that_are_named_are_asked_for(smooch: SmoochState) -> None:
    target = f"{HOOKS}/old"
    assert told("old", target, "--trigger", "postback")["triggers"] == ["postback"]
    assert told("old", target, "--trigger", "postback")["result"] == "unchanged"
    more = told("old", target, "--trigger", "postback", "--trigger", "link:success")
    assert more["triggers"] == ["link:success", "postback"]
    wrong = run("old", target, "--trigger", "postbak")
    assert wrong.exit_code == 2
    assert "postback" in wrong.output


def test_a_dry_run_creates_nothing(smooch: SmoochState) -> None:
    plan = told("old", f"{HOOKS}/old", "--dry-run")
    assert (plan["result"], plan["id"], smooch.webhooks) == ("create", None, {})
    assert "would create" in run("old", f"{HOOKS}/old", "--dry-run").output


def test_another_address_has_a_webhook_of_its_own(smooch: SmoochState) -> None:
    told("old", f"{HOOKS}/old")
    told("old", "https://second.example.com/webhooks/old")
    assert len(smooch.webhooks) == 2


def test_a_second_one_for_the_same_target_is_named(smooch: SmoochState) -> None:
    told("old", f"{HOOKS}/old")
    [hook] = smooch.webhooks.values()
    smooch.webhooks["extra"] = hook | {"_id": "extra"}
    assert told("old", f"{HOOKS}/old")["duplicates"] == ["extra"]
    assert "extra" in run("old", f"{HOOKS}/old").output


def test_a_creation_whose_answer_was_lost_is_found_by_the_next_run(smooch: SmoochState) -> None:
    smooch.faults.next(None, Lost(), on="webhooks")
    lost = run("old", f"{HOOKS}/old")
    assert (lost.exit_code, "uncertain" in lost.output) == (1, True)
    assert told("old", f"{HOOKS}/old")["result"] == "unchanged"
    assert len(smooch.webhooks) == 1


def test_on_v2_an_app_without_a_custom_integration_is_told(smooch: SmoochState) -> None:
    smooch.custom_integration = None
    result = run("new", f"{HOOKS}/new")
    assert result.exit_code == 1
    assert "integrations.custom" in result.output


def test_an_integrations_own_key_registers_for_itself(smooch: SmoochState) -> None:
    smooch.integration_scope = True
    assert told("new", f"{HOOKS}/new")["result"] == "created"
    assert smooch.requests[-1].path.endswith("/integrations/me/webhooks")


def test_sinch_gets_the_first_of_our_secrets(sinch: SinchState) -> None:
    first = told("texts", f"{HOOKS}/texts")
    assert (first["result"], first["secret"], first["secret_is_set"]) == ("created", None, True)
    [hook] = sinch.webhooks.values()
    assert (hook["secret"], hook["target_type"]) == ("canary-one", "HTTP")
    assert set(hook["triggers"]) == SINCH_TRIGGERS
    assert "canary" not in run("texts", f"{HOOKS}/texts").output
    assert writes(sinch) == ["POST"]


@pytest.mark.parametrize(
    ("damage", "changed"),
    [
        ({"target_type": "DISMISS"}, ["target_type"]),
        ({"secret": "of somebody else"}, ["secret"]),
        ({"secret": ""}, ["secret"]),
        ({"secret": "canary-two"}, []),
        ({"triggers": ["MESSAGE_INBOUND"]}, ["triggers"]),
        ({"triggers": ["OPT_IN"], "target_type": "DISMISS"}, ["target_type", "triggers"]),
    ],
)
def test_sinchs_webhook_is_put_right_by_a_patch_of_just_that(
    sinch: SinchState, damage: dict[str, Any], changed: list[str]
) -> None:
    told("texts", f"{HOOKS}/texts")
    [hook] = sinch.webhooks.values()
    hook |= damage
    assert told("texts", f"{HOOKS}/texts")["changed"] == changed
    assert (hook["secret"][:6], hook["target_type"]) == ("canary", "HTTP")
    assert set(hook["triggers"]) == SINCH_TRIGGERS
    assert told("texts", f"{HOOKS}/texts")["result"] == "unchanged"


def test_without_a_secret_of_ours_a_new_one_is_made_and_shown(folder: Path) -> None:
    state = SinchState()
    with serving_in_thread(sinch_app(state)) as url:
        sinch_settings(folder, url)
        plan = told("texts", f"{HOOKS}/texts", "--dry-run")
        assert (plan["secret"], state.webhooks) == (None, {})
        made = told("texts", f"{HOOKS}/texts")
        [hook] = state.webhooks.values()
        assert made["secret"] == hook["secret"]
        assert len(hook["secret"]) >= 40
        again = told("texts", f"{HOOKS}/texts")
        assert (again["result"], again["secret"]) == ("unchanged", None)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("old", "https://hooks.example.com/"), 2, "/webhooks/old"),
        (("old", "https://hooks.example.com/webhooks/new"), 2, "/webhooks/old"),
        (("old", "hooks.example.com/webhooks/old"), 2, "no URL"),
        (("nobody", f"{HOOKS}/nobody"), 2, "there is no account"),
    ],
)
def test_what_would_lead_nowhere_is_refused(
    smooch: SmoochState, args: tuple[str, ...], code: int, words: str
) -> None:
    result = run(*args)
    assert (result.exit_code, words in result.output) == (code, True)
    assert smooch.requests == []


def test_accounts_that_cannot_be_registered_say_what_to_do(folder: Path) -> None:
    (folder / "hookline.toml").write_text(
        """
        [accounts.agent]
        provider = "avaamo"
        channel_uuid = "canary"
        [accounts.sms]
        provider = "sinch_sms"
        service_plan_id = "plan"
        token = "canary"
        path_token = "canary-canary-canary"
        [accounts.bare]
        provider = "smooch"
        """
    )
    for account, words in (
        ("agent", "sends no webhooks"),
        ("sms", "path_token after it, as the callback URL in the provider's dashboard"),
        ("bare", "accounts.bare.key_id"),
    ):
        result = run(account, f"{HOOKS}/{account}")
        assert (result.exit_code, words in result.output) == (1, True)
        assert "canary" not in result.output


def test_refused_credentials_say_what_to_look_at(smooch: SmoochState) -> None:
    smooch.key_secret = "another"
    result = run("old", f"{HOOKS}/old")
    assert result.exit_code == 1
    assert "unauthorized" in result.output
    assert "app_id" in result.output
