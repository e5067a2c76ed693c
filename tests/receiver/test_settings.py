"""The settings: where they come from, which wins, and that nothing wrong goes unnoticed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from receiver.options import reveal
from receiver.settings import BadSettings, Settings, describe, documented, load, secrets
from receiver.sources import duration, written

CANARY = "canary-7f3a9c"
ACCOUNT = {
    "HOOKLINE_ACCOUNTS__SUPPORT__PROVIDER": "smooch",
    "HOOKLINE_ACCOUNTS__SUPPORT__WEBHOOK_SECRETS": CANARY,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def toml(folder: Path, text: str, name: str = "hookline.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def problems(environ: dict[str, str] | None = None, **overrides: object) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        load(environ=environ or {}, **overrides)
    assert CANARY not in str(caught.value)
    return [str(problem) for problem in caught.value.problems]


def test_without_anything_there_is_a_local_installation() -> None:
    settings = load(environ={})
    assert reveal(settings.database_url) == "sqlite:///hookline.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.admin_host, settings.admin_port) == ("127.0.0.1", 8001)
    assert settings.max_body_bytes == 1024 * 1024
    assert settings.accounts == {}
    assert settings.handlers == []


def test_each_account_is_read_as_its_provider_wants_it(here: Path) -> None:
    toml(
        here,
        """
        [accounts.support]
        provider = "smooch"
        webhook_secrets = ["one", "two"]
        api_version = "v2"
        integrations = { twilio = "5ec1" }
        [accounts.texts]
        provider = "sinch"
        region = "eu"
        max_age = "2h"
        """,
    )
    accounts = load(environ={}).accounts
    assert type(accounts["support"]).__name__ == "SmoochOptions"
    assert [reveal(s) for s in accounts["support"].webhook_secrets] == ["one", "two"]
    assert type(accounts["texts"]).__name__ == "SinchOptions"
    assert getattr(accounts["texts"], "max_age") == timedelta(hours=2)  # noqa: B009


def test_init_beats_environment_beats_secrets_folder_beats_file(here: Path) -> None:
    folder = here / "secrets"
    folder.mkdir()
    for name in ("port", "admin_port", "concurrency"):
        (folder / name).write_text("3\n", encoding="utf-8")
    toml(here, "port = 4\nadmin_port = 4\nconcurrency = 4\nqueue_limit = 4\n")
    environ = {
        "HOOKLINE_SECRETS_DIR": str(folder),
        "HOOKLINE_PORT": "2",
        "HOOKLINE_ADMIN_PORT": "2",
    }
    settings = load(environ=environ, port=1)
    found = (settings.port, settings.admin_port, settings.concurrency, settings.queue_limit)
    assert found == (1, 2, 3, 4)


def test_one_value_of_an_account_can_be_overridden_and_the_others_stay(here: Path) -> None:
    toml(here, '[accounts.support]\nprovider = "smooch"\napp_id = "a"\nkey_id = "k"\n')
    settings = load(environ={"HOOKLINE_ACCOUNTS__SUPPORT__APP_ID": "b"})
    support = describe(settings)["accounts"]["support"]
    assert (support["app_id"], support["key_id"]) == ("b", "k")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ["plain"]),
        ("12345678", ["12345678"]),
        ('["new", "old"]', ["new", "old"]),
        ("new\nold\n", ["new", "old"]),
        ("with,comma and space", ["with,comma and space"]),
    ],
)
def test_a_list_in_a_variable_is_json_or_one_a_line_or_one_value(
    text: str, expected: list[str]
) -> None:
    environ = {**ACCOUNT, "HOOKLINE_ACCOUNTS__SUPPORT__WEBHOOK_SECRETS": text}
    support = load(environ=environ).accounts["support"]
    assert [reveal(secret) for secret in support.webhook_secrets] == expected


@pytest.mark.parametrize(
    "text", ["2026-12-31T12:00:00Z", "2026-12-31T13:00:00+01:00", "2026-12-31 12:00:00Z"]
)
def test_a_time_is_a_moment_wherever_it_comes_from(here: Path, text: str) -> None:
    toml(here, f'[accounts.support]\nprovider = "smooch"\nold_secrets_until = {text}\n')
    support = load(environ={}).accounts["support"]
    assert support.old_secrets_until == datetime(2026, 12, 31, 12, tzinfo=UTC)
    shown = describe(load(environ={}))["accounts"]["support"]["old_secrets_until"]
    environ = {**ACCOUNT, "HOOKLINE_ACCOUNTS__SUPPORT__OLD_SECRETS_UNTIL": shown}
    again = load(environ=environ).accounts["support"]
    assert again.old_secrets_until == support.old_secrets_until


def test_a_time_without_its_zone_is_refused(here: Path) -> None:
    toml(here, '[accounts.support]\nprovider = "smooch"\nold_secrets_until = 2026-12-31T12:00:00\n')
    with pytest.raises(BadSettings, match="has no time zone: write 2026-12-31T12:00:00Z"):
        load(environ={})


def test_secrets_are_read_from_files_without_their_last_line_end(here: Path) -> None:
    folder = here / "run"
    folder.mkdir()
    (folder / "accounts__support__webhook_secrets").write_text("one\ntwo\n", encoding="utf-8")
    (folder / "accounts__support__key_secret").write_text(" kept \n", encoding="utf-8")
    (folder / "..data").write_text("of Kubernetes", encoding="utf-8")
    environ = {
        "HOOKLINE_ACCOUNTS__SUPPORT__PROVIDER": "smooch",
        "HOOKLINE_SECRETS_DIR": str(folder),
    }
    assert secrets(load(environ=environ)) == ["one", "two", " kept "]


def test_a_whole_account_can_be_one_json_variable(here: Path) -> None:
    toml(here, '[accounts.support]\nprovider = "smooch"\napp_id = "a"\n')
    environ = {"HOOKLINE_ACCOUNTS": json.dumps({"support": {"app_id": "b"}})}
    assert describe(load(environ=environ))["accounts"]["support"]["app_id"] == "b"


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("sqlite:///data/hookline.db", "sqlite:///data/hookline.db"),
        ("sqlite:////var/lib/hookline.db", "sqlite:////var/lib/hookline.db"),
        ("postgresql://u:p@db/hookline", "postgresql+psycopg://u:p@db/hookline"),
        ("postgresql+psycopg://db/hookline", "postgresql+psycopg://db/hookline"),
    ],
)
def test_the_database_is_sqlite_or_postgresql_by_psycopg(url: str, used: str) -> None:
    assert reveal(load(environ={"HOOKLINE_DATABASE_URL": url}).database_url) == used


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:canary-7f3a9c@db/x",
        "canary-7f3a9c",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "",
    ],
)
def test_another_database_is_refused_without_showing_its_url(url: str) -> None:
    [line] = problems({"HOOKLINE_DATABASE_URL": url})
    assert line.startswith("database_url (HOOKLINE_DATABASE_URL): ")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"HOOKLINE_DATABSE_URL": CANARY},
            "databse_url (HOOKLINE_DATABSE_URL): there is no such setting;"
            " did you mean HOOKLINE_DATABASE_URL?",
        ),
        (
            {**ACCOUNT, "HOOKLINE_ACCOUNTS__SUPPORT__KEY_SECRT": CANARY},
            "accounts.support.key_secrt (HOOKLINE_ACCOUNTS__SUPPORT__KEY_SECRT): there is no such"
            " setting; did you mean HOOKLINE_ACCOUNTS__SUPPORT__KEY_SECRET?",
        ),
        (
            {"HOOKLINE_ACCOUNTS__SUPPORT__PROVIDER": "smoch"},
            "accounts.support.provider (HOOKLINE_ACCOUNTS__SUPPORT__PROVIDER): there is no such"
            " provider (smooch, sinch, sinch_sms, avaamo); did you mean smooch?",
        ),
        (
            {"HOOKLINE_ACCOUNTS__SUPPORT__WEBHOOK_SECRETS": CANARY},
            "accounts.support (HOOKLINE_ACCOUNTS__SUPPORT__WEBHOOK_SECRETS): has no provider",
        ),
        (
            {**ACCOUNT, "HOOKLINE_ACCOUNTS__SUPPORT__WEBHOOK_SECRETS": ""},
            "accounts.support.webhook_secrets.0 (HOOKLINE_ACCOUNTS__SUPPORT__WEBHOOK_SECRETS):"
            " is empty: an empty secret would let everybody in",
        ),
        (
            {**ACCOUNT, "HOOKLINE_ACCOUNTS__SUPPORT__WEBHOOK_SECRETS": "[canary-7f3a9c"},
            "accounts.support.webhook_secrets (HOOKLINE_ACCOUNTS__SUPPORT__WEBHOOK_SECRETS):"
            " is no JSON list",
        ),
        (
            {"HOOKLINE_LEASE": CANARY},
            'lease (HOOKLINE_LEASE): should be a time such as 30, "30s", "5m", "24h" or "7d"',
        ),
        ({"HOOKLINE_LEASE": "0"}, "lease (HOOKLINE_LEASE): should be more than nothing"),
        (
            {"HOOKLINE_TRUSTED_PROXIES": "*"},
            "trusted_proxies.0 (HOOKLINE_TRUSTED_PROXIES): should be an address or a network such"
            " as 10.0.0.0/8",
        ),
        (
            {"HOOKLINE_ACCOUNTS__SUPPORT": CANARY},
            "accounts.support (HOOKLINE_ACCOUNTS__SUPPORT): is no JSON object",
        ),
        (
            {"HOOKLINE_PORT": "1", "HOOKLINE_PORT__X": "2"},
            "port.x (HOOKLINE_PORT__X): is a table in one place and a value in another",
        ),
    ],
)
def test_a_wrong_variable_stops_the_start(environ: dict[str, str], expected: str) -> None:
    assert problems(environ) == [expected]


def test_everything_wrong_with_the_file_is_told_at_once(here: Path) -> None:
    toml(
        here,
        f"""
        prot = 1
        log_level = "{CANARY}"
        [accounts.Sales]
        provider = "sinch"
        [accounts.support]
        provider = "smooch"
        webhook_secrets = ["{CANARY}", 17]
        regionn = "eu"
        """,
    )
    lines = problems()
    assert [line.partition(": ")[0] for line in lines] == [
        "log_level (hookline.toml)",
        "accounts.Sales (hookline.toml)",
        "accounts.support.webhook_secrets.1 (hookline.toml)",
        "accounts.support.regionn (hookline.toml)",
        "prot (hookline.toml)",
    ]
    assert lines[1].endswith("did you mean sales?")
    assert lines[3].endswith("did you mean region?")
    assert lines[4].endswith("did you mean port?")


def test_the_message_has_one_line_for_each_problem() -> None:
    with pytest.raises(BadSettings) as caught:
        load(environ={"HOOKLINE_PRT": "1", "HOOKLINE_HSOT": "x"})
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("text", ["port = ", "a = 1\na = 2", "\x00"])
def test_a_broken_file_is_named(here: Path, text: str) -> None:
    toml(here, text)
    [line] = problems()
    assert line.startswith("hookline.toml: is no TOML: ")


@pytest.mark.parametrize("variable", ["HOOKLINE_CONFIG", "HOOKLINE_SECRETS_DIR"])
def test_a_named_file_or_folder_that_is_missing_is_an_error(variable: str) -> None:
    [line] = problems({variable: "nowhere"})
    assert line.endswith("(nowhere): cannot be read: No such file or directory")


def test_the_named_file_is_used_in_place_of_the_one_here(here: Path) -> None:
    toml(here, "port = 1")
    other = toml(here, "port = 2", "other.toml")
    assert load(environ={"HOOKLINE_CONFIG": str(other)}).port == 2
    assert load(other, {}).port == 2


def test_other_programs_variables_are_none_of_ours() -> None:
    assert load(environ={"HOOKLINES": "x", "PORT": "9"}).port == 8000


def test_what_is_shown_holds_no_secret(here: Path) -> None:
    toml(
        here,
        f"""
        database_url = "postgresql://hook:{CANARY}/@x@db/hookline?sslpassword={CANARY}"
        admin_token = "{CANARY}"
        [accounts.support]
        provider = "smooch"
        webhook_secrets = ["{CANARY}"]
        key_secret = "{CANARY}"
        base_url = "https://user:{CANARY}@api.example.com"
        [accounts.agent]
        provider = "avaamo"
        channel_uuid = "{CANARY}"
        """,
    )
    settings = load(environ={})
    shown = describe(settings)
    assert CANARY not in json.dumps(shown)
    assert shown["database_url"] == (
        "postgresql+psycopg://hook:**********@db/hookline?sslpassword=**********"
    )
    assert shown["accounts"]["support"]["webhook_secrets"] == ["**********"]
    assert shown["lease"] == "1m"


def test_the_settings_can_be_printed_by_mistake() -> None:
    environ = {
        **ACCOUNT,
        "HOOKLINE_DATABASE_URL": f"postgresql://hook:{CANARY}@db/hookline",
        "HOOKLINE_ACCOUNTS__SUPPORT__KEY_SECRET": CANARY,
    }
    assert CANARY not in repr(load(environ=environ))


def test_all_secrets_are_known_for_those_who_must_hide_them() -> None:
    environ = {
        **ACCOUNT,
        "HOOKLINE_DATABASE_URL": "postgresql://hook:p%40ss-word@db/hookline",
        "HOOKLINE_ADMIN_TOKEN": "admin-token",
    }
    found = secrets(load(environ=environ))
    assert sorted(found) == sorted(["admin-token", CANARY, "p%40ss-word", "p@ss-word"])


def test_every_setting_is_documented_in_order() -> None:
    assert [name for name, _, _ in documented()] == list(Settings.model_fields)
    assert ("port", "8000", "its port.") in documented()
    assert all(meaning.endswith(".") for _, _, meaning in documented())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("1.5m", 90), ("24h", 86400), ("7d", 604800), ("250ms", 0.25)],
)
def test_a_time_is_seconds_or_has_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["30s", "5m", "24h", "2d", "0.25s", "0s"])
def test_a_time_is_shown_as_it_can_be_written(text: str) -> None:
    assert written(duration(text)) == text


@pytest.mark.parametrize("text", ["", "-1", "nan", "1 week", "1e3", "9" * 400 + "d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        duration(text)
