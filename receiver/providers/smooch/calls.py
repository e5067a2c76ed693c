"""
Smooch's calls beside those that carry out actions: people, their channels, conversations, history.

Each is one small exchange that returns the JSON of the answer, or None where it says nothing. Where
v1.x and v2 have the same call under two names, it is one function; where a version lacks it,
Unsupported is raised, before any request, when the exchange is started.
https://docs.smooch.io/rest/v1.1/ and https://developer.zendesk.com/api-reference/conversations/
"""

from collections.abc import Mapping
from typing import Any, Literal

import httpx

from receiver import fields
from receiver.answers import call, tell
from receiver.bodies import present
from receiver.errors import Unsupported
from receiver.provider import Call, Calls
from receiver.providers.smooch.options import SmoochOptions
from receiver.providers.smooch.urls import app_url

# What is done -> method and path below the app, for v1 and v1.1, and for v2; None: not there.
# A part in braces stands for an id.
_ROUTES: dict[str, tuple[str | None, str | None]] = {
    "get a user": ("GET appusers/{id}", "GET users/{id}"),
    "update a user": ("PUT appusers/{id}", "PATCH users/{id}"),
    "delete a user": ("DELETE appusers/{id}", "DELETE users/{id}"),
    "erase a profile": (
        "DELETE appusers/{id}/profile",
        "DELETE users/{id}/personalinformation",
    ),
    "list channels": ("GET appusers/{id}/channels", "GET users/{id}/clients"),
    "make link requests": ("GET appusers/{id}/linkrequest", None),
    "make an auth code": ("GET appusers/{id}/authcode", None),
    "merge users": ("POST appusers/merge", None),
    "synchronise a Zendesk user": (None, "POST users/{id}/sync"),
    "read the history": ("GET appusers/{id}/messages", "GET conversations/{id}/messages"),
    "list conversations": (None, "GET conversations"),
    "create a conversation": (None, "POST conversations"),
    "get a conversation": (None, "GET conversations/{id}"),
    "remove an attachment": ("POST attachments/remove", "POST attachments/remove"),
    "list integrations": ("GET integrations", "GET integrations"),
}


def _request(
    what: str,
    options: SmoochOptions,
    name: str = "",
    *,
    params: Mapping[str, str] | None = None,
    json: Any = None,
) -> httpx.Request:
    """The request for `what`; `name` is the id in its path. Raises Unsupported."""
    version = options.api_version
    route = _ROUTES[what][version == "v2"]
    if route is None:
        raise Unsupported(f"smooch {version} cannot {what}")
    method, _, path = route.partition(" ")
    parts = [name if part == "{id}" else part for part in path.split("/")]
    return httpx.Request(method, app_url(options, *parts), params=params or None, json=json)


def get_user(user_id: str, options: SmoochOptions) -> Call:
    """{"appUser": {"_id", ...}}, on v2 {"user": {"id", ...}}. An own id does as well."""
    needs = "user.id" if options.api_version == "v2" else "appUser._id"
    return (yield from call(_request("get a user", options, user_id), effect=False, needs=needs))


def update_user(user_id: str, changes: Mapping[str, Any], options: SmoochOptions) -> Call:
    """Set what is named, in the provider's words, and leave the rest.

    v1.x: givenName, surname, email, signedUpAt, properties. v2: profile, metadata, signedUpAt.
    """
    request = _request("update a user", options, user_id, json=dict(changes))
    return (yield from call(request, effect=False))


def delete_user(user_id: str, options: SmoochOptions) -> Calls[None]:
    """Delete the user, their clients and their conversations."""
    yield from tell(_request("delete a user", options, user_id))


def erase_profile(user_id: str, options: SmoochOptions) -> Call:
    """Wipe names, e-mail and properties; the user stays."""
    return (yield from call(_request("erase a profile", options, user_id), effect=False))


def list_channels(user_id: str, options: SmoochOptions, after: str | None = None) -> Call:
    """{"channels": [{"type", "phoneNumber"...}]}, on v2 a page of {"clients": [...], "meta"}.

    after: the client id at which the page before ended (v2).
    """
    params = present(**{"page[after]": after})
    request = _request("list channels", options, user_id, params=params)
    return (yield from call(request, effect=False))


def link_requests(user_id: str, integration_ids: list[str], options: SmoochOptions) -> Call:
    """{"linkRequests": [{"integrationId", "type", "code", "url"}]}: where the user can link.

    For the channels that cannot be linked by an address: Messenger, Telegram, Viber.
    """
    params = {"integrationIds": ",".join(integration_ids)}
    request = _request("make link requests", options, user_id, params=params)
    return (yield from call(request, effect=False))


def auth_code(user_id: str, options: SmoochOptions) -> Call:
    """{"authCode"}: with it another device of the same person logs in."""
    request = _request("make an auth code", options, user_id)
    return (yield from call(request, effect=False, needs="authCode"))


