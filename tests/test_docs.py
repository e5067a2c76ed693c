"""
The README names everything there is, and nothing that there is not: settings, commands with their
options, events, actions, files. Its settings can be loaded and its examples run.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

import handlers
from handlers.actions import Action
from handlers.context import Context
from handlers.event import Event
from handlers.events import EVENTS
from handlers.router import Router
from handlers.rules import when
from receiver.cli.main import app
from receiver.endpoint import _PREPARED
from receiver.plugins import load_handlers
from receiver.redact import shown
from receiver.registry import PROVIDERS
from receiver.settings import Settings, as_toml, documented, load
from receiver.sources import OWN

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PROSE = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
SPANS = re.findall(r"`([^`\n]+)`", PROSE)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def rows(heading: str) -> list[list[str]]:
    """The cells of all tables between this heading and the next."""
    section = PROSE.split(f"\n{heading}\n")[1]
    section = re.split(r"^#+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in found if not set(row[0]) <= {"-"}]


# Settings


def test_every_setting_has_its_row() -> None:
    wanted = [[f"`{n}`", f"`{d}`" if d else "", meaning] for n, d, meaning in documented()]
    assert rows("## Settings")[1:] == wanted
    assert {name for name, _, _ in documented()} == set(Settings.model_fields)


def test_every_setting_of_an_account_has_its_row() -> None:
    wanted = {
        (f"`{name}`", provider.name, f"`{default}`" if (default := _default(field)) else "")
        for provider in PROVIDERS.values()
        for name, field in provider.options.model_fields.items()
    }
    found = {
        (name, provider, default)
        for name, providers, default, meaning in rows("### Accounts")[1:]
        for provider in (PROVIDERS if providers == "all" else providers.split(", "))
        if meaning
    }
    assert found == wanted


def _default(field: Any) -> str:
    return "" if field.is_required() else as_toml(shown(field.get_default()))


@pytest.mark.parametrize("text", blocks("toml"))
def test_the_settings_in_it_can_be_loaded(text: str, tmp_path: Path) -> None:
    (tmp_path / "hookline.toml").write_text(text)
    settings = load(tmp_path / "hookline.toml", {})
    assert settings.accounts
    for account in settings.accounts.values():
        assert account.lacks() == []
        assert account.webhook_secrets
    assert load_handlers(settings.handlers).handlers


def test_the_variables_in_it_are_read() -> None:
    names = {name.split("=")[0] for name in re.findall(r"HOOKLINE_[A-Z_]+", README)} - OWN
    assert {name for name in names if not _is_setting(name)} == set()


def _is_setting(variable: str) -> bool:
    first, *rest = variable.removeprefix("HOOKLINE_").lower().split("__")
    options = {name for provider in PROVIDERS.values() for name in provider.options.model_fields}
    return first in Settings.model_fields and (not rest or rest[-1] in options)


# Commands


def commands(group: Any, before: str = "hookline") -> Iterator[tuple[str, set[str]]]:
    """("hookline events show", {"--json"}) for every command that can be run."""
    for name, command in group.commands.items():
        full = f"{before} {name}"
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield full, _options(command)
        if hasattr(command, "commands"):
            yield from commands(command, full)


def _options(command: Any) -> set[str]:
    named = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    return {name for name in named if name.startswith("-")} - {"-h", "--help"}


COMMANDS = dict(commands(typer.main.get_command(app)))


def command_of(text: str) -> str | None:
    """The longest command that these words begin with."""
    fitting = [name for name in COMMANDS if f"{text} ".startswith(f"{name} ")]
    return max(fitting, key=len, default=None)


def test_every_command_has_its_row_with_all_its_options() -> None:
    found = {
        command_of(row[0].strip("`")): set(re.findall(r"`(-[^`]+)`", row[1]))
        for row in rows("## Operate")[1:]
    }
    assert found == COMMANDS


def test_every_command_and_option_in_it_exists() -> None:
    lines = [line.split(" #")[0] for text in blocks("sh") for line in text.splitlines()]
    calls = [text for text in [*lines, *SPANS] if re.match(r"hookline [a-z]", text)]
    assert calls
    for call in calls:
        command = command_of(call)
        assert command, f"there is no `{call}`"
        assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", call)) <= COMMANDS[command]


def test_the_statuses_in_it_are_those_of_the_endpoint() -> None:
    listed = {int(code) for row in rows("### What providers are answered")[1:]
              for code in re.findall(r"\d+", row[0])}  # fmt: skip
    assert set(_PREPARED) <= listed


# Handlers


def test_every_event_has_its_row() -> None:
    found = {(row[0], row[1]) for row in rows("### Events")[1:]}
    assert found == {(f"`{name}`", f"`{cls.__name__}`") for name, cls in EVENTS.items()}


def test_every_family_of_events_is_true() -> None:
    for name, _, family, meaning in rows("### Events")[1:]:
        cls = EVENTS[name.strip("`")]
        wanted = family.strip("`") or "Event"
        assert issubclass(cls, getattr(handlers, wanted))
        assert meaning


def test_every_field_of_an_event_is_named() -> None:
    fields = {"type", *Event.__dataclass_fields__} - {"dedup_window"}
    assert {name for name in fields if name not in SPANS} == set()


def test_every_action_is_named() -> None:
    actions = {kind.__name__ for kind in get_args(get_args(Action)[0])}
    table = " ".join(cell for row in rows("## Write a handler") for cell in row)
    assert {name for name in actions if f"`{name}`" not in table} == set()


def test_everything_of_a_context_is_named_and_nothing_else() -> None:
    internal = {"actions", "changed_states"}  # for whoever runs a handler
    there = {name for name in dir(Context) if not name.startswith("_")}
    there |= set(signature(Context).parameters) - {"states"}
    named = set(re.findall(r"\bctx\.(\w+)", README))
    assert named - internal == there - internal


def test_every_rule_is_named_and_nothing_else() -> None:
    rules = {name for name in dir(when) if not name.startswith("_")}
    assert set(re.findall(r"\bwhen\.(\w+)", README)) == rules


def test_every_way_to_register_is_named() -> None:
    ways = {
        name for name in dir(Router) if name.startswith(("on", "observe")) and name != "observers"
    }
    assert ways <= set(re.findall(r"\brouter\.(\w+)", README))


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The Python in it, each block in the file that its first line names."""
    for text in blocks("python"):
        name = re.match(r"# (\w+\.py)", text)
        assert name, "the first line of a block names its file"
        (tmp_path / name[1]).write_text(text)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_its_handlers_can_be_loaded(examples: Path) -> None:
    assert len(load_handlers([str(examples / "shop.py")]).handlers) == 7


def test_its_test_of_a_handler_passes(examples: Path) -> None:
    tests = vars(importlib.import_module("test_shop"))
    found = [test for name, test in tests.items() if name.startswith("test_")]
    assert found
    for test in found:
        test()


# Files


def test_every_file_in_it_exists() -> None:
    roots = ("deploy/", "handlers/", "receiver/", "storage/", "tests/", ".ci/")
    words = {word for span in SPANS for word in span.split() if word.startswith(roots)}
    words |= set(re.findall(r"\bdeploy/[\w.]+", README))
    assert words
    assert {word for word in words if not (ROOT / word.split("NAME")[0]).exists()} == set()


def test_its_own_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", PROSE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors
