"""
The rules that keep the three packages apart. The source is read, not imported; a failure names the
file and what it did.
"""

import ast
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["receiver", "storage", "handlers"]  # each may import itself and what stands to its right

# Inside receiver, from top to bottom: a module imports what stands below it, and its own package.
RECEIVER = [
    {"cli"},
    {"bench", "demo", "doctor"},
    {"run", "demo_view"},
    {"node"},
    {"app", "express", "intake", "working"},
    {"endpoint", "dispatch", "deliver"},
    {"commit", "notebook", "quarantine"},
    {"ledger"},
    {"engine", "limits", "outcomes", "receive", "reveal", "listing", "watchdog"},
    {"drain"},
    {
        "accounts",
        "bell",
        "calling",
        "edge",
        "incoming",
        "plugins",
        "samples",
        "send",
        "serving",
        "settings",
        "sink",
    },
    {"incoming", "spool", "standins"},
    {"registry"},
    {"providers"},
    {"answers", "bodies", "credentials", "registration", "sinch_diagnosis"},
    {"sinch_signature"},
    {
        *("aside", "backoff", "connections", "fields", "kinds", "logs", "loops", "options"),
        *("provider", "records"),
    },
    {"brief", "errors", "redact"},
    {"sources"},
]

# Where -> what may not be imported there.
FORBIDDEN = {
    "handlers": {
        *("anyio", "asyncio", "httpx", "os", "random", "socket", "sqlalchemy", "sqlmodel"),
        *("starlette", "structlog", "subprocess", "threading", "time", "uvicorn"),
    },
    "storage": {"asyncio", "httpx", "starlette", "structlog", "time", "typer", "uvicorn"},
    "receiver/providers": {
        *("asyncio", "os", "random", "socket", "sqlalchemy", "sqlmodel", "starlette", "storage"),
        *("structlog", "subprocess", "time", "typer", "uvicorn"),
    },
}

# Values and what signs them; nothing of httpx that opens a connection.
HTTPX_VALUES = {"Auth", "BasicAuth", "Headers", "QueryParams", "Request", "Response", "URL"}

# The shells read the clock for all the others: what starts a process, a command, a measurement, and
# the stand-ins, which are somebody else's process.
SHELLS = (
    "receiver/bench/",
    "receiver/brief.py",
    "receiver/cli/",
    "receiver/demo.py",
    "receiver/node.py",
    "receiver/standins/core.py",
)
CLOCKS = {  # durations (perf_counter, monotonic) are no time of day
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("time.time", "time.time_ns", "time.gmtime", "time.localtime"),
}

LONGEST_FILE = 300  # lines
LONGEST_FUNCTION = 45  # lines, without signature and docstring
LONG = {
    "handlers/events.py": "a table: one small class for each type of event",
    "storage/tables.py": "a table: every column with what it means",
    "storage/migrations/versions/0001_the_first_schema.py": "the same table, as it was made",
}
LONG_FUNCTIONS = {
    "storage/migrations/versions/0001_the_first_schema.py": "a migration is one list of steps",
}

FILES = sorted(
    str(path.relative_to(ROOT)) for package in ORDER for path in (ROOT / package).rglob("*.py")
)
PROVIDERS = [file for file in FILES if file.startswith("receiver/providers/")]
RECEIVERS = [f for f in FILES if f.startswith("receiver/") and f != "receiver/__init__.py"]


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text("utf-8"))


@cache
def imports(file: str) -> list[str]:
    """The dotted name of everything that the file imports, at any depth."""
    found: list[str] = []
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@cache
def attributes(file: str) -> list[str]:
    """ "datetime.now" for each attribute that is read: its own name and its owner's last one."""
    nodes = [node for node in ast.walk(tree(file)) if isinstance(node, ast.Attribute)]
    return [f"{_last(node.value)}.{node.attr}" for node in nodes]


def _last(owner: ast.expr) -> str:
    return owner.id if isinstance(owner, ast.Name) else str(getattr(owner, "attr", ""))


def module(file: str) -> list[str]:
    """The parts of the module's name."""
    return file.removesuffix(".py").removesuffix("/__init__").split("/")


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement that is no docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def found(files: Iterable[str], wrong: Callable[[str], Iterable[object]]) -> list[str]:
    """ "file: what is wrong there", for everything that is."""
    return [f"{file}: {what}" for file in files for what in wrong(file)]


def test_imports_point_one_way() -> None:
    def upward(file: str) -> list[str]:
        above = {"tests", *ORDER[: ORDER.index(module(file)[0])]}
        return [name for name in imports(file) if name.split(".")[0] in above]

    assert found(FILES, upward) == []


def test_inside_receiver_imports_point_down() -> None:
    levels = {name: level for level, names in enumerate(RECEIVER) for name in names}

    def not_down(file: str) -> list[str]:
        own = module(file)[1]
        others = {name.split(".")[1] for name in imports(file) if name.startswith("receiver.")}
        return [name for name in others - {own} if levels.get(name, -1) <= levels.get(own, -1)]

    assert found(RECEIVERS, not_down) == []


def test_every_module_of_receiver_has_its_place() -> None:
    assert {module(file)[1] for file in RECEIVERS} == set().union(*RECEIVER)


def test_one_provider_never_imports_another() -> None:
    def others(file: str) -> list[str]:
        own = ".".join(module(file)[:3])
        there = [name for name in imports(file) if name.startswith("receiver.providers.")]
        return [name for name in there if not f"{name}.".startswith(f"{own}.")]

    assert found(PROVIDERS, others) == []


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_nothing_forbidden_is_imported(folder: str) -> None:
    files = [file for file in FILES if file.startswith(f"{folder}/")]
    forbidden = FORBIDDEN[folder]
    assert files
    assert found(files, lambda f: [n for n in imports(f) if n.split(".")[0] in forbidden]) == []


def test_a_provider_takes_only_values_from_httpx() -> None:
    def more(file: str) -> set[str]:
        used = [name for name in imports(file) + attributes(file) if name.startswith("httpx.")]
        return {name.removeprefix("httpx.") for name in used} - HTTPX_VALUES

    assert found(PROVIDERS, more) == []


def test_only_shells_read_the_clock() -> None:
    others = [file for file in FILES if not file.startswith(SHELLS)]
    assert found(others, lambda file: CLOCKS.intersection(imports(file) + attributes(file))) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_named_here_reads_the_clock(shell: str) -> None:
    inside = [file for file in FILES if file.startswith(shell)]
    assert [file for file in inside if CLOCKS.intersection(attributes(file))]


def test_imports_are_absolute() -> None:
    def relative(file: str) -> list[int]:
        nodes = [node for node in ast.walk(tree(file)) if isinstance(node, ast.ImportFrom)]
        return [node.lineno for node in nodes if node.level]

    assert found(FILES, relative) == []


def test_every_module_says_what_it_is_for() -> None:
    assert [file for file in FILES if not ast.get_docstring(tree(file))] == []


def test_files_are_short() -> None:
    lines = {file: len((ROOT / file).read_text("utf-8").splitlines()) for file in FILES}
    assert {file: n for file, n in lines.items() if n > LONGEST_FILE and file not in LONG} == {}
    assert [file for file in LONG if lines[file] <= LONGEST_FILE] == [], "no exception any more"


def test_functions_are_short() -> None:
    def long(file: str) -> list[str]:
        nodes = ast.walk(tree(file))
        functions = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        return [f.name for f in functions if length(f) > LONGEST_FUNCTION]

    assert found([file for file in FILES if file not in LONG_FUNCTIONS], long) == []
