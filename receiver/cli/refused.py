"""`hookline quarantine` and `secrets`: requests that were refused, and what proves the others."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli.app import app, find_account, load_settings
from receiver.cli.database import opened
from receiver.cli.looking import AccountOption, JsonFlag, Limit, show

if TYPE_CHECKING:
    from receiver.accounts import Account
    from receiver.quarantine import Judged
    from storage.uses import Use

quarantine_app = typer.Typer(
    invoke_without_command=True, help="Requests that were refused, newest first."
)
app.add_typer(quarantine_app, name="quarantine")


@quarantine_app.callback()
def quarantine(
    context: typer.Context,
    account: AccountOption = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """Requests that were refused, newest first, each with the reason."""
    if context.invoked_subcommand is not None:
        return
    from storage.quarantine import listed

    with opened() as database, database.read() as tx:
        rows = [asdict(row) for row in listed(tx, account, limit)]
    show(rows, ["id", "received_at", "account", "status", "peer", "size", "reason"], as_json)


@quarantine_app.command()
def reverify(
    account: AccountOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which are genuine.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Verify them again with the secrets of now: genuine ones become events, the others stay."""
    from receiver.accounts import accounts
    from receiver.quarantine import reverify as verify_again
    from storage.consent import Words

    settings = load_settings()
    if account is not None:
        find_account(settings, account)
    known = accounts(settings.accounts, Words.of(settings.stop_words, settings.start_words))
    with opened() as database:
        judged = verify_again(database, known, account, datetime.now(UTC), dry_run=dry_run)
        if as_json:
            for one in judged:
                show([asdict(one)], [], as_json)
        else:
            typer.echo(_summary(judged, dry_run))


def _summary(judged: "Iterable[Judged]", dry_run: bool) -> str:
    found = list(judged)
    leaving = [one for one in found if one.reason is None]
    became = "would become events" if dry_run else "are events now"
    news = "" if dry_run else f" ({sum(one.new or 0 for one in leaving)} of them new)"
    return f"{len(leaving)} are genuine and {became}{news}; {len(found) - len(leaving)} stay."


@app.command()
def secrets(as_json: JsonFlag = False) -> None:
    """Which webhook secrets are still used, by their fingerprints; never the secrets."""
    from receiver.accounts import accounts
    from storage.uses import known

    configured = accounts(load_settings().accounts)
    with opened() as database, database.read() as tx:
        rows = list(_secrets(configured, known(tx)))
    columns = ["account", "position", "fingerprint", "uses", "first_at", "last_at", "until"]
    show(rows, columns, as_json)


def _secrets(configured: "dict[str, Account]", found: "list[Use]") -> Iterator[dict[str, Any]]:
    """Those that are configured, by position (1 is the first), then those that no longer are.

    until: when it ends to be good; None: never.
    """
    from receiver.notebook import fingerprint

    used = {(use.account, use.fingerprint): asdict(use) for use in found}
    for account in configured.values():
        for position, secret in enumerate(account.secrets, start=1):
            name = fingerprint(account.name, secret)
            never = {"uses": 0, "first_at": None, "last_at": None}
            known = used.pop((account.name, name), never)
            until = account.options.old_secrets_until if position > 1 else None
            place = {"position": position, "until": until}
            yield {"account": account.name, "fingerprint": name, **known, **place}
    for gone in used.values():
        yield {**gone, "position": None, "until": None}
