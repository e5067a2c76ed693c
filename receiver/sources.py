"""
Where settings come from: flat lists of entries, each with its origin, and one tree made of them.

The first source that names a path wins, so the order is: init, environment, secrets folder, file.
Texts (a variable, a secret's file) are turned into what their setting wants before they meet the
TOML, by `Shape`: a number-like secret is never taken for a number.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

PREFIX = "HOOKLINE_"
LEVEL = "__"  # between the levels of a path, in variables and in the names of secret files
# Variables that are no settings; the last one is for our own tests.
OWN = frozenset({"HOOKLINE_CONFIG", "HOOKLINE_SECRETS_DIR", "HOOKLINE_TEST_STRICT"})

_UNITS = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)?")

# What stands at a path: list, dict, timedelta, or anything else that pydantic reads from text.
Shape = Callable[[tuple[str, ...]], type]


@dataclass(frozen=True, slots=True)
class Entry:
    """One value, at ("accounts", "support", "key_id"). `origin`: the variable or the file."""

    path: tuple[str, ...]
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the settings cannot be used. `nearest`: the right name, where there is a likely one."""

    path: str
    origin: str | None
    what: str
    nearest: str | None = None

    def __str__(self) -> str:
        where = f" ({self.origin})" if self.origin and self.origin != self.path else ""
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.path}{where}: {self.what}{hint}"


class BadSettings(Exception):
    """All that is wrong with the settings, one line each; never a value, it might be a secret."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(["the settings cannot be used", *map(str, self.problems)]))


def variable(path: Iterable[str]) -> str:
    """The environment variable for a path."""
    return PREFIX + LEVEL.join(path).upper()


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was most likely meant to be; None if there is none like it."""
    return next(iter(difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.6)), None)


def from_environment(environ: Mapping[str, str]) -> list[Entry]:
    """HOOKLINE_ACCOUNTS__SUPPORT__KEY_ID=... and the like, names in lower case."""
    return [
        Entry(_levels(name.removeprefix(PREFIX)), value, name)
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX) and name not in OWN
    ]


def from_folder(folder: Path) -> list[Entry]:
    """One entry for each file, named `accounts__support__webhook_secrets`.

    For systemd's credentials and the secrets of Docker and Kubernetes, whose hidden files
    ("..data") are passed over. The last line end is not part of a secret. Raises BadSettings.
    """
    try:
        files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
        return [Entry(_levels(f.name), f.read_text("utf-8").rstrip("\r\n"), str(f)) for f in files]
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable("HOOKLINE_SECRETS_DIR", folder, error) from None


def from_file(file: Path) -> list[Entry]:
    """The values of a TOML file. Raises BadSettings."""
    try:
        return list(flat(tomllib.loads(file.read_text("utf-8")), str(file)))
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable("the settings file", file, error) from None
    except tomllib.TOMLDecodeError as error:
        raise BadSettings([Problem(str(file), None, f"is no TOML: {error}")]) from None


def _unreadable(what: str, path: Path, error: Exception) -> BadSettings:
    why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
    return BadSettings([Problem(what, str(path), f"cannot be read: {why}")])


def _levels(name: str) -> tuple[str, ...]:
    return tuple(name.lower().split(LEVEL))


def flat(values: Mapping[str, Any], origin: str, path: tuple[str, ...] = ()) -> Iterator[Entry]:
    """The leaves of nested tables. An empty table is a leaf."""
    for key, value in values.items():
        here = (*path, str(key))
        if isinstance(value, Mapping) and value:
            yield from flat(value, origin, here)
        else:
            yield Entry(here, value, origin)


def decode(entry: Entry, shape: Shape) -> list[Entry]:
    """The entry as its setting wants it, as several where it held a whole table.

    Raises ValueError with what is wrong, never with the value.
    """
    if not isinstance(entry.value, str):
        return [entry]
    wanted = shape(entry.path)
    if wanted is dict:
        return list(flat(_json(entry.value, dict), entry.origin, entry.path))
    if wanted is list:
        return [replace(entry, value=_several(entry.value))]
    if wanted is timedelta:
        return [replace(entry, value=duration(entry.value))]
    return [entry]


def _several(text: str) -> list[Any]:
    """A JSON list, one value a line, or one value. Nothing at all is one empty value."""
    if text.lstrip().startswith("["):
        return list(_json(text, list))
    return [line.strip() for line in text.splitlines() if line.strip()] or [""]


def _json(text: str, kind: type) -> Any:
    name = "object" if kind is dict else "list"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"is no JSON {name}") from None
    if not isinstance(value, kind):
        raise ValueError(f"is no JSON {name}")
    return value


def duration(text: str) -> timedelta:
    """ "30" or "30s", "5m", "24h", "7d", "250ms". Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError('should be a time such as 30, "30s", "5m", "24h" or "7d"')
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"])
    except OverflowError:
        raise ValueError("is too long a time") from None


def written(delay: timedelta) -> str:
    """The delay as a setting is written: "24h", "30s"."""
    seconds = delay.total_seconds()
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0 and (unit != "d" or seconds > 86400):
            return f"{int(seconds / _UNITS[unit])}{unit}"
    return f"{seconds:g}s"


def merge(entries: Iterable[Entry]) -> tuple[dict[str, Any], list[Problem]]:
    """One tree of nested tables, the first entry for a path winning, and what does not fit in."""
    tree: dict[str, Any] = {}
    problems = [
        Problem(
            ".".join(entry.path), entry.origin, "is a table in one place and a value in another"
        )
        for entry in entries
        if not _put(tree, entry)
    ]
    return tree, problems


def _put(tree: dict[str, Any], entry: Entry) -> bool:
    """Set what is not set yet. False where a table stands for a value, or the other way round."""
    *tables, key = entry.path
    for name in tables:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            return False
    value = {} if entry.value == {} else entry.value
    return isinstance(tree.setdefault(key, value), dict) == isinstance(value, dict)


def origin_of(path: tuple[str, ...], entries: Iterable[Entry]) -> str | None:
    """Where the value at `path` came from: itself, what it stands in, or what stands in it."""
    entries = list(entries)
    for length in range(len(path), 0, -1):
        for entry in entries:
            if entry.path == path[:length]:
                return entry.origin
    inside = (e.origin for e in entries if e.path[: len(path)] == path)
    return next(inside, None)
