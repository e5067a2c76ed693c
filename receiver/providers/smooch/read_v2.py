"""
Sunshine Conversations v2: an envelope of events, `id` keys, ISO 8601 times.

    {"app": {"id": ...}, "webhook": {"id": ..., "version": "v2"},
     "events": [{"id": ..., "type": "conversation:message", "createdAt": "2020-09-30T15:14:29.834Z",
                 "payload": {"conversation": {"id": ...},
                             "message": {"id": ..., "received": ..., "author": {...},
                                         "content": {...}, "source": {"type": "telegram"}}}}]}

The user stands at `payload.user`, or is the author of the message or of the activity.
https://developer.zendesk.com/api-reference/conversations/#tag/Webhooks
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from handlers import events
from handlers.event import Event
from handlers.people import ChannelIdentity, User
from receiver import fields
from receiver.providers.smooch import clients, contents, keys
from receiver.providers.smooch.faults import fault, outcome

Make = Callable[..., Event]  # the class of an event
Values = dict[str, Any]  # by the names of its fields
Read = Callable[[Values, Values, Make], Event]

MESSAGES: dict[str | None, Make] = {
    "user": events.MessageReceived,
    "business": events.MessageSent,
}
TYPING: dict[str | None, Make] = {
    "typing:start": events.TypingStarted,
    "typing:stop": events.TypingStopped,
}

# `client:*` took the place of v1's `link:*`; the reason tells them apart from other changes.
LINKS: dict[tuple[str, str | None], Make] = {
    ("client:update", "matched"): events.LinkMatched,
    ("client:update", "confirmed"): events.LinkSucceeded,
    ("client:remove", "linkFailed"): events.LinkFailed,
    ("client:remove", "linkCancelled"): events.LinkFailed,
}


def parse(envelope: dict[str, Any], raw: bytes) -> list[Event]:
    """One event for each of `events`; an Unknown for an odd one, and for none at all."""
    listed = fields.items(envelope, "events")
    if not listed:
        return [events.Unknown(**keys.stand_in(None, raw, None), raw=envelope)]
    several = len(listed) > 1
    return [
        _event(element, raw, position if several else None)
        for position, element in enumerate(listed)
    ]


def _event(element: Any, raw: bytes, position: int | None) -> Event:
    if not isinstance(element, dict):
        return events.Unknown(**keys.stand_in(None, raw, position), raw={"events": [element]})
    trigger = fields.as_text(element.get("type"))
    payload = fields.as_obj(element.get("payload"))
    found = _shared(element, trigger, payload)
    found |= _key(element, found, payload) or keys.stand_in(trigger, raw, position)
    if trigger in READERS:
        read, cls = READERS[trigger]
        return read(payload, found, cls)
    if trigger and trigger.startswith("switchboard:") and trigger.endswith(":failure"):
        return _control_failed(payload, found, events.ControlFailed)
    return events.Unknown(**found)


def _key(element: Values, found: Values, payload: Values) -> Values | None:
    """The event's own id, with the type: the published examples use one id for several types.

    Without one a message's id does, with what tells two receipts for it apart; else None.
    """
    trigger, message_id = found["trigger"], found["message_id"]
    event_id = fields.as_ident(element.get("id"))
    if event_id:
        return {"id": keys.key(trigger, event_id)}
    if message_id is None:
        return None
    destination = fields.text(payload.get("destination"), "type")
    receipt = [destination or "", keys.final(payload.get("isFinalEvent"))] if destination else []
    return {"id": keys.key(trigger, message_id, *receipt)}


def _shared(element: Values, trigger: str | None, payload: Values) -> Values:
    """What every event has: from the message or the activity if there is one, else the payload."""
    message = payload.get("message")
    about = message or payload.get("activity")
    if not isinstance(about, dict):
        about = payload
    source = about.get("source") or payload.get("source")
    if not isinstance(source, dict):
        source = {}
    person = _person(payload, about)
    user_id = fields.as_ident(person.get("id"))
    user = User(user_id, fields.as_ident(person.get("externalId"))) if user_id else None
    client = source.get("client") if user else None
    proven = clients.identity(client, _email(person)) if client else None
    platform = fields.as_text(source.get("type"))
    return {
        "trigger": trigger,
        "user": user,
        "identities": (proven,) if proven else (),
        "channel": clients.channel(platform) or clients.passthrough(trigger),
        "conversation_id": fields.ident(payload.get("conversation"), "id"),
        "message_id": fields.ident(message, "id"),
        "occurred_at": _occurred_at(element, trigger, message),
        "raw": element,
    }


def _occurred_at(element: Values, trigger: str | None, message: Any) -> datetime | None:
    """When a message was received, of all else when the event was made."""
    own = fields.as_obj(message) if trigger == "conversation:message" else {}
    return fields.as_moment(own.get("received")) or fields.as_moment(element.get("createdAt"))


def _person(payload: Values, about: Values) -> Values:
    """The user in full or cut short; empty where none is named. A business author is none."""
    user = payload.get("user")
    if user and isinstance(user, dict):
        return user
    author = about.get("author")
    if not isinstance(author, dict) or author.get("type") == "business":
        return {}
    user = fields.as_obj(author.get("user"))
    author_id = fields.as_ident(author.get("userId"))
    return {**user, "id": author_id} if author_id else user


def _email(person: Values) -> str | None:
    return fields.text(person.get("profile"), "email")


def _message(payload: Values, found: Values, cls: Make) -> Event:
    """Whose message it is, the author's type says; `cls` where it says neither."""
    message = fields.as_obj(payload.get("message"))
    make = MESSAGES.get(fields.text(message.get("author"), "type"))
    if make is None:
        return cls(**found)
    content = fields.as_obj(message.get("content"))
    return make(
        **found,
        text=contents.words(content),
        payload=fields.as_text(content.get("payload")),
        content=contents.content(content),
    )


