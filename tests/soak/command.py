"""What the programs of this package share: their arguments, their progress and their result."""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import Progress

# Called with what is going on, and the share of all that is done.
Tell = Callable[[str, float], None]


def nobody(what: str, done: float) -> None:
    """Where nobody wants to know."""


def parser(about: str | None, *, seeded: bool = True) -> argparse.ArgumentParser:
    """With the options that they share. seeded: whether something is left to chance."""
    made = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if seeded:
        seed = random.randrange(2**32)
        made.add_argument("--seed", type=int, default=seed, help="of all that is left to chance")
    made.add_argument("--json", action="store_true", help="one JSON object")
    return made


@contextmanager
def progress() -> Iterator[Tell]:
    """A bar on stderr, on a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("starting", total=1)

        def tell(what: str, done: float) -> None:
            bar.update(task, description=what, completed=done)

        yield tell


def finish(figures: Mapping[str, Any], problems: Sequence[str], *, as_json: bool) -> NoReturn:
    """Print the result. Exit 1 if a promise was broken, which `problems` tells."""
    if as_json:
        print(json.dumps({**figures, "problems": list(problems)}))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):>20}  {value}")
        for problem in problems:
            print(f"{'BROKEN':>20}  {problem}")
    raise SystemExit(1 if problems else 0)
