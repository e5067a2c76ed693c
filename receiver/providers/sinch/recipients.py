"""
Whom a message goes to: a contact, or an identity on a channel.

In DISPATCH mode there are no contacts: contact_id is answered with 400.
https://developers.sinch.com/docs/conversation/processing-modes
"""

from typing import Any

from handlers.people import PHONE_CHANNELS, ChannelIdentity
from receiver.errors import Unsupported
from receiver.provider import Recipient
from receiver.providers.sinch.channels import channel_word
from receiver.providers.sinch.options import SinchOptions


def contact_id(recipient: Recipient, options: SinchOptions) -> str:
    """The user's contact. Raises Unsupported where Sinch keeps none for them."""
    if options.mode == "DISPATCH":
        raise Unsupported("sinch keeps no contacts in DISPATCH mode")
    if recipient.user is None or ":" in recipient.user.id:
        raise Unsupported("sinch has no contact for this user yet: create the user first")
    return recipient.user.id


def to_address(channel: str | None, address: str) -> dict[str, Any]:
    """The recipient for an address of the handler's own."""
    if channel is None:
        raise Unsupported("sinch needs `via` with `to`: the channel of the address")
    return _identified(channel, address)


def to_user(recipient: Recipient, channel: str | None, options: SinchOptions) -> dict[str, Any]:
    """The recipient for a known user, on `channel` if that is given.

    An identity that is known on the channel is named outright; a contact is left to Sinch. A user
    who is an identity is named by it, whatever the mode.
    """
    known = _known(recipient, channel)
    if channel is not None and known is not None:
        return _identified(known.channel, known.identity or "")
    if recipient.user is None:
        raise Unsupported("sinch needs a user, or an address on a channel")
    own = _from_id(recipient.user.id)
    if own is not None and channel in (None, own[0]):
        return _identified(*own)
    if options.mode == "DISPATCH" or own is not None:
        if known is None:
            raise Unsupported(f"no identity of this user is known on {channel or 'any channel'}")
        return _identified(known.channel, known.identity or "")
    return {"contact_id": recipient.user.id}


def _known(recipient: Recipient, channel: str | None) -> ChannelIdentity | None:
    """The newest usable identity, on `channel` if that is given."""
    for identity in recipient.identities:
        usable = identity.identity and identity.status == "active"
        if usable and channel in (None, identity.channel):
            return identity
    return None


def _from_id(user_id: str) -> tuple[str, str] | None:
    """Channel and identity of a user who is one, `<channel>:<identity>[:<app_id>]`, else None.

    Only channels that are no phone channels have an app id.
    """
    channel, colon, rest = user_id.partition(":")
    if not colon:
        return None
    if channel not in PHONE_CHANNELS and ":" in rest:
        rest = rest.rpartition(":")[0]
    return channel, rest


def _identified(channel: str, address: str) -> dict[str, Any]:
    identity = {"channel": channel_word(channel), "identity": address}
    return {"identified_by": {"channel_identities": [identity]}}
