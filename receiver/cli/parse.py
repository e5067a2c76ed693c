"""`hookline parse`: what would be taken out of these payloads. Needs no configuration."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli.app import (
    Failure,
    app,
    complain,
    find_provider,
    inbound,
    printable,
    read,
    say_json,
)

if TYPE_CHECKING:
    from rich.table import Table


@app.command()
def parse(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Payloads; - is stdin.")],
    provider: Annotated[str, typer.Option("--provider", help="Who sent them: smooch, sinch ...")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each file.")] = False,
) -> None:
    """Show the events in payload files.

    A payload that cannot be parsed is a result ("unparsed"), not a failure; a file that cannot be
    read is one, and the other files are parsed all the same.
    """
    codec = inbound(find_provider(provider))
    failed = False
    for file in files:
        try:
            body = read(file)
        except Failure as error:
            failed = True
            complain(str(error))
            line = _line(file, provider, str(error), [])
        else:
            line = _parsed(file, provider, body, codec.parse)
            if not as_json:
                _show(line)
        if as_json:
            say_json(line)
    if failed:
        raise typer.Exit(1)


def _parsed(file: str, provider: str, body: bytes, parse: Any) -> dict[str, Any]:
    from handlers.codec import as_dict
    from receiver.errors import Unparsed

    try:
        return _line(file, provider, None, [as_dict(event, raw=True) for event in parse(body)])
    except Unparsed as error:
        return _line(file, provider, str(error), [])


def _line(
    file: str, provider: str, error: str | None, events: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "file": file,
        "provider": provider,
        "unparsed": error is not None,
        "error": error,
        "events": events,
    }


def _show(line: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if line["unparsed"]:
        console.print(printable(f"{line['file']}: unparsed, {line['error']}"), soft_wrap=True)
        return
    console.print(printable(f"{line['file']}: {len(line['events'])} event(s)"), soft_wrap=True)
    for event in line["events"]:
        console.print(_table(event))


def _table(event: dict[str, Any]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 1, 0, 2))
    for name, value in event.items():
        if name == "raw" or value in (None, [], (), {}):
            continue
        shown = "\n".join(map(_compact, value)) if isinstance(value, list) else _compact(value)
        table.add_row(name, Text(printable(shown)))
    return table


def _compact(value: Any) -> str:
    """A value on one line, without what is null."""
    if isinstance(value, dict):
        return " ".join(f"{key}={inner}" for key, inner in value.items() if inner is not None)
    return str(value)
