"""`hookline parse`, `config` and the command line itself."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from receiver.cli.main import app

TEXT: dict[str, Any] = {
    "trigger": "message:appUser",
    "app": {"_id": "6f1a2b3c4d5e6f7081920a1b"},
    "appUser": {"_id": "7c9e1f2a3b4c5d6e7f809a1b", "userId": "ann@example.com"},
    "messages": [
        {
            "_id": "0a1b2c3d4e5f60718293a4b5",
            "type": "text",
            "role": "appUser",
            "text": "Hello \u001b[2J there",
            "received": 1767225600.25,
            "source": {"type": "messenger"},
        }
    ],
}
FIELDS = [
    *("type", "trigger", "id", "user", "identities", "channel", "conversation_id", "message_id"),
    *("text", "payload", "occurred_at", "raw"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("HOOKLINE_CONFIG", "HOOKLINE_SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*args: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(args), input=stdin)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def save(name: str, value: Any) -> str:
    Path(name).write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return name


def test_each_file_is_one_line_with_its_events() -> None:
    result = run(
        "parse", save("a.json", TEXT), save("b.json", {}), "--provider", "smooch", "--json"
    )
    assert result.exit_code == 0
    first, second = lines(result)
    assert list(first) == ["file", "provider", "unparsed", "error", "events"]
    assert (first["file"], first["provider"]) == ("a.json", "smooch")
    assert (first["unparsed"], first["error"]) == (False, None)
    [event] = first["events"]
    assert list(event) == FIELDS
    assert event["type"] == "message.received"
    assert event["user"] == {"id": "7c9e1f2a3b4c5d6e7f809a1b", "external_id": "ann@example.com"}
    assert event["occurred_at"] == "2026-01-01T00:00:00.250Z"
    assert event["raw"] == TEXT
    assert [e["type"] for e in second["events"]] == ["unknown"]


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_what_cannot_be_parsed_is_a_result(body: bytes) -> None:
    result = run("parse", save("bad.json", body), "--provider", "sinch", "--json")
    assert result.exit_code == 0
    [line] = lines(result)
    assert line["unparsed"] is True
    assert line["error"]
    assert line["events"] == []


def test_a_missing_file_fails_and_the_others_are_parsed() -> None:
    args = ("parse", "gone.json", save("a.json", TEXT), "--provider", "smooch", "--json")
    result = run(*args)
    assert result.exit_code == 1
    missing, parsed = lines(result)
    assert missing["error"] == "gone.json cannot be read: No such file or directory"
    assert missing["error"] in result.stderr
    assert len(parsed["events"]) == 1


def test_a_dash_is_stdin() -> None:
    result = run("parse", "-", "--provider", "smooch", "--json", stdin=json.dumps(TEXT).encode())
    assert [len(line["events"]) for line in lines(result)] == [1]


def test_no_configuration_is_needed_so_a_broken_one_does_not_matter() -> None:
    save("hookline.toml", b"this is = = no TOML")
    assert run("parse", save("a.json", TEXT), "--provider", "smooch").exit_code == 0


def test_people_get_a_summary_that_cannot_steer_their_terminal() -> None:
    result = run("parse", save("a.json", TEXT), save("b.json", b"["), "--provider", "smooch")
    assert "a.json: 1 event(s)" in result.stdout
    assert "message.received" in result.stdout
    assert "\x1b" not in result.stdout
    assert "b.json: unparsed" in result.stdout


def test_what_is_no_file_fails_alone_and_a_name_may_be_any_bytes(here: Path) -> None:
    (here / "folder").mkdir()
    odd = save("odd \udcff\n.json", TEXT)
    result = run("parse", "folder", "gone\udcff", odd, "--provider", "smooch", "--json")
    assert result.exit_code == 1
    folder, gone, parsed = lines(result)
    assert folder["error"] == "folder cannot be read: Is a directory"
    assert (gone["file"], gone["unparsed"], gone["events"]) == ("gone\udcff", True, [])
    assert (parsed["file"], len(parsed["events"])) == (odd, 1)


def test_a_byte_order_mark_is_skipped() -> None:
    marked = save("marked.json", b"\xef\xbb\xbf" + json.dumps(TEXT).encode())
    result = run("parse", marked, save("a.json", TEXT), "--provider", "smooch", "--json")
    with_mark, without = lines(result)
    assert with_mark["events"] == without["events"] != []


def test_a_terminal_without_the_signs_of_a_text_gets_their_names(here: Path) -> None:
    text = json.loads(json.dumps(TEXT))
    text["messages"][0]["text"] = "Ouvert à midi \U0001f44b"
    program = "from receiver.cli.main import main; main()"
    args = ["parse", save("a.json", text), "--provider", "smooch"]
    done = subprocess.run(
        [sys.executable, "-c", program, *args],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
        cwd=here,
    )
    assert done.returncode == 0, done.stderr
    assert rb"Ouvert \xe0 midi \U0001f44b" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("parse", "a.json", "--provider", "smoch"), "did you mean smooch?"),
        (("parse", "a.json", "--provider", "Smooch"), "did you mean smooch?"),
        (("parse", "a.json", "--provider", "sinch-sms"), "did you mean sinch_sms?"),
        (("parse", "a.json", "--provider", "SunshineConversations"), "did you mean smooch?"),
        (("parse", "a.json", "--provider", "sms"), "did you mean sinch_sms?"),
        (("parse", "a.json", "--provider", "sinch_conversation"), "did you mean sinch?"),
        (("parse", "a.json", "--provider", "courier"), "no provider 'courier'. There is: avaamo,"),
        (("parse", "a.json", "--provider", "avaamo"), "avaamo sends no webhooks"),
        (("parse", "a.json"), "--provider"),
        (("parse", "--provider", "smooch"), "FILE"),
        (("prase",), "prase"),
    ],
)
def test_wrong_use_is_exit_2(args: tuple[str, ...], said: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert said in result.stderr


def test_config_shows_what_is_in_force_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKLINE_ACCOUNTS__SUPPORT__PROVIDER", "smooch")
    monkeypatch.setenv("HOOKLINE_ACCOUNTS__SUPPORT__WEBHOOK_SECRETS", "canary-7f3a9c")
    save("hookline.toml", b'database_url = "postgresql://u:canary-7f3a9c@db/x"\nport = 9000\n')
    for_people, for_programs = run("config"), run("config", "--json")
    assert "canary" not in for_people.output + for_programs.output
    assert "port = 9000" in for_people.stdout
    assert "[accounts.support]" in for_people.stdout
    [shown] = lines(for_programs)
    assert shown["port"] == 9000
    assert shown["accounts"]["support"]["webhook_secrets"] == ["**********"]


def test_bad_settings_are_told_without_a_traceback() -> None:
    save("hookline.toml", b"prot = 1")
    result = run("config")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "hookline: the settings cannot be used",
        "prot (hookline.toml): there is no such setting; did you mean port?",
    ]


def test_the_installed_command_works_from_any_folder(here: Path) -> None:
    command = Path(sys.executable).with_name("hookline")
    if not command.exists():
        pytest.skip("the package is not installed in this environment")
    save("a.json", TEXT)
    (here / "handlers").mkdir()  # a user's own folder must not stand in for the package
    args = [str(command), "parse", "a.json", "--provider", "smooch", "--json"]
    done = subprocess.run(args, capture_output=True, text=True, check=False, cwd=here)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"][0]["type"] == "message.received"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from receiver.cli.main import app; "
        "print(sorted({'sqlmodel','sqlalchemy','httpx','starlette','pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
