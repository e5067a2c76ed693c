"""Finding the handlers that the settings name."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers import Context, MessageReceived
from receiver.plugins import BadHandler, load_handlers

GOOD = """
from __future__ import annotations
from dataclasses import dataclass
from handlers import Context, MessageReceived, Router

@dataclass
class Answer:
    text: str

router = Router()
other = Router()

@router.on_message
async def greet(ctx: Context[MessageReceived]) -> None:
    ctx.reply(Answer("hello").text)

@other.on_message
async def later(ctx: Context[MessageReceived]) -> None:
    ctx.reply("later")
"""

WRONG = """
from handlers import Router, MessageReceived

router = Router()

@router.on_message
async def greet(event: MessageReceived, ctx) -> None: ...
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current directory; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def names(*entries: str) -> list[str]:
    return [handler.name for handler in load_handlers(entries).handlers]


def test_a_module_beside_the_settings(home: Path) -> None:
    (home / "shop_a.py").write_text(GOOD)
    assert names("shop_a") == ["shop_a.greet"]


def test_another_router_of_a_module(home: Path) -> None:
    (home / "shop_b.py").write_text(GOOD)
    assert names("shop_b:other") == ["shop_b.later"]


def test_a_module_in_a_package(home: Path) -> None:
    (home / "shop_c").mkdir()
    (home / "shop_c" / "__init__.py").write_text("")
    (home / "shop_c" / "bot.py").write_text(GOOD)
    assert names("shop_c.bot") == ["shop_c.bot.greet"]


def test_an_example_that_comes_along() -> None:
    assert names("handlers.echo") == ["handlers.echo.echo"]


def test_nothing_named_is_a_router_without_handlers() -> None:
    assert names() == []


def test_a_file_by_its_path_leaves_the_search_path_alone(home: Path) -> None:
    (home / "bots").mkdir()
    file = home / "bots" / "shop-d.py"
    file.write_text(f"{GOOD}\nimport prices_d\n")
    (home / "bots" / "prices_d.py").write_text("TEA = 5\n")
    before = sys.path[:]
    assert names("bots/shop-d.py") == ["hookline_file_shop_d.greet"]
    assert names(f"{file}:other", "bots/shop-d.py") == [
        "hookline_file_shop_d.later",
        "hookline_file_shop_d.greet",
    ]
    assert sys.path == before


def test_a_file_may_be_called_like_a_module_of_python(home: Path) -> None:
    import json

    (home / "json.py").write_text(GOOD)
    assert names("json.py") == ["hookline_file_json.greet"]
    assert sys.modules["json"] is json


def test_the_order_of_the_settings_decides_who_comes_first(home: Path) -> None:
    for folder in ("a", "b"):
        (home / folder).mkdir()
        (home / folder / "shop.py").write_text(GOOD)
    (home / "shop_e.py").write_text(GOOD)
    assert names("b/shop.py", "shop_e", "a/shop.py", "shop_e:other") == [
        "hookline_file_shop.greet",
        "shop_e.greet",
        "hookline_file_shop_2.greet",
        "shop_e.later",
    ]


def test_a_loaded_handler_can_be_called(home: Path) -> None:
    (home / "shop_f.py").write_text(GOOD)
    routed = load_handlers(["shop_f.py"]).route(MessageReceived(id="1"), "support")
    assert routed is not None
    assert routed.handler.is_async
    assert routed.handler.function.__annotations__["ctx"] == "Context[MessageReceived]"
    assert issubclass(routed.handler.event_class, MessageReceived)
    assert Context.__name__ in routed.handler.function.__globals__


BROKEN = {
    "divides.py": "a = 1\n\nb = a / 0\n",
    "misspelt.py": "def f(:\n",
    "lacks.py": "import re\nimport nosuchmodule\n",
    "leaves.py": "import sys\nsys.exit(3)\n",
    "pattern.py": "from handlers import when\n\nrule = when.text('(')\n",
    "deep.py": "import re\nre.compile('(')\n",
    "wrong.py": WRONG,
    "empty.py": "",
    "renamed.py": "from handlers import Router\n\nbot = Router()\n",
    "nearly.py": "from handlers import Router\n\nruoter = Router()\n",
    "listed.py": "router = []\n",
    "good.py": GOOD,
}

REASONS = [
    ("divides", "cannot be imported: ZeroDivisionError: division by zero (divides.py, line 3)"),
    ("divides.py", "cannot be imported: ZeroDivisionError: division by zero (divides.py, line 3)"),
    ("misspelt.py", "cannot be imported: SyntaxError: invalid syntax (misspelt.py, line 1)"),
    ("lacks", "ModuleNotFoundError: No module named 'nosuchmodule' (lacks.py, line 2)"),
    ("leaves", "cannot be imported: SystemExit: 3 (leaves.py, line 2)"),
    ("pattern", "(pattern.py, line 3)"),
    ("deep", "(deep.py, line 2)"),
    ("wrong", "has a wrong handler (wrong.py, line 6): greet cannot be a handler: it takes event"),
    ("wrong.py", "Expected: async def greet(ctx: Context[MessageReceived])"),
    ("empty", "has no 'router' in it"),
    ("renamed", "has no 'router' in it; there is 'bot'"),
    ("nearly.py", "has no 'router' in it; did you mean 'ruoter'?"),
    ("good:routr", "has no 'routr' in it; did you mean 'router'?"),
    ("listed", "names a list, not a Router"),
    ("goood", "is no module; did you mean 'good'?"),
    ("handlers.ecko", "is no module; did you mean 'handlers.echo'?"),
    ("nosuchpackage.bot", "is no module"),
    ("goood.py", "is no file; did you mean 'good.py'?"),
    ("nowhere/bot.py", "is no file"),
    ("", "is not of the form"),
    ("good:", "is not of the form"),
    ("bots/good", "is not of the form"),
    (".good", "is not of the form"),
]


@pytest.mark.parametrize(("entry", "reason"), REASONS)
def test_an_entry_that_cannot_be_used_is_named_with_the_reason(
    home: Path, entry: str, reason: str
) -> None:
    for name, text in BROKEN.items():
        (home / name).write_text(text)
    with pytest.raises(BadHandler) as caught:
        load_handlers(["handlers.echo", entry])
    assert str(caught.value).startswith(f"handlers: {entry!r} ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("again", ["good.py", "./good.py", "good.py:router"])
def test_a_file_that_is_named_twice_is_refused(home: Path, again: str) -> None:
    (home / "good.py").write_text(GOOD)
    with pytest.raises(BadHandler, match="is named twice"):
        load_handlers(["good.py", again])
