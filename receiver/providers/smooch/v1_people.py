"""v1.x events about a person rather than a message: clients, links, merges, deletions."""

from typing import Any

from handlers import events
from handlers.event import Event
from handlers.people import ChannelIdentity
from receiver import fields
from receiver.providers.smooch import clients
from receiver.providers.smooch.faults import fault
from receiver.providers.smooch.v1_body import Hook, Make, each, own_id, user_of

# A link that failed proves nothing.
LINK_PROVES: dict[Make, str] = {events.LinkMatched: "pending", events.LinkSucceeded: "active"}


def changed(hook: Hook, cls: Make) -> list[Event]:
    """One event for each of `clients`; for a single `client` where there is no such array."""
    single = hook.body.get("client")
    if "clients" not in hook.body and single and isinstance(single, dict):
        return [_client(hook, cls, single, hook.body, None)]
    return _each_client(hook, cls)


def _client(
    hook: Hook, cls: Make, client: dict[str, Any], raw: dict[str, Any], position: int | None
) -> Event:
    """A client came, changed or went. One that went is inactive, whatever it says of itself."""
    email = fields.text(hook.body, "appUser.email")
    status = "inactive" if cls is events.IdentityRemoved else None
    found = clients.identity(client, email, status) if hook.shared["user"] else None
    return cls(
        **hook.shared
        | hook.key(position=position)
        | {
            "identities": (found,) if found else (),
            "channel": clients.channel(clients.platform_of(client)),
            "raw": raw,
        }
    )


_each_client = each("clients", _client)


def link(hook: Hook, cls: Make) -> list[Event]:
    """What became of a link. `criteria` repeats what was asked for."""
    platform = fields.text(hook.body, "channel")
    channel = clients.channel(platform)
    address = clients.from_criteria(platform, hook.body.get("criteria"))
    identities, status = hook.shared["identities"], LINK_PROVES.get(cls)
    proves = hook.shared["user"] and clients.is_reached_by_criteria(platform)
    if proves and channel and address and status:
        linked = ChannelIdentity(channel, address, platform, status=status)
        identities = _with_linked(identities, linked)
    return [
        cls(
            **hook.shared | hook.key() | {"identities": identities, "channel": channel},
            platform=platform,
            address=address,
            error=fault(hook.body.get("error")),
            raw=hook.body,
        )
    ]


def _with_linked(
    known: tuple[ChannelIdentity, ...], linked: ChannelIdentity
) -> tuple[ChannelIdentity, ...]:
    """The known ones and the linked one; a client at the same address takes its status."""
    others = [
        one for one in known if (one.channel, one.identity) != (linked.channel, linked.identity)
    ]
    same = [one.as_(linked.status) for one in known if one not in others]
    return (*others, *(same or [linked]))


def merge(hook: Hook, cls: Make) -> list[Event]:
    """Users became one. `discarded` is an array in v1.x; all their identities are the survivor's.

    Without a survivor there is nothing to merge into: Unknown.
    """
    surviving, listed = hook.body.get("surviving"), hook.body.get("discarded")
    user = user_of(surviving)
    if user is None:
        return [hook.unknown()]
    gone = listed if isinstance(listed, list) else [listed]
    found = (one for person in [surviving, *gone] for one in clients.of_user(person))
    return [
        cls(
            **hook.shared | hook.key() | {"user": user, "identities": clients.unique(found)},
            discarded=clients.discarded(user.id, (own_id(one) for one in gone)),
            raw=hook.body,
        )
    ]


def deleted(hook: Hook, cls: Make) -> list[Event]:
    """A user goes only once, so the id is the key; nobody is reached there any more."""
    user = hook.shared["user"]
    gone = tuple(one.as_("inactive") for one in hook.shared["identities"])
    key = hook.key(user.id if user else None)
    return [cls(**hook.shared | key | {"identities": gone}, raw=hook.body)]
