"""All commands.

A family of commands is one module that puts them on `app`. They import what is heavy inside the
command, so that `hookline --help` costs nothing.
"""

from receiver.cli import (
    again,
    bench,
    config,
    demo,
    doctor,
    export,
    faring,
    keeping,
    looking,
    parse,
    recipes,
    refused,
    register,
    running,
    simulate,
    tail,
    verify,
    waiting,
)
from receiver.cli.app import app

__all__ = ["FAMILIES", "app", "main"]

FAMILIES = (
    demo,
    keeping,
    running,
    parse,
    verify,
    simulate,
    looking,
    tail,
    waiting,
    faring,
    again,
    recipes,
    refused,
    register,
    doctor,
    export,
    bench,
    config,
)


def main() -> None:
    """Run the command that the arguments name. Exits 0 done, 1 failed, 2 wrong use."""
    app(prog_name="hookline")