def _receipt(payload: Values, found: Values, cls: Make) -> Event:
    destination = clients.channel(fields.text(payload, "destination.type"))
    found["channel"] = found["channel"] or destination
    return cls(**found, **outcome(payload))


def _postback(payload: Values, found: Values, cls: Make) -> Event:
    return cls(**found, payload=fields.text(payload, "postback.payload"))


def _typing(payload: Values, found: Values, cls: Make) -> Event:
    """`cls` where the activity is neither start nor stop."""
    return TYPING.get(fields.text(payload, "activity.type"), cls)(**found)


def _client(payload: Values, found: Values, cls: Make) -> Event:
    """A client came, changed or went, or a link ended. One that went is inactive.

    `source` is where it was asked for, which is not the client's channel.
    """
    client = payload.get("client")
    trigger, reason = found["trigger"], fields.text(payload, "reason")
    status = "inactive" if trigger == "client:remove" else None
    email = _email(fields.obj(payload, "user"))
    proven = clients.identity(client, email, status)
    platform = clients.platform_of(client)
    found["channel"] = clients.channel(platform)
    found["identities"] = (proven,) if proven and found["user"] else ()
    link = LINKS.get((trigger, reason))
    if link is None:
        return cls(**found, reason=reason)
    if link is events.LinkFailed:
        found["cancelled"] = reason == "linkCancelled"
    return link(
        **found,
        platform=platform,
        address=proven.identity if proven else None,
        client_id=proven.client_id if proven else None,
        error=fault(payload.get("error")),
    )


def _merge(payload: Values, found: Values, cls: Make) -> Event:
    """Users became one. Without a survivor there is nothing to merge into: Unknown."""
    surviving = fields.obj(payload, "mergedUsers.surviving")
    user_id = fields.ident(surviving, "id")
    if user_id is None:
        return events.Unknown(**found)
    listed = fields.get(payload, "mergedUsers.discarded")
    gone = listed if isinstance(listed, list) else [listed]
    found["user"] = User(user_id, fields.ident(surviving, "externalId"))
    found["identities"] = _merged(payload, _email(surviving))
    ids = (fields.ident(one, "id") for one in gone)
    return cls(**found, discarded=clients.discarded(user_id, ids))


def _merged(payload: Values, email: str | None) -> tuple[ChannelIdentity, ...]:
    """The client that was there before, and the pending one that went.

    A client that went with the address of the one that stayed is left out: the address lives.
    """
    kept = clients.identity(fields.get(payload, "mergedClients.surviving"), email)
    gone = clients.identity(fields.get(payload, "mergedClients.discarded"), email, "inactive")
    if (
        kept
        and gone
        and kept.identity
        and (kept.channel, kept.identity)
        == (
            gone.channel,
            gone.identity,
        )
    ):
        gone = None
    return clients.unique([kept, gone])


def _deleted(payload: Values, found: Values, cls: Make) -> Event:
    """Nobody is reached there any more."""
    found["identities"] = tuple(one.as_("inactive") for one in found["identities"])
    return cls(**found)


def _control_failed(payload: Values, found: Values, cls: Make) -> Event:
    return cls(**found, error=fault(payload.get("error")))


def _plain(payload: Values, found: Values, cls: Make) -> Event:
    return cls(**found)


READERS: dict[str | None, tuple[Read, Make]] = {
    "conversation:message": (_message, events.Unknown),
    "conversation:message:delivery:channel": (_receipt, events.MessageDelivered),
    "conversation:message:delivery:user": (_receipt, events.MessageDelivered),
    "conversation:message:delivery:failure": (_receipt, events.MessageFailed),
    "conversation:create": (_plain, events.ConversationStarted),
    "conversation:join": (_plain, events.ConversationJoined),
    "conversation:leave": (_plain, events.ConversationLeft),
    "conversation:remove": (_plain, events.ConversationDeleted),
    "conversation:postback": (_postback, events.Postback),
    "conversation:read": (_plain, events.ConversationRead),
    "conversation:referral": (_plain, events.ConversationReferral),
    "conversation:typing": (_typing, events.Unknown),
    "client:add": (_client, events.IdentityAdded),
    "client:update": (_client, events.IdentityUpdated),
    "client:remove": (_client, events.IdentityRemoved),
    "user:merge": (_merge, events.UserMerged),
    "user:update": (_plain, events.UserUpdated),
    "user:remove": (_deleted, events.UserDeleted),
    "switchboard:offerControl": (_plain, events.ControlOffered),
    "switchboard:acceptControl": (_plain, events.ControlAccepted),
    "switchboard:passControl": (_plain, events.ControlPassed),
    "switchboard:releaseControl": (_plain, events.ControlReleased),
    "passthrough:messaging": (_plain, events.PassthroughReceived),
}
