"""`hookline register`: the webhook at the provider is as it should be, and there is one of it."""

import asyncio
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli.app import (
    Failure,
    WrongUse,
    app,
    find_account,
    load_settings,
    pick,
    printable,
    say_json,
)

if TYPE_CHECKING:
    from receiver.accounts import Account
    from receiver.provider import Calls, Registered, Webhooks
    from receiver.registration import Wanted

DONE = {"create": "created", "update": "updated", "keep": "unchanged"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, or would be.

    done:    "create", "update" or "keep". hook: as it is now; None where it is not yet there.
    changed: the names of what an update changes. others: ids of more webhooks to the same target.
    """

    done: str
    hook: "Registered | None"
    changed: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


@app.command()
def register(
    account: Annotated[str, typer.Argument(help="The account that is to receive.")],
    url: Annotated[
        str, typer.Argument(metavar="URL", help="https://<your host>/webhooks/<account>")
    ],
    trigger: Annotated[
        list[str],
        typer.Option("--trigger", metavar="T", help="Only these; else all that we understand."),
    ] = [],  # noqa: B006
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    show_secret: Annotated[
        bool, typer.Option("--show-secret", help="Print the secret, for the settings.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Create the webhook at the provider, or put right the one that is there.

    Nothing is stored: the place of its secret in the settings is printed. Doing it again changes
    nothing.
    """
    from receiver.errors import SendError

    found = _account(account)
    hooks = found.provider.webhooks
    if hooks is None:
        raise Failure(_by_hand(found, url))
    wanted = _wanted(found, hooks, url, trigger)
    try:
        outcome = asyncio.run(_carry_out(found, hooks, wanted, dry_run))
    except SendError as error:
        raise Failure(f"{error.kind}: {error}; check {hooks.help}") from None
    _tell(found, wanted, outcome, as_json, dry_run=dry_run, show_secret=show_secret)


def _account(name: str) -> "Account":
    """The account, ready to call its provider. Raises Failure and WrongUse."""
    from receiver.accounts import accounts

    settings = load_settings()
    options = find_account(settings, name)
    if lacks := options.lacks():
        where = ", ".join(f"accounts.{name}.{lack}" for lack in lacks)
        raise Failure(f"the provider cannot be asked without {where}")
    account = accounts(settings.accounts)[name]
    return replace(account, secrets=account.live(datetime.now(UTC)))


def _by_hand(account: "Account", url: str) -> str:
    if not account.receives:
        return f"{account.provider.name} sends no webhooks"
    token = ", with / and the path_token after it," if account.options.webhook_path else ""
    return (
        f"{account.provider.name} has no call for it: enter {url}{token} as the callback URL in the"
        " provider's dashboard"
    )


def _wanted(account: "Account", hooks: "Webhooks", url: str, chosen: list[str]) -> "Wanted":
    from receiver.registration import Wanted

    known = hooks.triggers(account.options)
    for name in chosen:
        pick(name, known, "trigger")
    give = None
    if not hooks.gives_secret:
        give = account.secrets[0].decode() if account.secrets else secrets.token_urlsafe(32)
    return Wanted(
        target=_target(account.name, url),
        triggers=frozenset(chosen) or known,
        settings=hooks.settings(account.options),
        exact=bool(chosen),
        secrets=account.secrets,
        give=give,
    )


def _target(account: str, url: str) -> str:
    """The URL if it leads to the account. Raises WrongUse."""
    from receiver.registration import leads_to, path_for

    scheme, sign, rest = url.partition("://")
    if scheme not in ("https", "http") or not sign or not rest.strip("/"):
        raise WrongUse(f"{url!r} is no URL: say https://<your host>{path_for(account)}")
    if not leads_to(url, account):
        raise WrongUse(f"the URL must end in {path_for(account)}: there the account receives")
    return url


async def _carry_out(
    account: "Account", hooks: "Webhooks", wanted: "Wanted", dry_run: bool
) -> Outcome:
    from receiver import registration
    from receiver.send import Sender

    options = account.options
    async with Sender(lambda: datetime.now(UTC)) as sender:

        async def ask(calls: "Calls[Any]") -> Any:
            return await sender.call(account.name, account.provider, options, calls)

        same = registration.pointing_at(wanted.target, await ask(hooks.listed(options)))
        if not same:
            body = registration.new(wanted)
            return Outcome("create", None if dry_run else await ask(hooks.create(body, options)))
        hook, others = same[0], [other.id for other in same[1:]]
        changes = registration.changes(hook, wanted)
        if changes and not dry_run:
            hook = await ask(hooks.update(hook.id, changes, options))
        return Outcome("update" if changes else "keep", hook, sorted(changes), others)


def _tell(
    account: "Account",
    wanted: "Wanted",
    outcome: Outcome,
    as_json: bool,
    *,
    dry_run: bool,
    show_secret: bool,
) -> None:
    from receiver.registration import is_ours

    secret = (outcome.hook.secret if outcome.hook else None) or wanted.give
    known = is_ours(secret, account.secrets)
    invented = secret is not None and secret == wanted.give and not account.secrets
    shown = secret if not dry_run and (show_secret or invented) else None
    told = {
        "account": account.name,
        "url": wanted.target,
        "result": outcome.done if dry_run else DONE[outcome.done],
        "dry_run": dry_run,
        "id": outcome.hook.id if outcome.hook else None,
        "changed": outcome.changed,
        "triggers": sorted(outcome.hook.triggers if outcome.hook else wanted.triggers),
        "duplicates": outcome.others,
        "secret_setting": f"accounts.{account.name}.webhook_secrets",
        "secret_is_set": known,
        "secret": shown,
    }
    if as_json:
        say_json(told)
        return
    for line in _lines(told):
        typer.echo(printable(line))


def _lines(told: dict[str, Any]) -> list[str]:
    did = f"would {told['result']}" if told["dry_run"] else told["result"]
    what = f" ({', '.join(told['changed'])})" if told["changed"] else ""
    lines = [f"{did}{what}: {told['url']}, {len(told['triggers'])} triggers"]
    lines += [f"also registered for this URL: {other}; delete it" for other in told["duplicates"]]
    place = told["secret_setting"]
    if told["secret_is_set"]:
        lines.append(f"its secret is in {place}")
    elif told["secret"]:
        lines.append(f"put this secret into {place}: {told['secret']}")
    else:
        lines.append(f"its secret belongs into {place}; --show-secret prints it")
    return lines
