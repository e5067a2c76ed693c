"""
What must be done so that a provider sends its webhooks to us: compared, not carried out.

Two targets are the same if they differ in nothing that matters on the way: the case of the host,
a default port, a slash at the end.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from receiver.provider import Registered


@dataclass(frozen=True, slots=True)
class Wanted:
    """A webhook as it should be.

    exact:    no other triggers than these; else more of them do no harm.
    secrets:  those in the settings, any of which is good.
    give:     the secret to give where the provider takes ours; None where it makes its own.
    """

    target: str
    triggers: frozenset[str]
    settings: dict[str, Any]
    exact: bool = False
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    give: str | None = field(default=None, repr=False)


def path_for(account: str) -> str:
    """How the path of a target ends."""
    return f"/webhooks/{account}"


def leads_to(target: str, account: str) -> bool:
    """Whether the target's path is the account's, whatever a proxy has before it."""
    try:
        return httpx.URL(target).path.rstrip("/").endswith(path_for(account))
    except httpx.InvalidURL:
        return False


def same_target(one: str, other: str) -> bool:
    """Whether both lead to the same place."""
    try:
        return _normal(one) == _normal(other)
    except httpx.InvalidURL:
        return one == other


def _normal(target: str) -> tuple[str, str, int | None, str, bytes]:
    url = httpx.URL(target)
    return url.scheme, url.host, url.port, url.path.rstrip("/"), url.query


def is_ours(secret: str | None, ours: Sequence[bytes]) -> bool:
    """Whether the secret is among ours, told in a time that does not depend on either."""
    given = sha256((secret or "").encode()).digest()
    same = [hmac.compare_digest(sha256(one).digest(), given) for one in ours]
    return bool(secret) and any(same)


def pointing_at(target: str, found: Sequence[Registered]) -> list[Registered]:
    """The webhooks with this target, in the provider's order; more than one is one too many."""
    return [hook for hook in found if same_target(hook.target, target)]


def new(wanted: Wanted) -> dict[str, Any]:
    """The body that creates it."""
    secret = {"secret": wanted.give} if wanted.give else {}
    triggers = sorted(wanted.triggers)
    return {"target": wanted.target, "triggers": triggers, **wanted.settings, **secret}


def changes(hook: Registered, wanted: Wanted) -> dict[str, Any]:
    """What of it must change, as the body of an update; empty if it is as it should be."""
    found: dict[str, Any] = {
        name: value for name, value in wanted.settings.items() if hook.settings.get(name) != value
    }
    triggers = wanted.triggers if wanted.exact else wanted.triggers | hook.triggers
    if triggers != hook.triggers:
        found["triggers"] = sorted(triggers)
    if wanted.give and _needs_secret(hook, wanted):
        found["secret"] = wanted.give
    return found


def _needs_secret(hook: Registered, wanted: Wanted) -> bool:
    """Not if it is one of ours, nor if it has one and we have none: that one can be ours."""
    if hook.secret is None:
        return True
    return bool(wanted.secrets) and not is_ours(hook.secret, wanted.secrets)
