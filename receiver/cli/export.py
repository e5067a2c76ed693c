"""`hookline export`: the data out, also out of a damaged database."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli.app import Failure, app, complain, load_settings, say_json
from receiver.cli.database import opened
from receiver.cli.looking import AccountOption, plain, when

if TYPE_CHECKING:
    from storage.database import Database
    from storage.queries import EventRow, Filter
    from storage.readable import Lost


@app.command()
def export(
    account: AccountOption = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Events since then.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Events before then.")] = None,
) -> None:
    """Write all events with their payloads, and all people, one JSON object a line.

    What a damaged database still holds, too: then the exit status is 1, and it is said what could
    not be read. What is written tells who said what: mind who can read it.
    """
    from storage.queries import Filter

    wanted = Filter(account, since=when(since), until=when(until), limit=0)
    with opened() as database:
        lost = _events(database, wanted)
        missing = f"events {', '.join(lost)}" if lost else ""
        people = _people(database, account)
    if problems := [part for part in (missing, people) if part]:
        raise Failure(f"the database is damaged; could not be read: {' and '.join(problems)}")


def _events(database: "Database", wanted: "Filter") -> list[str]:
    """The ids that could not be read, as ranges."""
    from receiver.accounts import accounts
    from receiver.listing import shown
    from storage import readable

    known = accounts(load_settings().accounts)
    count, lost = 0, list[readable.Lost]()
    for row in _with_progress(readable.events(database, wanted), "events"):
        if isinstance(row, readable.Lost):
            lost.append(row)
            continue
        found = shown(row, known, raw=True)
        say_json({"kind": "event", **found, **({} if "raw" in found else _body(row))})
        count += 1
    complain(f"{count} events")
    return list(_ranges(lost))


def _body(row: "EventRow") -> dict[str, str]:
    """The body of an event that cannot be parsed, in base64 where it is no text."""
    import base64

    if row.body is None:
        return {}
    try:
        return {"body": row.body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(row.body).decode()}


def _people(database: "Database", account: str | None) -> str:
    """Which people could not be read; "" if all could."""
    from sqlalchemy.exc import DBAPIError

    from storage import readable
    from storage.database import is_damaged

    count, missing = 0, ""
    try:
        for row in _with_progress(readable.users(database, account), "people"):
            say_json({"kind": "user", **plain(asdict(row))})
            count += 1
    except DBAPIError as error:
        if not is_damaged(error):
            raise
        missing = f"people after the first {count}"
    complain(f"{count} people")
    return missing


def _with_progress(rows: Iterator[Any], what: str) -> Iterator[Any]:
    """The same, counted on stderr while stdout goes elsewhere."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    counted = TextColumn("{task.completed:,.0f} {task.description}")
    columns = SpinnerColumn(), counted, TimeElapsedColumn()
    silent = sys.stdout.isatty() or not sys.stderr.isatty()
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=silent, transient=True) as progress:
        task = progress.add_task(what, total=None)
        for row in rows:
            yield row
            progress.advance(task)


def _ranges(lost: "Sequence[Lost]") -> Iterator[str]:
    """ "7", "12-90", "95 and later": runs of ids."""
    start = 0
    for at, one in enumerate(lost):
        if one.and_later:
            yield f"{one.id} and later"
        elif at + 1 == len(lost) or lost[at + 1] != (one.id + 1, False):
            first = lost[start].id
            yield str(one.id) if first == one.id else f"{first}-{one.id}"
            start = at + 1
