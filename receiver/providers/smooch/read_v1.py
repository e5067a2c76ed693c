"""
Smooch v1 (2015-18) and v1.1: one trigger for each body, `_id` keys, unix seconds.

    {"trigger": "message:appUser", "app": {"_id": ...}, "version": "v1.1",
     "appUser": {"_id": ..., "userId": ..., "clients": [...]}, "conversation": {"_id": ...},
     "messages": [{"_id": ..., "type": "text", "text": ..., "received": 1500000000.123,
                   "source": {"type": "messenger"}}]}

v1 names neither a version nor a conversation, and its appUser comes in full where that of v1.1 is
cut short. Only messages, payments and notifications have an id.
https://docs.smooch.io/rest/#webhooks
"""

from typing import Any

from handlers import events
from handlers.event import Event
from handlers.people import User
from receiver import fields
from receiver.providers.smooch import clients, contents, keys, v1_people
from receiver.providers.smooch.faults import outcome
from receiver.providers.smooch.v1_body import (
    Hook,
    Make,
    Reader,
    each,
    identities_of,
    own_id,
    shared,
)

TYPING: dict[str | None, Make] = {
    "typing:start": events.TypingStarted,
    "typing:stop": events.TypingStopped,
}


def parse(body: dict[str, Any], raw: bytes) -> list[Event]:
    """The events in one v1 or v1.1 body; a trigger that is not modelled is one Unknown."""
    trigger = fields.as_text(body.get("trigger"))
    hook = Hook(body, raw, shared(body, trigger))
    if trigger not in READERS:
        return [hook.unknown()]
    read, cls = READERS[trigger]
    return read(hook, cls)


def _received(
    hook: Hook, cls: Make, message: dict[str, Any], raw: dict[str, Any], position: int | None
) -> Event:
    found = _message(hook, message, raw, position)
    if found["user"] is None:
        found |= _author(hook, message)
    return cls(**found)


def _sent(
    hook: Hook, cls: Make, message: dict[str, Any], raw: dict[str, Any], position: int | None
) -> Event:
    whisper = message.get("role") == "whisper"
    return cls(**_message(hook, message, raw, position), whisper=whisper)


def _message(
    hook: Hook, message: dict[str, Any], raw: dict[str, Any], position: int | None
) -> dict[str, Any]:
    message_id = own_id(message)
    platform = fields.text(message.get("source"), "type")
    return {
        **hook.shared,
        **hook.key(message_id, position=position),
        "channel": clients.channel(platform) or hook.shared["channel"],
        "message_id": message_id,
        "text": contents.words(message),
        "payload": fields.as_text(message.get("payload")),
        "occurred_at": fields.as_moment(message.get("received")) or hook.shared["occurred_at"],
        "raw": raw,
        "content": contents.content(message),
    }


def _author(hook: Hook, message: dict[str, Any]) -> dict[str, Any]:
    """Who wrote, where the body names no appUser: a person's `authorId` is the appUser's id."""
    author = fields.as_ident(message.get("authorId"))
    if author is None or message.get("role") not in (None, "appUser"):
        return {}
    person, client = hook.body.get("appUser"), hook.body.get("client")
    user = User(author, fields.ident(person, "userId"))
    return {"user": user, "identities": identities_of(person, client)}


def _delivered(
    hook: Hook, cls: Make, message: dict[str, Any], raw: dict[str, Any], position: int | None
) -> Event:
    """A v1 receipt for one of `messages`, each of them in full."""
    parts = [own_id(message), _destination(hook) or ""]
    if position is not None:
        parts.append(str(position))
    key = hook.key(*parts, position=position)
    return _receipt(hook, cls, message, key | {"raw": raw})


def _delivery(hook: Hook, cls: Make) -> list[Event]:
    """A v1.1 receipt: one `message`, its id only, and whether another receipt may follow."""
    message = fields.obj(hook.body, "message")
    final = keys.final(hook.body.get("isFinalEvent"))
    key = hook.key(own_id(message), _destination(hook) or "", final)
    return [_receipt(hook, cls, message, key | {"raw": hook.body})]