def merge_users(
    surviving: str, discarded: str, options: SmoochOptions, by: Literal["_id", "userId"] = "_id"
) -> Calls[None]:
    """Let one user go on as another (v1.1). `by`: which id is given. Told by `merge:appUser`."""
    if options.api_version == "v1":
        raise Unsupported("smooch v1 cannot merge users")
    merged = {"surviving": {by: surviving}, "discarded": {by: discarded}}
    yield from tell(_request("merge users", options, json=merged))


def sync_user(zendesk_id: str, surviving: str | None, options: SmoochOptions) -> Call:
    """Bring a Zendesk user's merge over to their messaging users (v2)."""
    body = present(survivingZendeskId=surviving)
    request = _request("synchronise a Zendesk user", options, zendesk_id, json=body)
    return (yield from call(request, effect=False))


def history(
    of: str, options: SmoochOptions, *, before: str | None = None, after: str | None = None
) -> Call:
    """A page of {"messages": [...]}, at most 100, oldest first.

    of:            the user, on v2 the conversation.
    before, after: where the page ends or begins: unix seconds, on v2 a message id.
    """
    if before and after:
        raise ValueError("give `before` or `after`")
    v2 = options.api_version == "v2"
    bounds = {"page[before]" if v2 else "before": before, "page[after]" if v2 else "after": after}
    request = _request("read the history", options, of, params=present(**bounds))
    return (yield from call(request, effect=False))


def list_conversations(user_id: str, options: SmoochOptions, after: str | None = None) -> Call:
    """A page of {"conversations": [{"id", "type"}], "meta"} (v2)."""
    params = {"filter[userId]": user_id} | present(**{"page[after]": after})
    return (yield from call(_request("list conversations", options, params=params), effect=False))


def create_conversation(
    user_id: str,
    options: SmoochOptions,
    more: Mapping[str, Any] | None = None,
    *,
    effect: bool = True,
) -> Call:
    """{"conversation": {"id"}}: a personal one (v2).

    more:   displayName, metadata ...
    effect: False where a second one would do no harm, so that a lost answer is no uncertainty.
    """
    made = {"type": "personal", "participants": [{"userId": user_id}], **(more or {})}
    request = _request("create a conversation", options, json=made)
    return (yield from call(request, effect=effect, needs="conversation.id"))


def get_conversation(conversation_id: str, options: SmoochOptions) -> Call:
    """{"conversation": {"id", "type", "activeSwitchboardIntegration" ...}} (v2)."""
    request = _request("get a conversation", options, conversation_id)
    return (yield from call(request, effect=False, needs="conversation.id"))


def notify(
    integration_id: str,
    destination_id: str,
    message: Mapping[str, Any],
    options: SmoochOptions,
    *,
    schema: str | None = None,
) -> Call:
    """Write to somebody who is no user yet: {"notification": {"_id"}}.

    destination_id: the address on the integration's channel, such as a phone number.
    message:        as a user's message is; with `schema` "whatsapp" a native one (a template).
    The documents have it on v1 and v1.1, for which an account of v2 needs the same app_id.
    https://docs.smooch.io/guide/notification-api/
    """
    if options.app_id is None:
        raise Unsupported("smooch needs app_id to notify")
    body = {
        "destination": {"integrationId": integration_id, "destinationId": destination_id},
        "author": {"role": "appMaker"},
        "message": dict(message),
    } | present(messageSchema=schema)
    # The path of v1 in the documents of v1.1 too.
    request = httpx.Request("POST", app_url(options, "notifications", version="v1"), json=body)
    return (yield from call(request, needs="notification._id"))


def upload(
    name: str,
    content: bytes,
    media_type: str,
    options: SmoochOptions,
    *,
    belongs_to: str | None = None,
) -> Call:
    """Store a file (at most 10 MB, on v2 50 MB); returns {"mediaUrl", "mediaType"} for a Media.

    belongs_to: the user, on v2 the conversation, with whose messages it is deleted.
    A file that is on the web already needs no upload: Media takes its address.
    """
    v2 = options.api_version == "v2"
    owner = {"conversationId" if v2 else "appUserId": belongs_to} if belongs_to else {}
    params = {"access": "public"} | ({"for": "message"} if owner else {}) | owner
    file = {"source": (name, content, media_type)}
    request = httpx.Request("POST", app_url(options, "attachments"), params=params, files=file)
    request.read()  # else nobody could look at its content, nor send it a second time
    path = "attachment.mediaUrl" if v2 else "mediaUrl"
    body = yield from call(request, needs=path)
    return fields.obj(body, "attachment") if v2 else body


def remove_attachment(media_url: str, options: SmoochOptions) -> Calls[None]:
    """Delete a file that was uploaded, by its address."""
    yield from tell(_request("remove an attachment", options, json={"mediaUrl": media_url}))


def list_integrations(types: list[str], options: SmoochOptions) -> Call:
    """{"integrations": [{"id" or "_id", "type"}]} of these types, all where none is named."""
    name = "filter[types]" if options.api_version == "v2" else "types"
    params = {name: ",".join(types)} if types else {}
    return (yield from call(_request("list integrations", options, params=params), effect=False))
