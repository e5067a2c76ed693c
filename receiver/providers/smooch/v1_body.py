"""One v1.x body: what all its events have in common, and how its arrays are walked."""

from collections.abc import Callable
from typing import Any, NamedTuple

from handlers import events
from handlers.event import Event
from handlers.people import ChannelIdentity, User
from receiver import fields
from receiver.providers.smooch import clients, keys

Make = Callable[..., Event]  # the class of an event


class Hook(NamedTuple):
    """One body. `shared`: what all its events have in common, by the names of Event's fields."""

    body: dict[str, Any]
    raw: bytes
    shared: dict[str, Any]

    def key(self, *parts: str | None, position: int | None = None) -> dict[str, Any]:
        """The dedup key from `parts`; from the bytes where one is missing."""
        trigger = self.shared["trigger"]
        given = [part for part in parts if part is not None]
        if not given or len(given) < len(parts):
            return keys.stand_in(trigger, self.raw, position)
        return {"id": keys.key(trigger, *given)}

    def elements(self, name: str) -> list[tuple[Any, dict[str, Any], int | None]]:
        """Each element of an array, the body cut down to it, and its position among several."""
        found = fields.as_items(self.body.get(name))
        if len(found) == 1:
            return [(found[0], self.body, None)]
        return [(one, {**self.body, name: [one]}, at) for at, one in enumerate(found)]

    def unknown(self, raw: dict[str, Any] | None = None, position: int | None = None) -> Event:
        """The whole body, or an element of it, as an event that is not modelled."""
        named = self.shared | self.key(position=position)
        return events.Unknown(**named, raw=self.body if raw is None else raw)


Reader = Callable[[Hook, Make], list[Event]]
Build = Callable[[Hook, Make, dict[str, Any], dict[str, Any], int | None], Event]


def each(name: str, build: Build) -> Reader:
    """A reader: one event for each element of body[name], by build(hook, cls, element, raw,
    position); an Unknown for an odd or empty element, and one where there is none.
    """

    def read(hook: Hook, cls: Make) -> list[Event]:
        found = [
            build(hook, cls, element, raw, position)
            if element and isinstance(element, dict)
            else hook.unknown(raw, position)
            for element, raw, position in hook.elements(name)
        ]
        return found or [hook.unknown()]

    return read


def shared(body: dict[str, Any], trigger: str | None) -> dict[str, Any]:
    """What holds for every event of the body. A notification names its person in matchResult."""
    matched = fields.as_obj(body.get("matchResult"))
    person = body.get("appUser") or matched.get("appUser")
    user = user_of(person)
    conversation = body.get("conversation") or matched.get("conversation")
    return {
        "trigger": trigger,
        "user": user,
        "identities": identities_of(person, body.get("client")) if user else (),
        "channel": channel_of(body) or clients.passthrough(trigger),
        "conversation_id": own_id(conversation),
        "occurred_at": fields.as_moment(body.get("timestamp")),
    }


def own_id(thing: Any) -> str | None:
    """The id of a user, message or conversation: `_id`, or `id` as in v2 where that is missing."""
    if not isinstance(thing, dict):
        return None
    return fields.as_ident(thing.get("_id")) or fields.as_ident(thing.get("id"))


def user_of(person: Any) -> User | None:
    """The appUser's id, and the business's own for it."""
    user_id = own_id(person)
    return User(user_id, fields.as_ident(person.get("userId"))) if user_id else None


def identities_of(person: Any, client: Any) -> tuple[ChannelIdentity, ...]:
    """Those of the appUser, then the `client` of a webhook with includeClient."""
    person = fields.as_obj(person)
    found = clients.of_user(person)
    if client:
        found.append(clients.identity(client, fields.as_text(person.get("email"))))
    return clients.unique(found) if found else ()


def channel_of(body: dict[str, Any]) -> str | None:
    """`source.type`, until 2016-12 a `channel`, else the platform of the top-level client."""
    return clients.channel(
        fields.text(body.get("source"), "type")
        or fields.as_text(body.get("channel"))
        or fields.text(body.get("client"), "platform")
    )
