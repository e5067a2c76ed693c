"""Conversations that begin and end, news of channels, and what Sinch could not convert."""

from typing import Any

from handlers.event import Event
from handlers.events import (
    ChannelNotice,
    ConversationDeleted,
    ConversationStarted,
    ConversationStopped,
    PassthroughReceived,
    Unknown,
)
from handlers.people import User
from receiver import fields
from receiver.providers.sinch.callback import (
    Callback,
    Place,
    accepted_time,
    body_digest,
    common,
)
from receiver.providers.sinch.channels import channel_name


def started(callback: Callback) -> Event:
    """{"conversation": {"id", "contact_id", "active_channel", "last_received", ...}}"""
    return ConversationStarted(**_conversation(callback))


def stopped(callback: Callback) -> Event:
    """The same shape."""
    return ConversationStopped(**_conversation(callback))


def deleted(callback: Callback) -> Event:
    """The same shape."""
    return ConversationDeleted(**_conversation(callback))


def _conversation(callback: Callback) -> dict[str, Any]:
    conversation = fields.obj(callback.member, "conversation")
    identifier = fields.ident(conversation, "id")
    where = Place(channel_name(fields.ident(conversation, "active_channel")))
    contact = fields.ident(conversation, "contact_id")
    shared = common(callback, identifier, accepted_time(callback), where=where)
    shared["user"] = User(contact) if contact else None
    shared["conversation_id"] = identifier
    return shared


def channel_event(callback: Callback) -> Event:
    """{"channel_event": {"channel", "event_type", "additional_data": {...}}}"""
    word = fields.ident(callback.member, "channel_event.channel")
    where = Place(channel_name(word))
    return ChannelNotice(**common(callback, body_digest(callback), where=where))


def unsupported(callback: Callback) -> Event:
    """{"channel", "payload": JSON as a string, "id"?, "contact_id"?, "channel_identity"?, ...}"""
    identifier = fields.ident(callback.member, "id")
    shared = common(callback, identifier or body_digest(callback))
    return PassthroughReceived(**shared, message_id=identifier)


def unknown(callback: Callback) -> Event:
    """A member that is not modelled, or none: whoever it may name, it proves nothing of them."""
    return Unknown(**common(callback, body_digest(callback), proven=False))
