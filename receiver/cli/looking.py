"""`hookline events`, `users`, `links` and `outbox`: what there is."""

import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli.app import Failure, app, load_settings, printable, say_json
from receiver.cli.database import opened

if TYPE_CHECKING:
    from storage.queries import Filter

JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Limit = Annotated[int, typer.Option(min=0, help="At most so many; 0 is all.")]
AccountOption = Annotated[str | None, typer.Option("--account", help="Only this account's.")]

events_app = typer.Typer(invoke_without_command=True, help="Events that came in, newest first.")
users_app = typer.Typer(invoke_without_command=True, help="People and their identities.")
app.add_typer(events_app, name="events")
app.add_typer(users_app, name="users")


def wanted(
    account: str | None,
    type_: str | None,
    status: str | None,
    user: str | None,
    since: str | None,
    until: str | None,
    limit: int,
) -> "Filter":
    """The filter that the options describe. Raises Failure for a time that is none."""
    from storage.queries import Filter

    return Filter(account, type_, status, user, when(since), when(until), limit=limit)


def when(text: str | None) -> datetime | None:
    """A time from the command line: ISO 8601 or unix seconds."""
    from receiver.fields import moment

    found = moment({"at": text}, "at") if text else None
    if text and found is None:
        raise Failure(f"{text!r} is no time: use 2026-05-01T12:00:00Z or unix seconds")
    return found


@events_app.callback()
def events(
    context: typer.Context,
    account: AccountOption = None,
    type_: Annotated[str | None, typer.Option("--type", help="message.received ...")] = None,
    status: Annotated[str | None, typer.Option(help="pending, done, dead, unparsed ...")] = None,
    user: Annotated[str | None, typer.Option(help="A user's id, alias or external id.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """Events that came in, newest first."""
    if context.invoked_subcommand is not None:
        return
    from receiver.accounts import accounts
    from receiver.listing import shown
    from storage import queries

    chosen = wanted(account, type_, status, user, since, until, limit)
    known = accounts(load_settings().accounts)
    with opened() as database, database.read() as tx:
        rows = (shown(row, known) for row in queries.events(tx, chosen))
        if as_json:
            for row in rows:
                say_json(row)
        else:
            _table(
                ["id", "received", "account", "type", "user", "channel", "status", "tries", "text"],
                (event_line(row) for row in rows),
            )


def event_line(row: dict[str, Any]) -> list[object]:
    """The cells of an event's line."""
    user = (row["user"] or {}).get("id")
    text = row["text"] or row["payload"] or row["error"]
    return [
        row["id"],
        row["received_at"][:19].replace("T", " "),
        row["account"],
        row["type"],
        user,
        row["channel"],
        row["status"],
        row["attempts"],
        _short(text),
    ]


@events_app.command("show")
def event_show(
    event_id: Annotated[int, typer.Argument(metavar="ID")],
    as_json: JsonFlag = False,
) -> None:
    """One event: its fields, what each handler made of it, and what was sent because of it."""
    from receiver.accounts import accounts
    from receiver.listing import shown
    from storage import asked, queries

    with opened() as database, database.read() as tx:
        rows = list(queries.events(tx, queries.Filter(ids=[event_id])))
        if not rows:
            raise Failure(f"there is no event {event_id}")
        found = shown(rows[0], accounts(load_settings().accounts), raw=True)
        found["runs"] = asked.runs(tx, event_id)
        found["actions"] = asked.actions_of(tx, event_id)
    if as_json:
        say_json(plain(found))
        return
    from rich.console import Console
    from rich.json import JSON

    Console().print(JSON.from_data(plain(found), default=str))


@users_app.callback()
def users(
    context: typer.Context,
    account: AccountOption = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """People and their identities, the newest first."""
    if context.invoked_subcommand is None:
        _users(account, None, limit, as_json)


@users_app.command("show")
def user_show(
    user: Annotated[str, typer.Argument(metavar="ID", help="An id, an alias or an external id.")],
    account: AccountOption = None,
    as_json: JsonFlag = False,
) -> None:
    """One person: identities, aliases and links."""
    if not _users(account, user, 0, as_json):
        raise Failure(f"there is no user {user!r}")


def _users(account: str | None, user: str | None, limit: int, as_json: bool) -> int:
    from storage import queries

    with opened() as database, database.read() as tx:
        rows = queries.users(tx, account, user, limit)
    if as_json:
        for row in rows:
            say_json(plain(asdict(row)))
    else:
        _table(
            ["user", "account", "external id", "identities", "aliases"],
            (
                [
                    row.id,
                    row.account,
                    row.external_id,
                    "\n".join(_identity(identity) for identity in row.identities),
                    "\n".join(row.aliases),
                ]
                for row in rows
            ),
        )
    return len(rows)


def _identity(identity: Any) -> str:
    where = identity.identity or f"client {identity.client_id}"
    return f"{identity.channel} {where} ({identity.status})"


@app.command()
def links(
    account: AccountOption = None,
    status: Annotated[
        str | None, typer.Option(help="pending, matched, linked, failed, expired or cancelled.")
    ] = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """Channels that were asked to be linked, and what became of it."""
    from storage import asked

    with opened() as database, database.read() as tx:
        rows = asked.links(tx, account, status, limit)
    show(rows, ["id", "account", "user", "platform", "address", "status", "error"], as_json)


@app.command()
def outbox(
    account: AccountOption = None,
    status: Annotated[
        list[str], typer.Option(help="queued, sent, uncertain or dead; may be repeated.")
    ] = [],  # noqa: B006
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """What handlers asked for, and what became of it."""
    from storage import asked

    with opened() as database, database.read() as tx:
        rows = asked.outbox(tx, account, status, limit)
    show(
        rows, ["id", "account", "user", "kind", "status", "delivery", "attempts", "error"], as_json
    )


def show(rows: Iterable[dict[str, Any]], columns: list[str], as_json: bool) -> None:
    """All rows: as JSON, or these columns as a table."""
    if as_json:
        for row in rows:
            say_json(plain(row))
    else:
        _table(columns, ([row.get(name) for name in columns] for row in rows))


def _table(columns: list[str], rows: Iterable[list[object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    # Without a terminal there is no width to keep to; what is cut off helps nobody.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else printable(cell) for cell in row))
    if table.row_count:
        console.print(table, markup=False)
    else:
        typer.echo("There is nothing to show.")


def _short(text: object) -> str | None:
    """A line's worth of a text."""
    if text is None:
        return None
    words = " ".join(str(text).split())
    return words if len(words) <= 60 else words[:59] + "…"


def plain(value: Any) -> Any:
    """The same with times as the events have them."""
    from handlers.codec import moment

    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return moment(value) if isinstance(value, datetime) else value
