"""`hookline doctor`: what runs, what the providers have, what the web sees, and what to do."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from receiver.cli.app import WrongUse, app, load_settings, printable, say_json
from receiver.sources import BadSettings

if TYPE_CHECKING:
    from receiver.doctor.finding import Finding

MARKS = {"ok": "ok      ", "warning": "warning ", "bad": "BAD     "}


@app.command()
def doctor(
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="PUBLIC_URL",
            help="Where the world reaches this server; else what the providers have registered.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Compare what runs here with what the providers have, and say what to do.

    It changes nothing. Exit 1 if anything is bad.
    """
    if url is not None and not url.startswith(("https://", "http://")):
        raise WrongUse(f"{url!r} is no URL: say https://<your host>")
    found = list(_findings(url))
    for finding in found:
        say_json(asdict(finding)) if as_json else _show(finding)
    raise typer.Exit(any(finding.level == "bad" for finding in found))


def _findings(url: str | None) -> "Iterable[Finding]":
    from receiver.doctor.examine import examine
    from receiver.doctor.finding import bad, ok

    try:
        settings = load_settings()
    except BadSettings as error:
        return [bad("settings", str(problem), "mend it first") for problem in error.problems]
    found = asyncio.run(examine(settings, lambda: datetime.now(UTC), url))
    return [ok("settings", ", ".join(settings.accounts) or "there is no account yet"), *found]


def _show(finding: "Finding") -> None:
    where = f"{finding.account}: {finding.check}" if finding.account else finding.check
    typer.echo(printable(f"{MARKS[finding.level]}{where}: {finding.detail}"))
    if finding.todo:
        typer.echo(printable(f"        -> {finding.todo}"))
