"""
Webhooks of the Conversation API: list, create, get, update, delete.

They belong to an app, at most five of them and one for each target. One whose target_type is not
HTTP is silent, and one without a secret sends unsigned requests, which we refuse.
https://developers.sinch.com/docs/conversation/api-reference/conversation/webhooks
"""

from typing import Any

import httpx

from receiver import fields
from receiver.answers import call, tell
from receiver.provider import Calls, Registered, Webhooks
from receiver.providers.sinch.options import SinchOptions
from receiver.providers.sinch.parse import MEMBERS
from receiver.providers.sinch.urls import app_of, project_url

# What may come without having been asked for: the API takes no subscription to it.
_UNASKED = frozenset({"BATCH_STATUS_UPDATE"})
TRIGGERS = frozenset(trigger for trigger, _ in MEMBERS.values()) - _UNASKED

SETTINGS = {"target_type": "HTTP"}


def listed(options: SinchOptions) -> Calls[list[Registered]]:
    """All of the app's."""
    url = project_url(options, "apps", app_of(options), "webhooks")
    body = yield from call(httpx.Request("GET", url), effect=False)
    return [_read(hook) for hook in fields.items(body, "webhooks")]


def get(webhook_id: str, options: SinchOptions) -> Calls[Registered]:
    """One."""
    url = project_url(options, "webhooks", webhook_id)
    return _read((yield from call(httpx.Request("GET", url), effect=False, needs="id")))


def create(given: dict[str, Any], options: SinchOptions) -> Calls[Registered]:
    """POST webhooks {"app_id", "target", "target_type", "triggers", "secret"} -> the webhook."""
    body = {"app_id": app_of(options), **given}
    request = httpx.Request("POST", project_url(options, "webhooks"), json=body)
    return _read((yield from call(request, needs="id")))


def update(webhook_id: str, changes: dict[str, Any], options: SinchOptions) -> Calls[Registered]:
    """PATCH what changes. The mask names it, for what is not named may be lost."""
    url = project_url(options, "webhooks", webhook_id)
    mask = {"update_mask": ",".join(changes)}
    request = httpx.Request("PATCH", url, params=mask, json=changes)
    return _read((yield from call(request, effect=False, needs="id")))


def delete(webhook_id: str, options: SinchOptions) -> Calls[None]:
    """Nothing is sent to its target any more."""
    yield from tell(httpx.Request("DELETE", project_url(options, "webhooks", webhook_id)))


def _read(hook: Any) -> Registered:
    return Registered(
        id=fields.ident(hook, "id") or "",
        target=fields.text(hook, "target") or "",
        triggers=frozenset(t for t in fields.items(hook, "triggers") if isinstance(t, str)),
        secret=fields.text(hook, "secret"),
        settings={name: fields.get(hook, name) for name in SETTINGS},
    )


WEBHOOKS = Webhooks(
    listed=listed,
    create=create,
    update=update,
    delete=delete,
    triggers=lambda options: TRIGGERS,
    settings=lambda options: SETTINGS,
    gives_secret=False,
    help="the key, and whether project_id, app_id and region belong together",
)
