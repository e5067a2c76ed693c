"""
Smooch's webhooks: list, create, get, update, delete, in each version of the API.

The version by which a webhook is created is the version of its payloads, for ever. Of v1 and v1.1
they belong to the app, of v2 to an integration.
https://docs.smooch.io/rest/#webhooks
"""

from typing import Any

import httpx

from receiver import fields
from receiver.answers import call, tell
from receiver.errors import Unauthorized, Unsupported
from receiver.provider import Calls, Registered, Webhooks
from receiver.providers.smooch import calls
from receiver.providers.smooch.options import SmoochOptions
from receiver.providers.smooch.urls import app_url

_V1 = frozenset(
    {
        *("message:appUser", "message:appMaker", "delivery:success", "delivery:failure"),
        *("conversation:read", "conversation:start", "conversation:referral", "postback"),
        *("payment:success", "merge:appUser", "link:match", "link:success", "link:failure"),
    }
)
_V11 = _V1 - {"delivery:success", "delivery:failure"} | {
    *("message:delivery:channel", "message:delivery:user", "message:delivery:failure"),
    *("typing:appUser", "client:add", "client:remove", "appUser:delete"),
    *("notification:delivery:channel", "notification:delivery:user"),
    "notification:delivery:failure",
}
_V2 = frozenset(
    {
        *("conversation:message", "conversation:message:delivery:channel"),
        *("conversation:message:delivery:user", "conversation:message:delivery:failure"),
        *("conversation:create", "conversation:join", "conversation:leave"),
        *("conversation:remove", "conversation:postback", "conversation:read"),
        *("conversation:referral", "conversation:typing"),
        *("client:add", "client:update", "client:remove"),
        *("user:merge", "user:update", "user:remove"),
        *("switchboard:acceptControl", "switchboard:acceptControl:failure"),
        *("switchboard:offerControl", "switchboard:offerControl:failure"),
        *("switchboard:passControl", "switchboard:passControl:failure"),
        *("switchboard:releaseControl", "passthrough:messaging"),
    }
)
TRIGGERS = {"v1": _V1, "v1.1": _V11, "v2": _V2}

# Without these an event names nobody's address.
SETTINGS: dict[str, dict[str, Any]] = {
    "v1": {},
    "v1.1": {"includeClient": True, "includeFullAppUser": True},
    "v2": {"includeFullUser": True, "includeFullSource": True},
}

# A word that stands for several; "*" leaves typing out.
_STANDS_FOR: dict[str, dict[str, frozenset[str]]] = {
    "*": {version: names - {"typing:appUser"} for version, names in TRIGGERS.items()},
    "message": {"v1": frozenset({"message:appUser", "message:appMaker"})},
}


def listed(options: SmoochOptions) -> Calls[list[Registered]]:
    """All of the app's, on v2 of the integration's."""
    url = yield from _url(options)
    body = yield from call(httpx.Request("GET", url), effect=False)
    return [_read(hook, options) for hook in fields.items(body, "webhooks")]


def get(webhook_id: str, options: SmoochOptions) -> Calls[Registered]:
    """One."""
    url = yield from _url(options, webhook_id)
    body = yield from call(httpx.Request("GET", url), effect=False)
    return _read(fields.obj(body, "webhook"), options)


def create(given: dict[str, Any], options: SmoochOptions) -> Calls[Registered]:
    """POST webhooks {"target", "triggers", ...} -> 201 {"webhook": {"_id", "secret", ...}}."""
    url = yield from _url(options)
    body = yield from call(httpx.Request("POST", url, json=given))
    return _read(fields.obj(body, "webhook"), options)


def update(webhook_id: str, changes: dict[str, Any], options: SmoochOptions) -> Calls[Registered]:
    """PUT, on v2 PATCH, what changes."""
    url = yield from _url(options, webhook_id)
    method = "PATCH" if options.api_version == "v2" else "PUT"
    body = yield from call(httpx.Request(method, url, json=changes), effect=False)
    return _read(fields.obj(body, "webhook"), options)


def delete(webhook_id: str, options: SmoochOptions) -> Calls[None]:
    """Nothing is sent to its target any more."""
    url = yield from _url(options, webhook_id)
    yield from tell(httpx.Request("DELETE", url))


def _url(options: SmoochOptions, *below: str) -> Calls[str]:
    if options.api_version != "v2":
        return app_url(options, "webhooks", *below)
    integration = yield from _integration(options)
    return app_url(options, "integrations", integration, "webhooks", *below)


def _integration(options: SmoochOptions) -> Calls[str]:
    """Whose webhooks they are on v2: the one in the settings, else the app's only custom one.

    An integration's own token may not list integrations and calls itself "me".
    """
    known = options.integrations.get("custom")
    if known:
        return known
    try:
        body = yield from calls.list_integrations(["custom"], options)
    except Unauthorized:
        return "me"
    found = [fields.ident(one, "id") for one in fields.items(body, "integrations")]
    if len(found) == 1 and found[0]:
        return found[0]
    raise Unsupported(
        f"smooch v2 keeps webhooks at a custom integration, of which the app has {len(found)}:"
        " make one, and set integrations.custom to its id"
    )


def _read(hook: Any, options: SmoochOptions) -> Registered:
    version = options.api_version
    words = [word for word in fields.items(hook, "triggers") if isinstance(word, str)]
    return Registered(
        id=fields.ident(hook, "_id") or fields.ident(hook, "id") or "",
        target=fields.text(hook, "target") or "",
        triggers=frozenset().union(*(_meant(word, version) for word in words)),
        secret=fields.text(hook, "secret"),
        settings={name: fields.get(hook, name) for name in SETTINGS[version]},
    )


def _meant(word: str, version: str) -> frozenset[str]:
    return _STANDS_FOR.get(word, {}).get(version, frozenset({word}))


WEBHOOKS = Webhooks(
    listed=listed,
    create=create,
    update=update,
    delete=delete,
    triggers=lambda options: TRIGGERS[options.api_version],
    settings=lambda options: SETTINGS[options.api_version],
    gives_secret=True,
    help="the key and its scope, app_id, region or base_url, and on v2 integrations.custom",
)
