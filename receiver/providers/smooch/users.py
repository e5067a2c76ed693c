"""Whom a Smooch call is about, the same in all versions."""

from handlers.actions import Reply, Send
from handlers.people import ChannelIdentity
from receiver.errors import Unsupported
from receiver.provider import Recipient

_NOBODY = "smooch writes to users only: create a user and link the channel first"


def known_id(recipient: Recipient) -> str:
    """The user's id. Raises Unsupported where there is no user."""
    if recipient.user is None:
        raise Unsupported(_NOBODY)
    return recipient.user.id


def refuse_address(action: Reply | Send) -> None:
    """Raises Unsupported for an address that is not a user's."""
    if isinstance(action, Send) and action.to is not None:
        raise Unsupported(_NOBODY)


def removed(recipient: Recipient, channel: str) -> tuple[ChannelIdentity, ...]:
    """The identities that go with `channel`."""
    return tuple(i.as_("inactive") for i in recipient.identities if i.channel == channel)
