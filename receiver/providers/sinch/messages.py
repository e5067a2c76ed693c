"""Messages from and to people, and the events between them: typing, reactions, comments."""

from typing import Any

from handlers.event import Event
from handlers.events import (
    CommentReceived,
    EventReceived,
    MessageReceived,
    MessageRedacted,
    MessageSent,
    Postback,
    ReactionReceived,
    TypingStarted,
    TypingStopped,
    Unknown,
)
from receiver import fields
from receiver.providers.sinch import contents
from receiver.providers.sinch.callback import Callback, common, place


def message(callback: Callback) -> Event:
    """{"id", "contact_message": {"text_message": {"text"}}, "channel_identity": {...}, ...}

    A choice that was made is a postback, whose payload is Sinch's `postback_data`.
    """
    identifier = fields.as_ident(callback.member.get("id"))
    shared = common(callback, identifier)
    said = callback.member.get("contact_message")
    if not isinstance(said, dict):
        return Unknown(**shared, message_id=identifier)
    if said.get("choice_response_message") is not None:
        return Postback(**shared, message_id=identifier, payload=_pressed(said))
    content, text = contents.read(said)
    return MessageReceived(**shared, message_id=identifier, content=content, text=text)


def _pressed(said: dict[str, Any]) -> str | None:
    return fields.text(said, "choice_response_message.postback_data")


def redaction(callback: Callback) -> Event:
    """The same shape as a message, with private parts masked; it may share the message's id."""
    identifier = fields.ident(callback.member, "id")
    said = fields.obj(callback.member, "contact_message")
    content, text = contents.read(said)
    return MessageRedacted(
        **common(callback, identifier),
        message_id=identifier,
        content=content,
        text=text,
        payload=_pressed(said),
    )


def submission(callback: Callback) -> Event:
    """{"message_id", "submitted_message": {"text_message": {"text"}}, "channel_identity", ...}"""
    identifier = fields.ident(callback.member, "message_id")
    where = place(callback.member)
    shared = common(callback, identifier, where.channel or "", where=where)
    content, text = contents.read(fields.obj(callback.member, "submitted_message"))
    return MessageSent(**shared, message_id=identifier, content=content, text=text)


def contact_event(callback: Callback) -> Event:
    """{"id", "contact_event": {"composing_event": {}}, "channel_identity": {...}, ...}

    `contact_message_event` stands in place of `contact_event` where it is about a message.
    """
    shared = common(callback, fields.ident(callback.member, "id"))
    alone = fields.obj(callback.member, "contact_event")
    about = fields.obj(callback.member, "contact_message_event")
    for kind, event in _TYPING.items():
        if alone.get(kind) is not None:
            return event(**shared)
    if alone.get("comment_event") is not None:
        return CommentReceived(**shared, text=fields.text(alone, "comment_event.text"))
    if about.get("reaction_event") is not None:
        of = fields.ident(about, "reaction_event.message_id")
        emoji = fields.text(about, "reaction_event.emoji")
        return ReactionReceived(**shared, message_id=of, text=emoji)
    return EventReceived(**shared)


_TYPING: dict[str, type[Event]] = {
    "composing_event": TypingStarted,
    "composing_end_event": TypingStopped,
}
