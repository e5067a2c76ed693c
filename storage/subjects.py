"""Whom an event is about, as its transaction looks them up."""

from typing import NamedTuple

from handlers.event import Event
from handlers.events import UserMerged
from storage import keys
from storage.tables import micros


class Subject(NamedTuple):
    """Whom an event is about, by their keys.

    user:    None where it is about nobody. users: of all of them, those discarded by a merge too.
    places:  of each identity by its address and by its client, NOWHERE for what is not known.
    seen_at: when they were seen by it (microseconds); None: it does not say.
    """

    account: str
    event: Event
    user: bytes | None
    users: tuple[bytes, ...]
    places: tuple[tuple[bytes, bytes], ...]
    seen_at: int | None


def subject(account: str, event: Event) -> Subject:
    """The subject of one event of an account."""
    user = keys.user(account, event.user.id) if event.user else None
    users: tuple[bytes, ...] = (user,) if user else ()
    if isinstance(event, UserMerged):
        users += tuple(keys.user(account, uid) for uid in event.discarded)
    places = tuple([keys.places(account, identity) for identity in event.identities])
    seen_at = micros(event.occurred_at) if event.occurred_at else None
    return Subject(account, event, user, users, places, seen_at)
