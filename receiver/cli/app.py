"""The typer application, and what all commands share: errors in one line, JSON, files, accounts."""

import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from receiver.errors import SendError
from receiver.sources import BadSettings, nearest

if TYPE_CHECKING:
    from receiver.provider import Inbound, Provider
    from receiver.settings import Settings


class Failure(Exception):
    """The command could not do it; the message says what to do next. Exit 1."""


class WrongUse(Exception):
    """The command was called wrongly. Exit 2."""


# Exception -> exit code. What is not here is a bug and shows its traceback, without locals.
_EXITS: dict[type[Exception], int] = {Failure: 1, BadSettings: 1, SendError: 1, WrongUse: 2}


class _Group(TyperGroup):
    """Turns our exceptions into one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except tuple(_EXITS) as error:
            code = next(code for kind, code in _EXITS.items() if isinstance(error, kind))
            complain(printable(_said(error)))
            raise typer.Exit(code) from None


def _said(error: Exception) -> str:
    return f"{error.kind}: {error}" if isinstance(error, SendError) else str(error)


app = typer.Typer(
    cls=_Group,
    help="A durable webhook receiver for Smooch (Sunshine Conversations) and Sinch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hookline {version('hookline')}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A stranger's text may hold what the terminal's encoding has no sign for.
        sys.stdout.reconfigure(errors="backslashreplace")


def complain(message: str) -> None:
    """A message for the person, on stderr."""
    typer.echo(f"hookline: {message}", err=True)


def say_json(value: Any) -> None:
    """One JSON object on one line; ASCII, so that no text can break the terminal's encoding."""
    typer.echo(json.dumps(value, separators=(",", ":"), default=str))


def printable(text: object) -> str:
    """The text without what could steer a terminal: payloads are written by strangers."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in str(text))


def read(file: str) -> bytes:
    """The bytes of a file, or of stdin for "-". Raises Failure."""
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from None


def pairs(given: Iterable[str], sign: str = "=") -> dict[str, str]:
    """ "name=value" texts as a dict. Raises WrongUse."""
    found = {}
    for text in given:
        name, sep, value = text.partition(sign)
        if not sep or not name.strip():
            raise WrongUse(f"{text!r} should be NAME{sign}VALUE")
        found[name.strip()] = value
    return found


def pick(name: str, known: Iterable[str], what: str) -> str:
    """The name if it is known; else WrongUse with the nearest one and all there are."""
    known = sorted(known)
    if name in known:
        return name
    hint = nearest(name, known)
    raise WrongUse(_none_such(what, name, hint, known))


def _none_such(what: str, name: str, hint: str | None, known: Iterable[str]) -> str:
    meant = f"; did you mean {hint}?" if hint else "."
    return f"there is no {what} {name!r}{meant} There is: {', '.join(known) or 'none'}"


# What people call a provider, as it stands in the name they give -> ours. The first one counts.
_ALSO_CALLED = {
    "sunshine": "smooch",
    "sunco": "smooch",
    "zendesk": "smooch",
    "sms": "sinch_sms",
    "xms": "sinch_sms",
    "clx": "sinch_sms",
    "conversation": "sinch",
    "convapi": "sinch",
}


def find_provider(name: str) -> "Provider":
    """The provider of that name. Raises WrongUse, with ours for another name that it goes by."""
    from receiver.registry import PROVIDERS

    if name not in PROVIDERS:
        meant = next((ours for word, ours in _ALSO_CALLED.items() if word in name.lower()), None)
        if meant is not None:
            raise WrongUse(_none_such("provider", name, meant, sorted(PROVIDERS)))
    return PROVIDERS[pick(name, PROVIDERS, "provider")]


def inbound(provider: "Provider") -> "Inbound":
    """The receiving half of a provider. Raises WrongUse for one that has none."""
    if provider.inbound is None:
        raise WrongUse(f"{provider.name} sends no webhooks")
    return provider.inbound


def load_settings() -> "Settings":
    """The settings in force. Raises BadSettings."""
    from receiver.settings import load

    return load()


def find_account(settings: "Settings", name: str) -> Any:
    """The options of an account. Raises WrongUse."""
    return settings.accounts[pick(name, settings.accounts, "account")]
