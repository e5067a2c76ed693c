"""
Smooch v1 and v1.1: one conversation for each user, so everything hangs below the user.

https://docs.smooch.io/rest/v1.1/
"""

from collections.abc import Generator
from typing import Any

import httpx

from handlers.actions import CreateUser, Link, MarkRead, Reply, Send, Typing, Unlink
from handlers.links import Target
from handlers.people import User
from receiver import fields
from receiver.answers import call, tell
from receiver.bodies import present
from receiver.errors import Rejected, Unsupported
from receiver.provider import Exchange, Recipient, Sent
from receiver.providers.smooch import calls, linking
from receiver.providers.smooch.options import SmoochOptions
from receiver.providers.smooch.platforms import platform
from receiver.providers.smooch.posts import AUTHOR_V1, post
from receiver.providers.smooch.urls import app_url
from receiver.providers.smooch.users import known_id, refuse_address, removed


def _url(recipient: Recipient, options: SmoochOptions, *below: str) -> str:
    return app_url(options, "appusers", known_id(recipient), *below)


def create_user(action: CreateUser, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST appusers {"userId", "givenName"?, ...} -> 201 {"appUser": {"_id", "userId"}}.

    A user who is there already (409) is looked up: so a creation whose answer was lost can be
    repeated.
    """
    if not action.external_id:
        raise Unsupported(f"smooch {options.api_version} needs an external_id to create a user")
    made = {"userId": action.external_id} | present(
        givenName=action.given_name,
        surname=action.surname,
        email=action.email,
        properties=action.properties,
    )
    try:
        request = httpx.Request("POST", app_url(options, "appusers"), json=made)
        body = yield from call(request, needs="appUser._id")
    except Rejected as error:
        if error.status != 409:
            raise
        body = yield from calls.get_user(action.external_id, options)
    found = fields.obj(body, "appUser")
    user = User(fields.ident(found, "_id") or "", fields.ident(found, "userId"))
    return Sent(user=user, raw=body)


def link(action: Link, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST channels, everything in one object -> 200 {"appUser": {"pendingClients": [...]}}."""
    asked = linking.criteria(action.target, options) | {
        "confirmation": linking.confirmation(action, options.api_version)
    }
    request = httpx.Request("POST", _url(recipient, options, "channels"), json=asked)
    body = yield from call(request, needs="appUser._id")
    return linking.pending(action.target, _pending_client(body, action.target), body)


def _pending_client(body: dict[str, Any], target: Target) -> dict[str, Any]:
    """The pending client of this platform, best the one shown with the very address."""
    clients = [
        client
        for client in fields.items(body, "appUser.pendingClients")
        if fields.text(client, "platform") == target.platform
    ]
    same = [c for c in clients if fields.text(c, "displayName") == target.address]
    return next(iter([*same, *reversed(clients)]), {})


def unlink(action: Unlink, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """DELETE channels/{platform} -> 200 {}."""
    name = action.platform or platform(action.channel, recipient, options)
    url = _url(recipient, options, "channels", name)
    yield from tell(httpx.Request("DELETE", url))
    return Sent(identities=removed(recipient, action.channel))


def say(action: Reply | Send, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST messages {"role": "appMaker", "type", ...} -> 201 {"message": {"_id"}}."""
    refuse_address(action)
    url = _url(recipient, options, "messages")
    request = httpx.Request("POST", url, json=post(action, recipient, options))
    body = yield from call(request, needs="message._id")
    return Sent(message_id=fields.ident(body, "message._id"), raw=body)


def typing(action: Typing, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST conversation/activity."""
    kind = "typing:start" if action.on else "typing:stop"
    return (yield from _activity(kind, recipient, options))


def mark_read(action: MarkRead, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST conversation/activity."""
    return (yield from _activity("conversation:read", recipient, options))


def _activity(
    kind: str, recipient: Recipient, options: SmoochOptions
) -> Generator[httpx.Request, httpx.Response, Sent]:
    url = _url(recipient, options, "conversation", "activity")
    yield from tell(httpx.Request("POST", url, json=AUTHOR_V1 | {"type": kind}))
    return Sent()
