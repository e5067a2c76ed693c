"""
The Conversation API's sending half: messages, events and contacts.

There is no idempotency key, so every message carries our own reference: the delivery report brings
it back and tells of a send whose answer was lost.
https://developers.sinch.com/docs/conversation/api-reference
"""

from collections.abc import Callable
from typing import Any

import httpx

from handlers.actions import (
    Action,
    AddIdentity,
    CreateUser,
    Link,
    MarkRead,
    Reply,
    Send,
    Typing,
    Unlink,
)
from receiver import fields
from receiver.answers import call
from receiver.bodies import present
from receiver.errors import Unsupported
from receiver.provider import Exchange, Outbound, Recipient, Sent
from receiver.providers.sinch import calls, recipients, send_contacts, writing
from receiver.providers.sinch.access_token import auth
from receiver.providers.sinch.channels import channel_word
from receiver.providers.sinch.options import SinchOptions
from receiver.providers.sinch.urls import app_of, project_url

# Keys of action.options that go into the request as they are.
_OF_REQUEST = (
    "callback_url",
    "channel_priority_order",
    "conversation_metadata",
    "conversation_metadata_update_strategy",
    "correlation_id",
    "message_content_type",
    "processing_strategy",
    "queue",
    "reply_to",
    "ttl",
)
# Keys of action.options that go into the message.
_OF_MESSAGE = (
    "agent",
    "channel_specific_message",
    "explicit_channel_message",
    "explicit_channel_omni_message",
)


def carry_out(action: Action, recipient: Recipient, options: SinchOptions) -> Exchange:
    """The exchange for one action. Raises Unsupported when it is started, before any request.

    Of action.options it takes the keys listed above, and every key in capitals (`SMS_SENDER`) as a
    channel property.
    """
    step = _STEPS.get(type(action))
    if step is None:
        raise Unsupported(f"sinch cannot carry out {action.kind}")
    return (yield from step(action, recipient, options))


def say(action: Reply | Send, recipient: Recipient, options: SinchOptions) -> Exchange:
    """POST messages:send {"app_id", "recipient", "message", ...} -> {"message_id"}."""
    said = writing.message(action.content) | _taken(action.options, _OF_MESSAGE)
    sent = (
        _addressed(action, recipient, options)
        | {"message": said}
        | present(
            channel_properties=_properties(action.options, options),
            message_metadata=recipient.reference,
            correlation_id=recipient.reference,
        )
        | _taken(action.options, _OF_REQUEST)
    )
    url = project_url(options, "messages", verb=":send")
    request = httpx.Request("POST", url, json=sent)
    body = yield from call(request, needs="message_id")
    return Sent(message_id=fields.ident(body, "message_id"), raw=body)


def _addressed(action: Reply | Send, recipient: Recipient, options: SinchOptions) -> dict[str, Any]:
    if isinstance(action, Send) and action.to is not None:
        target, channel = recipients.to_address(action.via, action.to), action.via
    elif isinstance(action, Send):
        target, channel = recipients.to_user(recipient, action.via, options), action.via
    else:
        target, channel = recipients.to_user(recipient, None, options), action.channel
    envelope = {"app_id": app_of(options), "recipient": target}
    return envelope | _order(target, channel, options)


def _order(
    target: dict[str, Any], channel: str | None, options: SinchOptions
) -> dict[str, list[str]]:
    """The order of channels for a contact. An identity is on its channel and needs none."""
    if "contact_id" not in target:
        return {}
    names = [channel] if channel else options.channel_priority
    return present(channel_priority_order=[channel_word(name) for name in names])


def _taken(given: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _properties(given: dict[str, Any], options: SinchOptions) -> dict[str, str]:
    """Channel properties are texts, "true" and "false" among them.

    https://developers.sinch.com/docs/conversation/channel-support/sms/properties
    """
    named = {name: value for name, value in given.items() if name.isupper()}
    defaults = {"SMS_SENDER": options.sms_sender} if options.sms_sender else {}
    return {name: _as_text(value) for name, value in (defaults | named).items()}


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def typing(action: Typing, recipient: Recipient, options: SinchOptions) -> Exchange:
    """The typing indicator as an event."""
    name = "composing_event" if action.on else "composing_end_event"
    return (yield from _event({name: {}}, action.channel, recipient, options))


def mark_read(action: MarkRead, recipient: Recipient, options: SinchOptions) -> Exchange:
    """A read receipt as an event (WhatsApp, RCS)."""
    read = {"read_message_event": present(message_id=action.message_id)}
    return (yield from _event(read, action.channel, recipient, options))


def _event(
    event: dict[str, Any], channel: str | None, recipient: Recipient, options: SinchOptions
) -> Exchange:
    """POST events:send {"app_id", "recipient", "event"} -> {"event_id"}."""
    target = recipients.to_user(recipient, None, options)
    body = yield from calls.send_event(event, target, options, **_order(target, channel, options))
    return Sent(message_id=fields.ident(body, "event_id"), raw=body)


def _no_link(action: Link, recipient: Recipient, options: SinchOptions) -> Exchange:
    raise Unsupported("sinch links no channel by asking the person: use ctx.add_identity")
    yield  # so that it is raised when the exchange is started, as everything is


_STEPS: dict[type, Callable[[Any, Recipient, SinchOptions], Exchange]] = {
    Reply: say,
    Send: say,
    CreateUser: send_contacts.create_user,
    AddIdentity: send_contacts.add_identity,
    Unlink: send_contacts.unlink,
    Link: _no_link,
    Typing: typing,
    MarkRead: mark_read,
}

OUTBOUND = Outbound(carry_out, auth, send_contacts.reveal, calls.fitting)
