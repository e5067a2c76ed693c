"""
Smooch's sending half: which step of which version of the API carries out an action.

Unknown to every version: an identity cannot be added without asking the person, so AddIdentity
is a Link here.
"""

from collections.abc import Callable
from typing import Any

from handlers.actions import Action, CreateUser, Link, MarkRead, Reply, Send, Typing, Unlink
from receiver.errors import Unsupported
from receiver.provider import Exchange, Outbound, Recipient
from receiver.providers.smooch import send_v1, send_v2
from receiver.providers.smooch.auth import auth
from receiver.providers.smooch.options import SmoochOptions
from receiver.providers.smooch.reveal import reveal

Steps = dict[type, Callable[[Any, Recipient, SmoochOptions], Exchange]]

_V1: Steps = {
    CreateUser: send_v1.create_user,
    Link: send_v1.link,
    Unlink: send_v1.unlink,
    Reply: send_v1.say,
    Send: send_v1.say,
    Typing: send_v1.typing,
    MarkRead: send_v1.mark_read,
}

_V2: Steps = {
    CreateUser: send_v2.create_user,
    Link: send_v2.link,
    Unlink: send_v2.unlink,
    Reply: send_v2.say,
    Send: send_v2.say,
    Typing: send_v2.typing,
    MarkRead: send_v2.mark_read,
}

STEPS: dict[str, Steps] = {"v1": _V1, "v1.1": _V1, "v2": _V2}


def carry_out(action: Action, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """The exchange for one action. Raises Unsupported when it is started, before any request."""
    step = STEPS[options.api_version].get(type(action))
    if step is None:
        raise Unsupported(f"smooch cannot carry out {action.kind}: link the channel instead")
    return (yield from step(action, recipient, options))


OUTBOUND = Outbound(carry_out, auth, reveal)
