"""
Channel identities: what a Smooch client (v1.x `clients[]`, v2 `client`) says of a person.

A client's own id is never an address. Where the address is depends on the platform.
https://docs.smooch.io/rest/#app-user-client-schema
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from handlers.people import ChannelIdentity, normalise
from receiver import fields

# In all these tables Smooch's word for a platform is in lower case, whatever it is in a body.

# Where ours is another one.
CHANNELS = {
    "twilio": "sms",
    "messagebird": "sms",
    "mailgun": "email",
    "frontendemail": "email",
    "gbm": "google",
    "googlercs": "google",
    "slackconnect": "slack",
    "kakao": "kakaotalk",
}

# Our own software on the person's device: there is no address, the client id says enough.
SDKS = frozenset({"web", "ios", "android", "sdk"})

# Where the address is when there is no `externalId` (v1, and v1.1 before 2019-05).
ADDRESSES: dict[str, tuple[str, ...]] = {
    "twilio": ("info.phoneNumber", "raw.From"),
    "messagebird": ("raw.phoneNumber",),
    "whatsapp": ("raw.from",),
    "telegram": ("raw.id",),
    "line": ("raw.userId",),
    "wechat": ("info.openid", "raw.openid"),
    "twitter": ("raw.id_str",),  # raw.id is beyond 2**53
    "viber": ("raw.id",),
    "mailgun": ("raw.from",),
}
BY_EMAIL = frozenset({"mailgun", "frontendemail"})  # else the user's own e-mail

# A link's criteria name an address on the linked channel. For messenger they do not: the phone
# number is only what Facebook searches by.
CRITERIA = {
    "twilio": "phoneNumber",
    "messagebird": "phoneNumber",
    "whatsapp": "phoneNumber",
    "mailgun": "address",
}

STATUSES = frozenset({"active", "pending", "inactive", "blocked"})


def channel(platform: str | None) -> str | None:
    """Our name for a platform; an unknown one in lower case."""
    if platform is None:
        return None
    platform = platform.lower()
    return CHANNELS.get(platform, platform)


def passthrough(trigger: str | None) -> str | None:
    """ "apple" for the triggers `passthrough:apple:*`, which name no source; else None."""
    return "apple" if trigger and trigger.startswith("passthrough:apple:") else None


def platform_of(client: Any) -> str | None:
    """The provider's word for a client's channel: `platform`, since v2 `type`."""
    if not isinstance(client, dict):
        return None
    return fields.as_text(client.get("platform")) or fields.as_text(client.get("type"))


def identity(
    client: Any, email: str | None = None, status: str | None = None
) -> ChannelIdentity | None:
    """What one client proves; None for one without a platform, or with neither id nor address.

    email:  of the user, the address of the e-mail platforms where the client has none.
    status: in place of the client's own (pending, removed).
    """
    platform = platform_of(client)
    if platform is None:
        return None
    word = platform.lower()
    name = CHANNELS.get(word, word)
    address = _address(client, word, name, email)
    client_id = fields.as_ident(client.get("id")) or fields.as_ident(client.get("_id"))
    if address is None and client_id is None:
        return None
    return ChannelIdentity(name, address, platform, client_id, None, status or _status(client))


def _address(client: dict[str, Any], word: str, name: str, email: str | None) -> str | None:
    if word in SDKS:
        return None
    found = fields.as_ident(client.get("externalId"))
    for path in ADDRESSES.get(word, ()):
        found = found or fields.ident(client, path)
    if word in BY_EMAIL:
        found = found or email
    return (normalise(name, found) or None) if found else None


def _status(client: dict[str, Any]) -> str:
    """`blocked: true`, then `status`, then v1's `active`; active where none is said."""
    if client.get("blocked") is True:
        return "blocked"
    status = client.get("status")
    if isinstance(status, str) and status in STATUSES:
        return status
    return "inactive" if client.get("active") is False else "active"


def of_user(person: Any) -> list[ChannelIdentity | None]:
    """What a v1.x appUser proves: `clients` (before 2016-07 only `devices`), `pendingClients`."""
    if not isinstance(person, dict):
        return []
    listed = fields.as_items(person.get("clients" if "clients" in person else "devices"))
    pending = fields.as_items(person.get("pendingClients"))
    if not listed and not pending:
        return []
    email = fields.as_text(person.get("email"))
    found = [identity(client, email) for client in listed]
    return found + [identity(client, email, "pending") for client in pending]


def unique(found: Iterable[ChannelIdentity | None]) -> tuple[ChannelIdentity, ...]:
    """Each client once, in order: the first status counts, and the first address that is told."""
    kept: dict[tuple[str, str | None, str | None], ChannelIdentity] = {}
    for one in found:
        if one is None:
            continue
        key = (one.channel, one.client_id, None if one.client_id else one.identity)
        known = kept.setdefault(key, one)
        if known.identity is None and one.identity is not None:
            kept[key] = replace(known, identity=one.identity)
    return tuple(kept.values())


def from_criteria(platform: str | None, criteria: Any) -> str | None:
    """The address that was asked for, normalised; for messenger the number that was searched."""
    name = channel(platform)
    found = fields.ident(criteria, CRITERIA.get((platform or "").lower(), "phoneNumber"))
    return (normalise(name, found) or None) if name and found else None


def is_reached_by_criteria(platform: str | None) -> bool:
    """Whether the criteria of a link to `platform` are an address there."""
    return (platform or "").lower() in CRITERIA


def discarded(survivor: str, ids: Iterable[str | None]) -> tuple[str, ...]:
    """The ids that now mean the survivor, in order, each once and never the survivor's own."""
    return tuple(dict.fromkeys(one for one in ids if one and one != survivor))
