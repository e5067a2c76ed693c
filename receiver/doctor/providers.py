"""One account, and what its provider has: whether the two fit together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from receiver import registration
from receiver.accounts import Account
from receiver.doctor.finding import Finding, bad, ok, warning
from receiver.errors import SendError, Throttled, Unauthorized, Unsupported
from receiver.provider import Registered, Webhooks

SLOW_CLOCK = timedelta(minutes=1)
WRONG_CLOCK = timedelta(minutes=5)  # what a signature's time may differ by
_SHOWN = 8  # triggers that are named one by one


@dataclass(slots=True)
class Told:
    """What the provider told.

    hooks:   its webhooks; None where they cannot be asked for.
    misfits: what of the account there does not fit the settings.
    error:   why it told nothing. offset: how far our clock is ahead of the provider's.
    """

    hooks: list[Registered] | None = None
    misfits: list[str] = field(default_factory=list)
    error: SendError | None = None
    offset: timedelta | None = None


def settings(account: Account) -> Iterator[Finding]:
    """What can be seen without asking: can it receive, can it send."""
    if account.receives:
        yield _guarded(account)
    if lacks := account.options.lacks():
        names = ", ".join(f"accounts.{account.name}.{name}" for name in lacks)
        yield warning("sending", "nothing can be sent, nor the provider asked", f"set {names}")
    else:
        yield ok("sending", "its settings are complete")


def _guarded(account: Account) -> Finding:
    open_door = account.options.unguarded()
    if open_door is not None:
        todo = "`hookline register` makes the webhook and says what to put there"
        return bad("secrets", f"accounts.{account.name}.{open_door}", todo)
    count = len(account.secrets)
    return ok("secrets", f"{count} set" if count else "none, as the other settings say")


def told(account: Account, told: Told, base: str | None) -> Iterator[Finding]:
    """What the provider's answers show. `base`: the public URL that ours should begin with."""
    if told.offset is not None:
        yield clock(told.offset)
    if told.error is not None:
        yield _refused(account, told.error)
        return
    yield ok("credentials", "the provider accepts them")
    yield from (bad("settings", misfit, "see the settings") for misfit in told.misfits)
    if told.hooks is not None and account.provider.webhooks is not None:
        yield from _hooks(account, account.provider.webhooks, told.hooks, base)


def clock(offset: timedelta) -> Finding:
    """How far our clock is ahead of the provider's, who tells the time in every answer."""
    seconds = round(offset.total_seconds())
    if abs(offset) <= SLOW_CLOCK:
        return ok("clock", f"within {int(SLOW_CLOCK.total_seconds())} s of the provider's")
    level = bad if abs(offset) > WRONG_CLOCK else warning
    way = "ahead of" if seconds > 0 else "behind"
    return level("clock", f"{abs(seconds)} s {way} the provider's", "run a time service (NTP)")


def _refused(account: Account, error: SendError) -> Finding:
    hooks = account.provider.webhooks
    names = hooks.help if hooks else "the credentials and the region"
    if isinstance(error, Throttled):
        return warning("credentials", str(error), "the provider is busy: try again later")
    if isinstance(error, Unauthorized):
        return bad("credentials", f"refused: {error}", f"check {names}")
    if isinstance(error, Unsupported):
        return bad("webhook", str(error), "see the settings")
    if error.status == 404:
        return bad("settings", f"nothing is there: {error}", f"check {names}")
    return bad("provider", str(error), "check the network, region and base_url")


def _hooks(
    account: Account, hooks: Webhooks, found: Sequence[Registered], base: str | None
) -> Iterator[Finding]:
    ours = [hook for hook in found if registration.leads_to(hook.target, account.name)]
    path = registration.path_for(account.name)
    wanted = f"{base}{path}" if base else None
    if wanted is not None:
        right = registration.pointing_at(wanted, ours)
        yield from (
            warning("webhook", f"another one leads to {hook.target}", "delete it if it is not used")
            for hook in ours
            if hook not in right
        )
        ours = right
    if not ours:
        elsewhere = f"; {len(found)} lead elsewhere" if found else ""
        url = wanted or f"https://<your host>{path}"
        todo = f"run `hookline register {account.name} {url}`"
        yield bad("webhook", f"none is registered for {wanted or path}{elsewhere}", todo)
        return
    for hook in ours:
        yield from _hook(account, hooks, hook)
    yield from _doubled(ours)


def _doubled(ours: Sequence[Registered]) -> Iterator[Finding]:
    for number, hook in enumerate(ours):
        if registration.pointing_at(hook.target, ours[:number]):
            detail = f"{hook.target} is registered more than once: every event comes twice"
            yield warning("webhook", detail, f"delete the webhook {hook.id}")


def _hook(account: Account, hooks: Webhooks, hook: Registered) -> Iterator[Finding]:
    command = f"hookline register {account.name} {hook.target}"
    again = f"run `{command}`"
    problems = [
        *_secret(account, hooks, hook, command),
        *_settings(account, hooks, hook, again),
        *_triggers(account, hooks, hook, again),
        *_scheme(hook),
    ]
    yield from problems or [ok("webhook", f"{hook.target}, {len(hook.triggers)} triggers")]


def _secret(account: Account, hooks: Webhooks, hook: Registered, command: str) -> Iterator[Finding]:
    if registration.is_ours(hook.secret, account.secrets):
        return
    place = f"accounts.{account.name}.webhook_secrets"
    if hook.secret is not None:
        detail = f"its secret is not in {place}: what it sends is refused"
        option = " --show-secret" if hooks.gives_secret or not account.secrets else ""
        yield bad("webhook secret", detail, f"run `{command}{option}`")
    elif not hooks.gives_secret:
        detail = "it has none, and what is unsigned is refused"
        yield bad("webhook secret", detail, f"run `{command}`")


def _settings(account: Account, hooks: Webhooks, hook: Registered, todo: str) -> Iterator[Finding]:
    for name, value in hooks.settings(account.options).items():
        if hook.settings.get(name) == value:
            continue
        if value is True:
            yield warning("webhook", f"{name} is off: addresses are hidden", todo)
        else:
            detail = f"{name} is {hook.settings.get(name)}, not {value}: nothing is sent"
            yield bad("webhook", detail, todo)


def _triggers(account: Account, hooks: Webhooks, hook: Registered, todo: str) -> Iterator[Finding]:
    missing = sorted(hooks.triggers(account.options) - hook.triggers)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        yield warning("webhook", f"not asked for: {', '.join(missing[:_SHOWN])}{more}", todo)


def _scheme(hook: Registered) -> Iterator[Finding]:
    if not hook.target.startswith("https://"):
        detail = f"{hook.target} is not https: secrets and texts can be read on the way"
        yield warning("webhook", detail, "register an https address")
