"""
The addresses that a payload hides: of v1.1 and v2 where the webhook has no include options.

https://docs.smooch.io/rest/#get-app-user-channels
"""

from typing import Any

from handlers.people import ChannelIdentity, normalise
from receiver import fields
from receiver.provider import Calls, Exchange, Sent
from receiver.providers.smooch import calls, clients
from receiver.providers.smooch.options import SmoochOptions

# Where v1.x tells the address; which one depends on the type.
_ADDRESSES = ("phoneNumber", "address", "username", "chatId", "userId")
PAGES = 10  # of 25 clients; nobody has more


def reveal(user_id: str, options: SmoochOptions) -> Exchange:
    """Where the user can be reached, addresses and all. Raises SendError; 404: there is no such."""
    if options.api_version == "v2":
        found = yield from _clients(user_id, options)
    else:
        body = yield from calls.list_channels(user_id, options)
        found = [_channel(channel) for channel in fields.items(body, "channels")]
    return Sent(identities=clients.unique(found))


def _clients(user_id: str, options: SmoochOptions) -> Calls[list[ChannelIdentity | None]]:
    """{"clients": [{"id", "type", "status", "externalId"}], "meta": {"hasMore", "afterCursor"}}"""
    found: list[ChannelIdentity | None] = []
    after: str | None = None
    for _ in range(PAGES):
        body = yield from calls.list_channels(user_id, options, after)
        found += [clients.identity(client) for client in fields.items(body, "clients")]
        after = fields.ident(body, "meta.afterCursor")
        if fields.get(body, "meta.hasMore") is not True or after is None:
            break
    return found


def _channel(channel: Any) -> ChannelIdentity | None:
    """{"type": "twilio", "phoneNumber": "+1..."}; None where no address is told."""
    platform = fields.text(channel, "type")
    told = (fields.ident(channel, key) for key in _ADDRESSES)
    address = next((address for address in told if address), None)
    if platform is None or address is None:
        return None
    name = clients.channel(platform) or platform
    return ChannelIdentity(name, normalise(name, address), platform=platform)
