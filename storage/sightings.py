"""
Where a user was seen: one value for each user and place, which can be joined in any order.

Webhooks come twice and out of order, so a sighting keeps when each of its parts was said, and
`join` takes the later of each: doubled and reordered news end in the same value as news in order.
An address at which several users were seen belongs to the one who was last active there.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from handlers.people import ChannelIdentity
from storage.columns import Asked
from storage.dialects import Transaction

COLUMNS = (
    "place, user_key, account, channel, identity, platform, client_id, app_id, status, client_at,"
    " status_at, active_at"
)
KEY = "place, user_key"
CHANGING = "status, client_at, status_at, active_at"
_SDK = frozenset({"web", "ios", "android", "sdk", "api"})  # clients without an address
_RANK = {"active": 3, "blocked": 2, "inactive": 1}  # of two that were said at the same time

Place = bytes


class Sighting(NamedTuple):
    """One user at one place (an address, or a client whose address is not known), as COLUMNS.

    client_at, status_at: when platform and client, and the status, were said, in microseconds.
    active_at:            when the user was last seen active there; 0: never.
    """

    place: Place
    user_key: bytes
    account: str
    channel: str
    identity: str | None
    platform: str | None
    client_id: str | None
    app_id: str | None
    status: str
    client_at: int
    status_at: int
    active_at: int

    def is_like(self, other: "Sighting") -> bool:
        """Whether all is the same but CHANGING: so it is with the next webhook of a user."""
        return self[:8] == other[:8]

    def changing(self) -> tuple[Any, ...]:
        """The values of KEY and CHANGING."""
        return self[:2] + self[8:]

    def says(self, identity: ChannelIdentity) -> bool:
        """Whether the report of an identity says nothing new but its time."""
        i = identity
        said = i.channel, i.identity, i.platform, i.client_id, i.app_id, i.status
        return self[3:9] == said

    def again(self, at: int) -> "Sighting":
        """This one joined with the same report of another time: the later of each of its times."""
        client_at, status_at, active_at = self[9:]
        return Sighting._make(
            (
                *self[:9],
                at if at > client_at and self.client_id else client_at,
                at if at > status_at else status_at,
                at if at > active_at and self.status == "active" else active_at,
            )
        )

    def identity_seen(self) -> ChannelIdentity:
        """As handlers see it."""
        return ChannelIdentity(
            self.channel, self.identity, self.platform, self.client_id, self.app_id, self.status
        )


def sighting(
    account: str, user_key: bytes, place: Place, identity: ChannelIdentity, at: int
) -> Sighting:
    """What a report of `identity` at that time (microseconds) says of a user."""
    return Sighting(
        place,
        user_key,
        account,
        identity.channel,
        identity.identity,
        identity.platform,
        identity.client_id,
        identity.app_id,
        identity.status,
        at if identity.client_id else -1,
        at,
        max(at, 1) if identity.status == "active" else 0,
    )


def join(one: Sighting, other: Sighting) -> Sighting:
    """Two sightings of one user as one, at the place of the first: the later of each part.

    Pending is a promise: it gives way to anything else that was ever said.
    """
    first, second = (other, one) if _is_later(one, other) else (one, other)
    by_client = one if _told(one) >= _told(other) else other
    return Sighting(
        one.place,
        one.user_key,
        one.account,
        one.channel,
        second.identity or first.identity,
        by_client.platform or first.platform or second.platform,
        by_client.client_id,
        second.app_id or first.app_id,
        second.status,
        by_client.client_at,
        second.status_at,
        max(one.active_at, other.active_at),
    )


def _is_later(one: Sighting, other: Sighting) -> bool:
    """Whether `one` was said after the other."""
    if one.status == other.status and one.status_at != other.status_at:
        return one.status_at > other.status_at
    return _said(one) > _said(other)


def _said(seen: Sighting) -> tuple[bool, int, int, str]:
    rank = _RANK.get(seen.status, 0)
    return seen.status != "pending", seen.status_at, rank, seen.identity or ""


def _told(seen: Sighting) -> tuple[int, str, str]:
    return seen.client_at, seen.client_id or "", seen.platform or ""


def owner(there: dict[bytes, Sighting]) -> bytes | None:
    """Whose a place is; None if nobody was ever seen active there."""
    active = [known for known in there.values() if known.active_at]
    if len(active) < 2:
        return active[0].user_key if active else None
    return max(active, key=_last_active).user_key


def _last_active(seen: Sighting) -> tuple[int, bytes]:
    return seen.active_at, seen.user_key


def address_unknown(identity: ChannelIdentity) -> bool:
    """Whether this is a client whose address may be known from elsewhere."""
    return identity.identity is None and bool(identity.client_id) and identity.channel not in _SDK


def from_row(row: Any) -> Sighting:
    """A stored row, in the order of COLUMNS."""
    return Sighting._make(row)


# Whether nobody else was active at the place later.
_FREE = (
    "NOT EXISTS (SELECT 1 FROM identity later WHERE later.place = identity.place AND"
    " (later.active_at, later.user_key) > (identity.active_at, identity.user_key))"
)


def asked(user_keys: set[bytes]) -> Asked:
    """What `reached` makes an answer of."""
    return "identity", f"{COLUMNS}, {_FREE}", "user_key", user_keys


def reached(rows: Iterable[Any]) -> dict[bytes, list[ChannelIdentity]]:
    """Where each user can be reached, the latest seen first; what passed to others left out."""
    own = [(from_row(row[:-1]), row[-1]) for row in rows]
    found: dict[bytes, list[ChannelIdentity]] = {}
    for known, free in sorted(own, key=lambda c: (-c[0].status_at, c[0].place)):
        if free or not known.active_at:
            found.setdefault(known.user_key, []).append(known.identity_seen())
    return found


def of_users(tx: Transaction, user_keys: set[bytes]) -> dict[bytes, list[ChannelIdentity]]:
    """Where each of these users can be reached, as `reached` tells it."""
    return reached(tx.known(*asked(user_keys)))
