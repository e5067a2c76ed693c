"""`hookline prune` and `users erase`: taking away what is old enough, and whom to forget."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from receiver.cli.app import Failure, app, load_settings, say_json
from receiver.cli.database import opened
from receiver.cli.looking import JsonFlag, users_app

if TYPE_CHECKING:
    from receiver.settings import Settings
    from storage.database import Database


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
    settings = load_settings()
    with opened() as database:
        _mind_files(settings, database, account, user)
        with database.write() as tx:
            gone = forget(tx, account, user)
        compacted = database.compact()
    if compacted and not gone.users:
        raise Failure(f"there is no user {user!r} in {account}")
    when = datetime.now(UTC)
    if as_json:
        say_json({"account": account, "erased_at": moment(when), **asdict(gone)})
    else:
        typer.echo(
            f"Forgotten at {moment(when)}: {gone.users} ids, {gone.identities} identities,"
            f" {gone.events} events, {gone.actions} actions, {gone.links} links,"
            f" {gone.refused} refused requests."
        )
    if not compacted:
        raise Failure(
            "all that is deleted, but the database's file may still hold it: it was in use, or its"
            " disk full, and could not be written anew; run the same command again, best while"
            " nothing is served, until it says that there is no such user"
        )


def _mind_files(settings: "Settings", database: "Database", account: str, user: str) -> None:
    """Raise Failure where a file beside the database holds, or may hold, something of theirs."""
    from receiver.intake import spool_folder
    from receiver.spool import leftovers
    from storage import erase, traces

    folder = spool_folder(settings)
    if folder is None:
        return
    with database.read() as tx:
        named = traces.of(tx, erase.known(tx, account, user))
    waiting, aside = leftovers(folder)
    if waiting:
        raise Failure(
            f"webhooks wait in {folder}, which may tell of them: nothing was forgotten."
            " Let `hookline serve` take them in, then run this again"
        )
    for path in aside:
        if named.found_in(path.read_bytes()):
            raise Failure(
                f"{path} was set aside and names them: nothing was forgotten."
                " Take what you need from it, delete it, then run this again"
            )
