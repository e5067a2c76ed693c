"""
The Conversation API's calls beside those that carry out actions: contacts, events, capabilities,
consents.

Each is one small exchange that returns the JSON of the answer, or None where it says nothing. A
`recipient` is {"contact_id": ...} or {"identified_by": {"channel_identities": [...]}}, as
`receiver.providers.sinch.recipients` makes them.
https://developers.sinch.com/docs/conversation/api-reference
"""

from collections.abc import Mapping
from typing import Any, Literal

import httpx

from receiver.answers import call, tell
from receiver.bodies import present
from receiver.errors import Unsupported
from receiver.provider import Call, Calls
from receiver.providers.sinch.channels import channel_word
from receiver.providers.sinch.options import SinchOptions
from receiver.providers.sinch.urls import app_of, project_url

# What an app can tell somebody without a message.
# https://developers.sinch.com/docs/conversation/api-reference/conversation/events
APP_EVENTS = frozenset(
    {
        "agent_joined_event",
        "agent_left_event",
        "comment_reply_event",
        "composing_end_event",
        "composing_event",
        "generic_event",
        "read_message_event",
    }
)

# Channels that know what somebody calls themselves.
_PROFILES = frozenset({"MESSENGER", "INSTAGRAM", "VIBER", "LINE"})

ConsentList = Literal["OPT_OUT_ALL", "OPT_OUT_MARKETING", "OPT_OUT_NOTIFICATION"]


def get_contact(contact_id: str, options: SinchOptions) -> Call:
    """The contact: {"id", "channel_identities": [...], "external_id" ...}."""
    request = httpx.Request("GET", project_url(options, "contacts", contact_id))
    return (yield from call(request, effect=False, needs="id"))


def update_contact(contact_id: str, changes: Mapping[str, Any], options: SinchOptions) -> Call:
    """Set what is named and leave the rest; a list is replaced as a whole. The contact."""
    request = httpx.Request(
        "PATCH",
        project_url(options, "contacts", contact_id),
        params={"update_mask": ",".join(changes)},
        json=dict(changes),
    )
    return (yield from call(request, effect=False, needs="id"))


def delete_contact(contact_id: str, options: SinchOptions) -> Calls[None]:
    """Delete the contact and its conversations."""
    yield from tell(httpx.Request("DELETE", project_url(options, "contacts", contact_id)))


def merge_contacts(kept: str, deleted: str, options: SinchOptions) -> Call:
    """Let one contact go on as another; the one that is kept. Told by CONTACT_MERGE."""
    url = project_url(options, "contacts", kept, verb=":merge")
    request = httpx.Request("POST", url, json={"source_id": deleted, "strategy": "MERGE"})
    return (yield from call(request, needs="id"))


def find_contacts(
    options: SinchOptions,
    *,
    identity: tuple[str, str] | None = None,
    external_id: str | None = None,
    page_token: str | None = None,
) -> Call:
    """A page of {"contacts": [...], "next_page_token"}; `page_token` is that of the page before.

    identity: (channel, address), by which there is one at most. external_id: in place of it.
    """
    if identity and external_id:
        raise ValueError("give `identity` or `external_id`")
    channel, address = identity or (None, None)
    params = present(
        channel=channel_word(channel) if channel else None,
        identity=address,
        external_id=external_id,
        page_token=page_token,
    )
    request = httpx.Request("GET", project_url(options, "contacts"), params=params or None)
    return (yield from call(request, effect=False))


def identity_conflicts(options: SinchOptions, page_token: str | None = None) -> Call:
    """A page of {"conflicts": [...], "next_page_token"}: identities that several contacts have."""
    url = project_url(options, "contacts", verb=":identityConflicts")
    request = httpx.Request("GET", url, params=present(page_token=page_token) or None)
    return (yield from call(request, effect=False))


def channel_profile(recipient: Mapping[str, Any], channel: str, options: SinchOptions) -> Call:
    """{"profile_name"}: what somebody calls themselves on Messenger, Instagram, Viber or LINE."""
    word = channel_word(channel)
    if word not in _PROFILES:
        raise Unsupported(f"sinch tells no profile on {channel}")
    body = {"app_id": app_of(options), "recipient": dict(recipient), "channel": word}
    url = project_url(options, "contacts", verb=":getChannelProfile")
    return (yield from call(httpx.Request("POST", url, json=body), effect=False))


def send_event(
    event: Mapping[str, Any],
    recipient: Mapping[str, Any],
    options: SinchOptions,
    **more: Any,
) -> Call:
    """Tell somebody something that is no message: {"event_id"}.

    event: exactly one of APP_EVENTS, such as {"agent_joined_event": {"agent": {...}}}.
    more:  channel_priority_order, callback_url, event_metadata, queue.
    """
    if len(event) != 1 or not APP_EVENTS.issuperset(event):
        raise Unsupported(f"sinch sends one event at a time, of {', '.join(sorted(APP_EVENTS))}")
    sent = {"app_id": app_of(options), "recipient": dict(recipient), "event": dict(event), **more}
    request = httpx.Request("POST", project_url(options, "events", verb=":send"), json=sent)
    return (yield from call(request, needs="event_id"))


def query_capability(
    recipient: Mapping[str, Any], options: SinchOptions, request_id: str | None = None
) -> Call:
    """Ask what somebody's channel can show; the answer comes as a CAPABILITY callback.

    request_id: comes back with it.
    """
    asked = {"app_id": app_of(options), "recipient": dict(recipient)}
    body = asked | present(request_id=request_id)
    request = httpx.Request("POST", project_url(options, "capability", verb=":query"), json=body)
    return (yield from call(request, effect=False))


def list_consents(kind: ConsentList, options: SinchOptions, page_token: str | None = None) -> Call:
    """A page of the identities that do not want to hear from the app any more."""
    url = project_url(options, "apps", app_of(options), "consents", kind)
    request = httpx.Request("GET", url, params=present(page_token=page_token) or None)
    return (yield from call(request, effect=False))


def get_consents(identity: str, options: SinchOptions) -> Call:
    """What one identity has opted out of."""
    url = project_url(options, "apps", app_of(options), "consents", "identities", identity)
    return (yield from call(httpx.Request("GET", url), effect=False))


def get_app(options: SinchOptions) -> Call:
    """The app: {"id", "processing_mode", "channel_credentials" ...}."""
    request = httpx.Request("GET", project_url(options, "apps", app_of(options)))
    return (yield from call(request, effect=False, needs="id"))


def fitting(options: SinchOptions) -> Calls[list[str]]:
    """What of the app does not fit the settings, in words."""
    app = yield from get_app(options)
    mode = app.get("processing_mode")
    if mode in ("CONVERSATION", "DISPATCH") and mode != options.mode:
        return [f'the app is in {mode} mode: set mode = "{mode}"']
    return []
