"""What the doctor makes of what it was told."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.accounts import Account
from receiver.doctor import here, providers, server
from receiver.doctor.examine import base_of
from receiver.doctor.finding import Finding
from receiver.doctor.providers import Told
from receiver.doctor.server import Answer, Seen
from receiver.errors import Rejected, SendError, Throttled, Unauthorized, Unavailable, Unsupported
from receiver.provider import Registered
from receiver.registry import PROVIDERS
from storage.database import Database

TARGET = "https://hooks.example.com/webhooks/support"


def account(
    provider: str = "smooch", secrets: tuple[bytes, ...] = (b"s1",), **more: Any
) -> Account:
    given = {"smooch": {"token": "t", "app_id": "a1"}, "sinch": {"token": "t"}}
    options = PROVIDERS[provider].options.model_validate(
        {
            "provider": provider,
            "webhook_secrets": [secret.decode() for secret in secrets],
            **given.get(provider, {}),
            **more,
        }
    )
    return Account("support", PROVIDERS[provider], options, secrets)


def hook(of: Account, **more: Any) -> Registered:
    """A webhook as it should be, but for `more`."""
    hooks = of.provider.webhooks
    assert hooks is not None
    good = Registered(
        "w1", TARGET, hooks.triggers(of.options), "s1", dict(hooks.settings(of.options))
    )
    return replace(good, **more)


def levels(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.check, finding.level) for finding in found]


def problems(found: Iterable[Finding]) -> list[Finding]:
    listed = [finding for finding in found if finding.level != "ok"]
    assert all(finding.todo for finding in listed), "a problem without what to do"
    return listed


def told(of: Account, *hooks: Registered, base: str | None = None, **more: Any) -> list[Finding]:
    return list(providers.told(of, Told(hooks=list(hooks), **more), base))


@pytest.mark.parametrize("version", ["v1", "v1.1", "v2"])
def test_a_webhook_as_it_should_be_is_fine(version: str) -> None:
    of = account(api_version=version)
    assert levels(told(of, hook(of))) == [("credentials", "ok"), ("webhook", "ok")]
    sinch = account("sinch")
    assert problems(told(sinch, hook(sinch))) == []


@pytest.mark.parametrize(
    ("provider", "damage", "level", "words"),
    [
        ("smooch", {"secret": "theirs"}, "bad", "not in accounts.support.webhook_secrets"),
        ("sinch", {"secret": "theirs"}, "bad", "not in accounts.support.webhook_secrets"),
        ("sinch", {"secret": None}, "bad", "unsigned"),
        ("sinch", {"settings": {"target_type": "DISMISS"}}, "bad", "target_type is DISMISS"),
        ("smooch", {"triggers": frozenset({"postback"})}, "warning", "and 12 more"),
        ("sinch", {"triggers": frozenset()}, "warning", "CAPABILITY"),
        (
            "smooch",
            {"settings": {"includeClient": False, "includeFullAppUser": True}},
            "warning",
            "includeClient is off",
        ),
        ("smooch", {"target": TARGET.replace("https", "http")}, "warning", "not https"),
    ],
)
def test_each_thing_that_is_wrong_with_a_webhook_is_told(
    provider: str, damage: dict[str, Any], level: str, words: str
) -> None:
    of = account(provider)
    [problem] = problems(told(of, hook(of, **damage)))
    assert (problem.level, words in problem.detail) == (level, True)
    assert "register" in (problem.todo or "")


@pytest.mark.parametrize(
    ("provider", "secrets", "shows"),
    [("smooch", (b"s1",), True), ("sinch", (b"s1",), False), ("sinch", (), True)],
)
def test_a_secret_is_to_be_shown_where_it_is_not_ours_to_give(
    provider: str, secrets: tuple[bytes, ...], shows: bool
) -> None:
    of = account(provider, secrets)
    [problem] = problems(told(of, hook(of, secret="theirs")))
    assert ("--show-secret`" in (problem.todo or "")) is shows


def test_a_secret_that_the_provider_does_not_tell_is_no_problem() -> None:
    of = account()
    assert problems(told(of, hook(of, secret=None))) == []


def test_no_webhook_for_the_account_is_bad_and_says_how_to_make_one() -> None:
    of = account()
    [none] = problems(told(of))
    assert (none.level, "hookline register support https://" in (none.todo or "")) == ("bad", True)
    [elsewhere] = problems(told(of, hook(of, target="https://hooks.example.com/webhooks/other")))
    assert "1 lead elsewhere" in elsewhere.detail


def test_a_second_webhook_for_the_same_target_is_told() -> None:
    of = account()
    [problem] = problems(told(of, hook(of), hook(of, id="w2", target=TARGET + "/")))
    assert (problem.level, problem.todo) == ("warning", "delete the webhook w2")


def test_the_public_address_decides_which_webhook_is_ours() -> None:
    of = account()
    here_ = hook(of)
    gone = hook(of, id="w2", target="https://gone.example.com/webhooks/support")
    assert problems(told(of, here_, base="https://hooks.example.com")) == []
    [other] = problems(told(of, here_, gone, base="https://hooks.example.com"))
    assert (other.level, "gone.example.com" in other.detail) == ("warning", True)
    found = problems(told(of, gone, base="https://hooks.example.com"))
    assert [problem.level for problem in found] == ["warning", "bad"]
    assert f"hookline register support {TARGET}" in (found[1].todo or "")


@pytest.mark.parametrize(
    ("error", "check", "level"),
    [
        (Unauthorized("401", status=401), "credentials", "bad"),
        (Rejected("404", status=404), "settings", "bad"),
        (Rejected("400", status=400), "provider", "bad"),
        (Unavailable("no answer"), "provider", "bad"),
        (Throttled("429"), "credentials", "warning"),
        (Unsupported("integrations.custom"), "webhook", "bad"),
    ],
)
def test_a_provider_that_refuses_is_told_with_what_to_check(
    error: SendError, check: str, level: str
) -> None:
    [problem] = problems(told(account("sinch"), error=error))
    assert (problem.check, problem.level) == (check, level)
    if error.status in (401, 404):
        assert "region" in (problem.todo or "")


def test_what_does_not_fit_the_app_is_bad() -> None:
    of = account("sinch")
    [problem] = problems(told(of, hook(of), misfits=["the app is in DISPATCH mode"]))
    assert (problem.level, problem.detail) == ("bad", "the app is in DISPATCH mode")


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (0, "ok", "within"),
        (60, "ok", "within"),
        (-60, "ok", "within"),
        (61, "warning", "61 s ahead of"),
        (-300, "warning", "300 s behind"),
        (301, "bad", "301 s ahead of"),
        (-86400, "bad", "86400 s behind"),
    ],
)
def test_a_clock_may_be_a_minute_off(seconds: int, level: str, words: str) -> None:
    found = providers.clock(timedelta(seconds=seconds))
    assert (found.level, words in found.detail) == (level, True)


OPEN = {"accept_unsigned": "anybody may post here"}


def test_an_account_needs_secrets_to_receive_and_credentials_to_send() -> None:
    assert problems(providers.settings(account())) == []
    [secrets] = problems(providers.settings(account(secrets=())))
    assert (secrets.check, secrets.level) == ("secrets", "bad")
    [sending] = problems(providers.settings(account(app_id=None)))
    assert (sending.level, sending.todo) == ("warning", "set accounts.support.app_id")
    in_words = account("sinch_sms", secrets=(), service_plan_id="p", token="t", **OPEN)
    assert problems(providers.settings(in_words)) == []
    agent = account("avaamo", secrets=(), channel_uuid="u")
    assert problems(providers.settings(agent)) == []


READY = json.dumps({"ready": True, "checks": {"database": None}})
UNREADY = json.dumps({"ready": False, "checks": {"database": "does not answer", "schema": None}})


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (Answer(200, READY), "ok", "is ready"),
        (Answer(503, UNREADY), "bad", "not ready: database: does not answer"),
        (Answer(503, "<html>"), "bad", "does not say why"),
        (Answer(None, "ConnectError"), "warning", "nobody listens"),
        (Answer(401), "warning", "another token"),
        (Answer(404), "bad", "answers 404"),
    ],
)
def test_the_running_server_is_asked(answer: Answer, level: str, words: str) -> None:
    found = server.ready("http://127.0.0.1:8001/readyz", answer)
    assert (found.level, words in found.detail) == (level, True)


OURS = Answer(200, "This address takes webhooks by POST.\n")
EMPTY = Answer(200)
NONE = Answer(None)


@pytest.mark.parametrize(
    ("head", "get", "put", "level", "words"),
    [
        (EMPTY, OURS, Answer(405), "ok", "is ours"),
        (EMPTY, OURS, NONE, "ok", "is ours"),
        (EMPTY, OURS, Answer(413), "warning", "no body of 1048576 bytes"),
        (EMPTY, Answer(200, "Welcome!"), NONE, "bad", "somebody else"),
        (Answer(301, "", TARGET + "/"), NONE, NONE, "bad", "redirects (301)"),
        (EMPTY, Answer(302, "", "/login"), NONE, "bad", "redirects (302)"),
        (Answer(401), NONE, NONE, "bad", "answers 401"),
        (Answer(404), NONE, NONE, "bad", "answers 404"),
        (Answer(502), NONE, NONE, "bad", "answers 502"),
        (Answer(None, "ConnectTimeout"), NONE, NONE, "bad", "ConnectTimeout"),
    ],
)
def test_the_public_address_is_looked_at(
    head: Answer, get: Answer, put: Answer, level: str, words: str
) -> None:
    found = list(server.public(Seen(TARGET, head, get, put, 1048576)))
    assert (found[-1].level, words in found[-1].detail) == (level, True)
    if head.location:
        assert TARGET + "/" in (found[-1].todo or "")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://hooks.example.com", "https://hooks.example.com"),
        ("https://hooks.example.com/", "https://hooks.example.com"),
        ("https://example.com/sub/", "https://example.com/sub"),
        (TARGET, "https://hooks.example.com"),
    ],
)
def test_a_public_address_may_be_given_with_or_without_the_path(url: str, base: str) -> None:
    assert base_of(url) == base


MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
server:/export /srv nfs4 rw,vers=4.2 0 0
/dev/sdb1 /srv/local\\040disk xfs rw 0 0
garbage
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/data", "nfs4"),
        ("/srv/local disk/data", "xfs"),
        ("/srvx", "ext4"),
    ],
)
def test_the_nearest_mount_above_a_folder_is_its_file_system(folder: str, kind: str) -> None:
    assert here.file_system(Path(folder), MOUNTS) == kind
    assert here.file_system(Path(folder), "") == ""


def test_a_database_file_must_be_writable_and_local(tmp_path: Path) -> None:
    file = tmp_path / "hookline.db"
    assert levels(here.sqlite_file(file, "")) == [("database file", "warning")]
    file.touch()
    assert levels(here.sqlite_file(file, "")) == [("database file", "ok")]
    network = f"server:/x {tmp_path} nfs rw 0 0\n"
    assert levels(here.sqlite_file(file, network))[1:] == [("database file", "bad")]
    missing = tmp_path / "missing" / "hookline.db"
    [problem] = problems(here.sqlite_file(missing, ""))
    assert (problem.level, "cannot be written" in problem.detail) == ("bad", True)


def test_an_older_schema_is_bad(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hookline.db"
    Database(url).close()
    old = here._schema(url)
    assert (old.level, "hookline migrate" in (old.todo or "")) == ("bad", True)
    database = Database(url)
    database.migrate()
    database.close()
    assert here._schema(url).level == "ok"


def test_a_database_that_does_not_answer_is_bad() -> None:
    away = here._schema("postgresql+psycopg://nobody:x@127.0.0.1:1/none")
    assert (away.level, "does not answer" in away.detail) == ("bad", True)
