"""
Sunshine Conversations v2: conversations stand beside users, and a link joins one.

https://developer.zendesk.com/api-reference/conversations/
"""

from collections.abc import Generator
from typing import Any

import httpx

from handlers.actions import CreateUser, Link, MarkRead, Reply, Send, Typing, Unlink
from handlers.people import User
from receiver import fields
from receiver.answers import call, tell
from receiver.bodies import present
from receiver.errors import Rejected
from receiver.provider import Exchange, Recipient, Sent
from receiver.providers.smooch import calls, linking
from receiver.providers.smooch.options import SmoochOptions
from receiver.providers.smooch.platforms import platforms
from receiver.providers.smooch.posts import AUTHOR_V2, post
from receiver.providers.smooch.urls import app_url
from receiver.providers.smooch.users import known_id, refuse_address, removed

# A look-up yields requests like an exchange, and returns an id or several.
Lookup = Generator[httpx.Request, httpx.Response, str]
Lookups = Generator[httpx.Request, httpx.Response, list[str]]


def create_user(action: CreateUser, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST users {"externalId"?, "profile"?, "metadata"?} -> 201 {"user": {"id", ...}}.

    A user who is there already (409) is looked up: so a creation whose answer was lost can be
    repeated.
    """
    profile = present(
        givenName=action.given_name,
        surname=action.surname,
        email=action.email,
        locale=action.language,
    )
    made = present(externalId=action.external_id, profile=profile, metadata=action.properties)
    try:
        request = httpx.Request("POST", app_url(options, "users"), json=made)
        body = yield from call(request, needs="user.id")
    except Rejected as error:
        if error.status != 409 or not action.external_id:
            raise
        body = yield from calls.get_user(action.external_id, options)
    found = fields.obj(body, "user")
    user = User(fields.ident(found, "id") or "", fields.ident(found, "externalId"))
    return Sent(user=user, raw=body)


def link(action: Link, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST clients {"matchCriteria", "confirmation", "target"} -> 201 {"client": {"id", ...}}."""
    user_id = known_id(recipient)
    asked: dict[str, Any] = {
        "matchCriteria": linking.criteria(action.target, options),
        "confirmation": linking.confirmation(action, "v2"),
    }
    conversation = yield from _conversation(action.conversation_id, user_id, options)
    asked["target"] = {"conversationId": conversation}
    request = httpx.Request("POST", app_url(options, "users", user_id, "clients"), json=asked)
    body = yield from call(request, needs="client.id")
    return linking.pending(action.target, fields.obj(body, "client"), body)


def unlink(action: Unlink, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """DELETE clients/{id} -> 200 {}, for every client of the channel where none is named."""
    user_id = known_id(recipient)
    known = [action.client_id] if action.client_id else _known_clients(action, recipient)
    clients = known or (yield from _clients(action, user_id, options))
    if not clients:
        raise Rejected(f"the user has no client on {action.channel}", code="not_linked")
    for client in clients:
        url = app_url(options, "users", user_id, "clients", client)
        yield from tell(httpx.Request("DELETE", url))
    return Sent(identities=removed(recipient, action.channel))


def _known_clients(action: Unlink, recipient: Recipient) -> list[str]:
    return [
        identity.client_id
        for identity in recipient.identities
        if identity.channel == action.channel
        and identity.client_id
        and identity.status != "inactive"
        and action.platform in (None, identity.platform)
    ]


def _clients(action: Unlink, user_id: str, options: SmoochOptions) -> Lookups:
    body = yield from calls.list_channels(user_id, options)
    wanted = (action.platform,) if action.platform else platforms(action.channel)
    found = [c for c in fields.items(body, "clients") if fields.text(c, "type") in wanted]
    return [client_id for client in found if (client_id := fields.ident(client, "id"))]


def say(action: Reply | Send, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST messages {"author", "content", ...} -> 201 {"messages": [{"id"}]}.

    Long messages are split by Smooch; the first part's id is returned.
    """
    refuse_address(action)
    user_id = known_id(recipient)
    said = post(action, recipient, options)
    conversation = yield from _conversation(action.conversation_id, user_id, options)
    url = app_url(options, "conversations", conversation, "messages")
    body = yield from call(httpx.Request("POST", url, json=said))
    parts = fields.items(body, "messages")
    return Sent(message_id=fields.ident(parts[0], "id") if parts else None, raw=body)


def typing(action: Typing, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST activity."""
    kind = "typing:start" if action.on else "typing:stop"
    return (yield from _activity(kind, action.conversation_id, recipient, options))


def mark_read(action: MarkRead, recipient: Recipient, options: SmoochOptions) -> Exchange:
    """POST activity."""
    return (yield from _activity("conversation:read", action.conversation_id, recipient, options))


def _activity(
    kind: str, conversation_id: str | None, recipient: Recipient, options: SmoochOptions
) -> Exchange:
    conversation = yield from _conversation(conversation_id, known_id(recipient), options)
    url = app_url(options, "conversations", conversation, "activity")
    yield from tell(httpx.Request("POST", url, json=AUTHOR_V2 | {"type": kind}))
    return Sent()


def _conversation(known: str | None, user_id: str, options: SmoochOptions) -> Lookup:
    """The id of the conversation: the one named, else the user's personal one, else a new one.

    An unreadable answer to the creation is safe to try again: the look-up finds what was made.
    """
    if known:
        return known
    body = yield from calls.list_conversations(user_id, options)
    for conversation in fields.items(body, "conversations"):
        found = fields.ident(conversation, "id")
        if found and fields.text(conversation, "type") == "personal":
            return found
    body = yield from calls.create_conversation(user_id, options, effect=False)
    return fields.ident(body, "conversation.id") or ""
