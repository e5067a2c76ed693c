"""
One callback of the Conversation API, and what all kinds of them say in the same way: who, where,
when, and by which key it is known again.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from handlers.people import PHONE_CHANNELS, ChannelIdentity, User, normalise
from receiver import fields
from receiver.providers.sinch.channels import channel_name

WINDOW = timedelta(hours=1)  # how long a digest counts, where it may be all that tells events apart


class Callback(NamedTuple):
    """One POST: the common fields around exactly one member.

    raw:      its bytes. envelope: the whole body.
    key:      the body key of the member, as text that a database can hold; None if there is none.
    trigger:  Sinch's name for it; it is not in the body.
    member:   what stands under the key; empty where that is no object.
    """

    raw: bytes
    envelope: dict[str, Any]
    key: str | None
    trigger: str | None
    member: dict[str, Any]


class Place(NamedTuple):
    """Where something happened: the channel, and the address there, if they are told."""

    channel: str | None = None
    identity: ChannelIdentity | None = None


def place(member: dict[str, Any]) -> Place:
    """Where the member says it happened. It says so in one of these ways:

    {"channel_identity": {"channel": "SMS", "identity": "46732001122", "app_id": ""}}
    {"channel_identity": "46732001122", "channel": "SMS"}     smart_conversation_notification
    {"identity": "46732001122", "channel": "SMS"}             opt-ins, capabilities
    {"channel": "SMS"}                                        v1beta, unsupported_callback
    """
    stated = member.get("channel_identity")
    beside = fields.as_ident(member.get("channel"))
    if isinstance(stated, dict):
        word = fields.as_ident(stated.get("channel")) or beside
        address = fields.as_ident(stated.get("identity"))
        return _place(word, address, fields.as_ident(stated.get("app_id")))
    address = fields.as_ident(stated) or fields.as_ident(member.get("identity"))
    return _place(beside, address, None)


def _place(word: str | None, address: str | None, app_id: str | None) -> Place:
    channel = channel_name(word)
    if channel is None or address is None:
        return Place(channel)
    identity = ChannelIdentity(channel, normalise(channel, address), word, None, app_id)
    return Place(channel, identity)


def user(callback: Callback, where: Place) -> User | None:
    """The contact, or in its absence (DISPATCH mode) the identity; None if neither is named."""
    contact = fields.as_ident(callback.member.get("contact_id"))
    if contact is not None:
        return User(contact)
    identity = where.identity
    if identity is None:
        return None
    name = f"{identity.channel}:{identity.identity}"
    if identity.channel in PHONE_CHANNELS:
        return User(name)
    app_id = identity.app_id or fields.as_ident(callback.envelope.get("app_id"))
    return User(f"{name}:{app_id}" if app_id else name)


def common(
    callback: Callback,
    *parts: str | None,
    where: Place | None = None,
    proven: bool = True,
) -> dict[str, Any]:
    """The fields that all events have, but for what only some kinds say.

    parts:  what, after the body key, tells this event from all others; None for one that is
            missing: then the digest of the body stands in, for an hour.
    where:  None reads it off the member. proven: the identity is known to be the user's.
    """
    where = place(callback.member) if where is None else where
    who = user(callback, where)
    whole = None not in parts and callback.key is not None
    known_by = parts if whole else (fields.digest(callback.raw),)
    return {
        "id": ":".join([callback.key or "unknown", *[part or "" for part in known_by]]),
        "dedup_window": None if whole else WINDOW,
        "trigger": callback.trigger,
        "user": who,
        "identities": (where.identity,) if proven and where.identity else (),
        "channel": where.channel,
        "conversation_id": fields.as_ident(callback.member.get("conversation_id")),
        "occurred_at": occurred_at(callback),
        "raw": callback.envelope,
    }


def occurred_at(callback: Callback) -> datetime | None:
    """When it happened on the channel, else when Sinch took it in; unreadable ones are skipped."""
    envelope = callback.envelope
    return (
        fields.as_moment(envelope.get("event_time"))
        or fields.as_moment(callback.member.get("accept_time"))
        or fields.as_moment(envelope.get("accepted_time"))
    )


def accepted_time(callback: Callback) -> str | None:
    """When Sinch took it in, as written: the part of a key that tells two updates apart."""
    return fields.as_ident(callback.envelope.get("accepted_time"))


def body_digest(callback: Callback) -> str | None:
    """The digest, as the key of a kind that has no id. None where only the time could tell two
    genuine events apart and there is none.
    """
    return fields.digest(callback.raw) if accepted_time(callback) else None
