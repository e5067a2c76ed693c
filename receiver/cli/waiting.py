"""`hookline dead`: what was given up and waits for a human, one by one or by what went wrong."""

import re
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from receiver.cli.app import app, load_settings
from receiver.cli.database import opened
from receiver.cli.looking import AccountOption, JsonFlag, Limit, show

COLUMNS = ["what", "id", "account", "type", "kind", "status", "attempts", "error"]
GROUP = ["what", "account", "type", "kind", "status", "error"]  # these in common are one group

_NUMBER = re.compile(r"\d+")


@app.command()
def dead(
    account: AccountOption = None,
    limit: Limit = 50,
    groups: Annotated[
        bool, typer.Option("--groups", help="How often each error occurs, of all there are.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """What was given up and waits for a human: events and actions."""
    from receiver.accounts import accounts
    from receiver.listing import shown
    from storage import asked, queries

    most = 0 if groups else limit
    known = accounts(load_settings().accounts)
    with opened() as database, database.read() as tx:
        chosen = queries.Filter(account, status="dead", limit=most)
        found = [{"what": "event", **shown(row, known)} for row in queries.events(tx, chosen)]
        waiting = asked.outbox(tx, account, ["dead", "uncertain"], most)
        found += [{"what": "action", **row} for row in waiting]
    if groups:
        show(grouped(found), ["count", "newest", *GROUP], as_json)
        return
    show(found, COLUMNS, as_json)
    if found and not as_json:
        typer.echo("`hookline replay ID` runs an event again, `hookline resend ID` an action.")


def grouped(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows, newest first, by what they have in common, the largest group first.

    Each with its `count` and the `newest` id. Errors that differ in their numbers only are one.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        common = {name: row.get(name) for name in GROUP}
        common["error"] = _NUMBER.sub("#", common["error"] or "")
        group = found.setdefault(
            tuple(common.values()), {"count": 0, "newest": row["id"], **common}
        )
        group["count"] += 1
    return sorted(found.values(), key=lambda group: -group["count"])
