"""`hookline tail`: events as they come in."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli.app import app, complain, load_settings, printable, say_json
from receiver.cli.database import opened
from receiver.cli.looking import AccountOption, JsonFlag, event_line, wanted

if TYPE_CHECKING:
    from receiver.accounts import Account
    from storage.database import Database
    from storage.queries import EventRow, Filter

PAUSE = 0.3  # seconds between two looks
AWAY_PAUSE = 2.0  # while the database is away
_WIDTHS = (8, 19, 10, 22, 24, 9, 8)  # of the columns before the last one


@app.command()
def tail(
    account: AccountOption = None,
    type_: Annotated[str | None, typer.Option("--type", help="message.received ...")] = None,
    user: Annotated[str | None, typer.Option(help="A user's id, alias or external id.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="So many of the latest first.")] = 10,
    as_json: JsonFlag = False,
) -> None:
    """Events as they come in, until Ctrl-C."""
    chosen = wanted(account, type_, None, user, None, None, limit)
    with opened() as database:
        try:
            _follow(database, chosen, as_json)
        except KeyboardInterrupt:
            return


def _follow(database: "Database", chosen: "Filter", as_json: bool) -> None:
    from receiver.accounts import accounts
    from storage import queries
    from storage.database import AWAY
    from storage.following import Following

    known = accounts(load_settings().accounts)
    following, is_away = Following(), False
    with database.read() as tx:
        greatest = following.start(tx, time.monotonic())
        rows = list(queries.events(tx, chosen)) if chosen.limit else []
    _show([row for row in rows if row.id <= greatest], known, as_json)
    while True:
        time.sleep(AWAY_PAUSE if is_away else PAUSE)
        try:
            with database.read() as tx:
                ids = following.news(tx, time.monotonic())
                news = replace(chosen, ids=ids, limit=0)
                rows = list(queries.events(tx, news)) if ids else []
        except AWAY as error:
            if not is_away:
                complain(f"the database is away ({type(error).__name__}); waiting for it")
            is_away = True
        else:
            is_away = False
            _show(rows, known, as_json)


def _show(rows: "Sequence[EventRow]", known: "Mapping[str, Account]", as_json: bool) -> None:
    """Write the rows, which come newest first, the oldest first."""
    from receiver.listing import shown

    for row in reversed(rows):
        found = shown(row, known)
        if as_json:
            say_json(found)
        else:
            typer.echo(_line(found))


def _line(found: dict[str, Any]) -> str:
    """The columns of `hookline events` without the tries, one below the other."""
    event_id, received, account, type_, user, channel, status, _, text = event_line(found)
    cells = (event_id, received, account, type_, user, channel, status)
    padded = [_cell(cell).ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)]
    return " ".join([*padded, _cell(text)]).rstrip()


def _cell(value: object) -> str:
    return "" if value is None else printable(value)
