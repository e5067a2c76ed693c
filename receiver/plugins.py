"""Finds the handlers that the settings name: when the process starts, not when an event comes."""

import difflib
import importlib
import importlib.util
import re
import sys
import sysconfig
import traceback
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from handlers.errors import WrongHandler
from handlers.router import Router, combine

PREFIX = "hookline_file_"  # before a file's stem: no file of a user's hides a module of Python's
EXAMPLES = ("handlers.echo", "handlers.offer_sms")

_FORM = re.compile(r"(?P<place>.+?\.py|[^\W\d]\w*(?:\.[^\W\d]\w*)*)(?::(?P<name>[^\W\d]\w*))?")
_HOME = Path(__file__).parent.parent
_LIBRARIES = (
    *(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(_HOME / package for package in ("receiver", "handlers", "storage")),
)


class BadHandler(Exception):
    """An entry of `handlers` in the settings cannot be used; the message names it and says why."""

    def __init__(self, entry: str, reason: str) -> None:
        super().__init__(f"handlers: {entry!r} {reason}")
        self.entry = entry
        self.reason = reason


def load_handlers(names: Sequence[str]) -> Router:
    """One router of all that is named, the first entry's handlers first.

    Each is "module", "module:router", or a file "path/to/file.py", which may also have ":router".
    Modules are looked for in the current directory first, as `python -m` does. Raises BadHandler
    at the first entry that cannot be used; what was imported before it stays imported.
    """
    found: set[tuple[str, str]] = set()
    modules: dict[str, ModuleType] = {}
    routers = []
    for entry in names:
        place, name = _split(entry)
        if (place, name) in found:
            raise BadHandler(entry, "is named twice: its handlers would run twice")
        found.add((place, name))
        if place not in modules:
            modules[place] = _import(entry, place, modules)
        routers.append(_router(entry, modules[place], name))
    return combine(routers)


def _split(entry: str) -> tuple[str, str]:
    """The module, or the file's absolute path, and the name of the router in it."""
    form = _FORM.fullmatch(entry)
    if form is None:
        raise BadHandler(entry, 'is not of the form "module", "module:router" or "path/file.py"')
    place = form["place"]
    return str(Path(place).resolve()) if place.endswith(".py") else place, form["name"] or "router"


def _import(entry: str, place: str, before: Mapping[str, ModuleType]) -> ModuleType:
    if not place.endswith(".py"):
        return _import_module(entry, place)
    taken = {module.__name__ for module in before.values()}
    return _import_file(entry, Path(place), _module_name(Path(place).stem, taken))


def _import_module(entry: str, name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        # For good: a handler may import its neighbours later, inside a function.
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    with _importing(entry):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise  # it is there, and what it imports is not
            near = [*sorted(file.stem for file in Path.cwd().glob("*.py")), *EXAMPLES]
            raise BadHandler(entry, f"is no module{_nearest(name, near)}") from None


def _import_file(entry: str, path: Path, name: str) -> ModuleType:
    if not path.is_file():
        near = sorted(file.name for file in path.parent.glob("*.py"))
        raise BadHandler(entry, f"is no file{_nearest(path.name, near)}")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadHandler(entry, "is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Registered first: dataclasses and type hints look their module up by its name.
    sys.modules[name] = module
    with _importing(entry), _importable(path.parent):
        spec.loader.exec_module(module)
    return module


def _module_name(stem: str, taken: Container[str]) -> str:
    """A name for the file's module: the same after a restart, for handlers are remembered by it."""
    plain = name = PREFIX + re.sub(r"\W", "_", stem)
    number = 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    return name


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """While the file is read it can import its neighbours, and nobody can afterwards."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the file itself may have taken it away
            sys.path.remove(str(folder))


@contextmanager
def _importing(entry: str) -> Iterator[None]:
    """Whatever goes wrong in a user's module is told as BadHandler."""
    try:
        yield
    except BadHandler:
        raise
    except WrongHandler as error:
        raise BadHandler(entry, f"has a wrong handler{_line(error)}: {error}") from error
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        raise BadHandler(entry, f"cannot be imported: {_told(error)}") from error


def _router(entry: str, module: ModuleType, name: str) -> Router:
    found = getattr(module, name, None)
    if isinstance(found, Router):
        return found
    if found is not None:
        raise BadHandler(entry, f"names a {type(found).__name__}, not a Router")
    routers = [key for key, value in vars(module).items() if isinstance(value, Router)]
    hint = _nearest(name, routers) or (f"; there is {routers[0]!r}" if routers else "")
    raise BadHandler(entry, f"has no {name!r} in it{hint}")


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _told(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{Path(error.filename).name}, line {error.lineno}"
        return f"{type(error).__name__}: {error.msg} ({where})"
    return f"{type(error).__name__}: {error}{_line(error)}"


def _line(error: BaseException) -> str:
    """Where the user's own code was when it failed; "" if none of it ran."""
    steps = traceback.extract_tb(error.__traceback__)
    own = [step for step in steps if not _is_library(step.filename)]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


def _is_library(filename: str) -> bool:
    path = Path(filename)
    return filename.startswith("<") or any(path.is_relative_to(library) for library in _LIBRARIES)
