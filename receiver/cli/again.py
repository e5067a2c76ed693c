"""`hookline replay` and `resend`: doing things again, without doing twice what was done."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from receiver.cli.app import Failure, WrongUse, app, say_json
from receiver.cli.database import opened
from receiver.cli.looking import AccountOption, JsonFlag, wanted

if TYPE_CHECKING:
    from storage.queries import EventRow


@app.command()
def replay(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    type_: Annotated[str | None, typer.Option("--type")] = None,
    status: Annotated[str | None, typer.Option(help="done or dead.")] = None,
    account: AccountOption = None,
    handler: Annotated[str | None, typer.Option(help="Only this one; its name in full.")] = None,
    resend: Annotated[
        bool, typer.Option("--resend", help="Send again what was sent already.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run stored events again. What was sent already is not sent again unless --resend."""
    from storage import again, asked, queries

    if not ids and not any((since, until, type_, status, account)):
        raise WrongUse("name events by id, or choose them by --since, --type, --status ...")
    chosen = wanted(account, type_, status, None, since, until, 0)
    with opened() as database:
        with database.read() as tx:
            rows = [row for row in queries.events(tx, chosen) if not ids or row.id in ids]
            missing = set(ids or ()) - {row.id for row in rows}
            plans = [
                {
                    "event": row.id,
                    "type": row.type,
                    "status": row.status,
                    "handlers": [run["handler"] for run in asked.runs(tx, row.id)],
                    "sent": sum(a["status"] == "sent" for a in asked.actions_of(tx, row.id)),
                }
                for row in rows
                if _runs(row, ids)
            ]
        if missing:
            raise Failure(f"there is no event {min(missing)} among those chosen")
        if not dry_run:
            with database.write() as tx:
                numbers = sorted(row.id for row in rows if _runs(row, ids))
                again.replay(tx, numbers, datetime.now(UTC), handler=handler, resend=resend)
    for plan in plans if as_json or dry_run else ():
        say_json(plan) if as_json else typer.echo(
            f"{plan['event']}  {plan['type']}  {plan['status']}  "
            f"{plan['sent']} sent already{'' if not resend else ', will be sent again'}"
        )
    if not as_json:
        typer.echo(f"{len(plans)} events {'would run' if dry_run else 'will run'} again.")


def _runs(row: "EventRow", ids: list[int] | None) -> bool:
    """Whether it can run again. One that contradicts another runs only if it is meant."""
    meant = row.status == "conflict" and row.id in (ids or ())
    return meant or row.status in ("done", "dead")


@app.command()
def resend(
    ids: Annotated[list[int], typer.Argument(metavar="ID...")],
    as_json: JsonFlag = False,
) -> None:
    """Send dead or uncertain actions again, by the numbers that `hookline dead` shows."""
    from storage import again

    with opened() as database, database.write() as tx:
        count = again.resend(tx, ids, datetime.now(UTC))
    if as_json:
        say_json({"queued": count})
    else:
        typer.echo(f"{count} of {len(ids)} actions are queued again.")
    if count < len(ids):
        raise Failure("the others are not waiting for a human: see `hookline outbox`")