def _notification(hook: Hook, cls: Make) -> list[Event]:
    """A receipt of the Notification API, whose messages have no id of their own yet."""
    key = hook.key(own_id(hook.body.get("notification")))
    return [_receipt(hook, cls, {}, key | {"raw": hook.body})]


def _receipt(hook: Hook, cls: Make, message: dict[str, Any], own: dict[str, Any]) -> Event:
    channel = clients.channel(fields.text(hook.body, "source.type") or _destination(hook))
    return cls(
        **hook.shared | own | {"channel": channel or hook.shared["channel"]},
        message_id=own_id(message),
        text=contents.words(message),
        **outcome(hook.body),
    )


def _destination(hook: Hook) -> str | None:
    """Where the message went; the first v1 receipts had a `channel` for it."""
    return fields.text(hook.body, "destination.type") or fields.text(hook.body, "channel")


def _timed(hook: Hook, cls: Make) -> list[Event]:
    """What a user did at one moment: the two are the key."""
    user, when = hook.shared["user"], hook.shared["occurred_at"]
    stamp = fields.ident(hook.body, "timestamp") if when else None
    return [cls(**hook.shared | hook.key(user.id if user else None, stamp), raw=hook.body)]


def _typing(hook: Hook, cls: Make) -> list[Event]:
    """`cls` where the activity is neither start nor stop."""
    return _timed(hook, TYPING.get(fields.text(hook.body, "activity.type"), cls))


def _postback(
    hook: Hook, cls: Make, postback: dict[str, Any], raw: dict[str, Any], position: int | None
) -> Event:
    """No id and no time. The message is the button's, its source where the business wrote it."""
    platform = fields.text(hook.body, "client.platform")
    return cls(
        **hook.shared | hook.key(position=position) | {"channel": clients.channel(platform)},
        message_id=own_id(postback.get("message")),
        payload=fields.text(postback, "action.payload"),
        raw=raw,
    )


def _payment(
    hook: Hook, cls: Make, payment: dict[str, Any], raw: dict[str, Any], position: int | None
) -> Event:
    key = hook.key(fields.ident(payment, "charge.id"), position=position)
    channel = clients.channel(fields.text(payment, "source.type"))
    return cls(
        **hook.shared | key | {"channel": channel or hook.shared["channel"]},
        message_id=own_id(payment.get("message")),
        raw=raw,
    )


def _plain(hook: Hook, cls: Make) -> list[Event]:
    return [cls(**hook.shared | hook.key(), raw=hook.body)]


READERS: dict[str | None, tuple[Reader, Make]] = {
    "message:appUser": (each("messages", _received), events.MessageReceived),
    "message:appMaker": (each("messages", _sent), events.MessageSent),
    "delivery:success": (each("messages", _delivered), events.MessageDelivered),
    "delivery:failure": (each("messages", _delivered), events.MessageFailed),
    "message:delivery:channel": (_delivery, events.MessageDelivered),
    "message:delivery:user": (_delivery, events.MessageDelivered),
    "message:delivery:failure": (_delivery, events.MessageFailed),
    "conversation:read": (_timed, events.ConversationRead),
    "conversation:start": (_timed, events.ConversationStarted),
    "conversation:referral": (_timed, events.ConversationReferral),
    "typing:appUser": (_typing, events.Unknown),
    "postback": (each("postbacks", _postback), events.Postback),
    "payment:success": (each("payments", _payment), events.PaymentSucceeded),
    "link:match": (v1_people.link, events.LinkMatched),
    "link:success": (v1_people.link, events.LinkSucceeded),
    "link:failure": (v1_people.link, events.LinkFailed),
    "client:add": (v1_people.changed, events.IdentityAdded),
    "client:update": (v1_people.changed, events.IdentityUpdated),
    "client:remove": (v1_people.changed, events.IdentityRemoved),
    "merge:appUser": (v1_people.merge, events.UserMerged),
    "appUser:delete": (v1_people.deleted, events.UserDeleted),
    "notification:delivery:channel": (_notification, events.NotificationDelivered),
    "notification:delivery:user": (_notification, events.NotificationDelivered),
    "notification:delivery:failure": (_notification, events.NotificationFailed),
    "notification:match:failure": (_notification, events.NotificationFailed),
    "passthrough:apple:interactive": (_plain, events.PassthroughReceived),
}
