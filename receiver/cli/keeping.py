"""`hookline prune` and `users erase`: taking away what is old enough, and whom to forget."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from receiver.cli.app import Failure, app, load_settings, say_json
from receiver.cli.database import opened
from receiver.cli.looking import JsonFlag, users_app


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Take away bodies and rows that are older than the settings keep them; `serve` does too."""
    from rich.progress import Progress

    from storage.retention import Keep, Pruned
    from storage.retention import count as count_old
    from storage.retention import prune as prune_batch

    settings = load_settings()
    keep = Keep(settings.keep_payloads, settings.keep_events)
    now = datetime.now(UTC)
    with opened() as database:
        with database.read() as tx:
            found = count_old(tx, keep, now)
        if not dry_run:
            total, gone = sum((found.payloads, found.webhooks, found.receipts)), Pruned()
            with Progress(disable=not sys.stderr.isatty()) as progress:
                task = progress.add_task("pruning", total=total)
                while True:
                    with database.write() as tx:
                        went = prune_batch(tx, keep, now)
                    if not went:
                        break
                    gone += went
                    progress.advance(task, went.payloads + went.webhooks + went.receipts)
            found = gone
    if as_json:
        kinds = ("payloads", "webhooks", "receipts")
        say_json({"dry_run": dry_run, **{kind: getattr(found, kind) for kind in kinds}})
        return
    would = "would go" if dry_run else "went"
    typer.echo(
        f"{found.payloads} bodies, {found.webhooks} webhooks and {found.receipts} receipts {would}."
    )


@users_app.command("erase")
def erase(
    user: Annotated[str, typer.Argument(metavar="ID", help="The provider's id, or an alias.")],
    account: Annotated[str, typer.Option("--account", help="Whose user.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Forget a person: identities, messages, state and links. This cannot be undone."""
    from handlers.codec import moment
    from storage.erase import erase as forget

    if not yes:
        typer.confirm(f"Forget {user} of {account} for ever?", abort=True, err=True)
    with opened() as database:
        with database.write() as tx:
            gone = forget(tx, account, user)
        database.compact()
    if not gone.users:
        raise Failure(f"there is no user {user!r} in {account}")
    when = datetime.now(UTC)
    if as_json:
        say_json({"account": account, "erased_at": moment(when), **asdict(gone)})
        return
    typer.echo(
        f"Forgotten at {moment(when)}: {gone.users} ids, {gone.identities} identities,"
        f" {gone.events} events, {gone.actions} actions, {gone.links} links."
    )
