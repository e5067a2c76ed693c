"""
The SMS (XMS) API's sending half: batches of one message to one number.

    POST /xms/v1/{service_plan_id}/batches {"to": [...], "body", "type", ...} -> 201 {"id"}

https://developers.sinch.com/docs/sms/api-reference/sms/batches
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from handlers.actions import Action, Reply, Send
from handlers.content import Binary, Content, Media, Text
from receiver import fields
from receiver.answers import call
from receiver.credentials import Bearer
from receiver.errors import Unsupported
from receiver.options import reveal
from receiver.provider import Exchange, Outbound, Recipient, Sent
from receiver.providers.sinch_sms import calls
from receiver.providers.sinch_sms.options import SinchSmsOptions

CHANNELS = frozenset({"sms", "mms"})

# Keys of action.options that go into the batch as they are.
_PASSED_ON = (
    "callback_url",
    "delivery_report",
    "expire_at",
    "feedback_enabled",
    "flash_message",
    "from",
    "from_npi",
    "from_ton",
    "max_number_of_message_parts",
    "parameters",
    "send_at",
    "strict_validation",
    "truncate_concat",
)


def carry_out(action: Action, recipient: Recipient, options: SinchSmsOptions) -> Exchange:
    """The exchange for one action. Raises Unsupported when it is started, before any request."""
    if not isinstance(action, Reply | Send):
        raise Unsupported(f"sinch_sms only sends messages: it cannot carry out {action.kind}")
    url = calls.batches_url(options)
    request = httpx.Request("POST", url, json=_batch(action, recipient, options))
    body = yield from call(request, needs="id")
    return Sent(message_id=fields.ident(body, "id"), raw=body)


def _batch(action: Reply | Send, recipient: Recipient, options: SinchSmsOptions) -> dict[str, Any]:
    """One report for each recipient by default: without asking, none comes."""
    batch = {"to": [_number(action, recipient)], "delivery_report": "per_recipient"}
    batch |= _said(action.content, action.options)
    sender = action.options.get("SMS_SENDER", options.sender)
    if sender:
        batch["from"] = sender
    if recipient.reference:
        batch["client_reference"] = recipient.reference
    return batch | {name: action.options[name] for name in _PASSED_ON if name in action.options}


def _number(action: Reply | Send, recipient: Recipient) -> str:
    if isinstance(action, Send):
        if action.via is not None and action.via not in CHANNELS:
            raise Unsupported(f"sinch_sms cannot send via {action.via}")
        if action.to is not None:
            return action.to
    channel, _, number = (recipient.user.id if recipient.user else "").partition(":")
    if channel in CHANNELS and number:
        return number
    for identity in recipient.identities:
        if identity.channel in CHANNELS and identity.identity and identity.status == "active":
            return identity.identity
    raise Unsupported("sinch_sms knows no number of this user")


def _said(content: Content, given: dict[str, Any]) -> dict[str, Any]:
    write = _WRITERS.get(type(content))
    if write is None:
        raise Unsupported(f"sinch_sms cannot send a {content.kind} message")
    return write(content, given)


def _text(content: Text, given: dict[str, Any]) -> dict[str, Any]:
    if content.buttons:
        raise Unsupported("sinch_sms has no buttons")
    return {"type": "mt_text", "body": content.text}


def _binary(content: Binary, given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "mt_binary", "body": content.data, "udh": content.udh or ""}


def _media(content: Media, given: dict[str, Any]) -> dict[str, Any]:
    if content.buttons:
        raise Unsupported("sinch_sms has no buttons")
    body = {"url": content.url}
    if content.text:
        body["message"] = content.text
    if "subject" in given:
        body["subject"] = given["subject"]
    return {"type": "mt_media", "body": body}


_WRITERS: dict[type, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
    Text: _text,
    Binary: _binary,
    Media: _media,
}


def auth(options: SinchSmsOptions, clock: Callable[[], datetime]) -> httpx.Auth | None:
    """The service plan's token; None where the settings lack it."""
    return Bearer(reveal(options.token)) if options.token else None


OUTBOUND = Outbound(carry_out, auth, probe=calls.fitting)
