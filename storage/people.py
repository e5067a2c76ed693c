"""
Users, their aliases and their identities.

The provider is the authority. An identity belongs to one user; reported under another one it
moves, and the move is kept. Users become one only when the provider says so, or when it names the
contact behind an identity that had been a user by itself (Sinch DISPATCH).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from handlers.event import Event
from handlers.events import UserMerged
from handlers.people import ChannelIdentity, User
from storage import keys, lanes
from storage.dialects import Transaction
from storage.tables import Queue, micros

_USER = "key, account, id, external_id, merged_into, created_at"
_IDENTITY = (
    "key, account, user_key, channel, identity, platform, client_id, app_id, status, consent,"
    " seen_at"
)
_SDK = frozenset({"web", "ios", "android", "sdk", "api"})  # clients without an address


@dataclass(slots=True)
class Row:
    """An identity as stored."""

    key: bytes
    account: str
    user_key: bytes
    channel: str
    identity: str | None
    platform: str | None
    client_id: str | None
    app_id: str | None
    status: str
    consent: str | None
    seen_at: int

    def values(self) -> tuple[object, ...]:
        """In the order of the columns."""
        return tuple(getattr(self, name) for name in self.__slots__)


@dataclass(slots=True)
class People:
    """What one transaction knows of the users and identities that its events are about.

    users:     user key -> (external id, key of the survivor or None, created at).
    known:     identity key -> row, as stored or as changed.
    """

    tx: Transaction
    users: dict[bytes, tuple[str | None, bytes | None, int]] = field(default_factory=dict)
    known: dict[bytes, Row] = field(default_factory=dict)
    new_users: dict[bytes, tuple[object, ...]] = field(default_factory=dict)
    changed: dict[bytes, Row] = field(default_factory=dict)
    gone: set[bytes] = field(default_factory=set)
    moves: list[tuple[object, ...]] = field(default_factory=list)

    def resolve(self, events: Iterable[tuple[str, Event]]) -> None:
        """Read who is known already among the users of these (account, event) pairs."""
        wanted = [keys.user(account, uid) for account, event in events for uid in user_ids(event)]
        self.users = {}
        self._learn(wanted)

    def survivor(self, user_key: bytes) -> bytes:
        """The key under which this user lives on: itself unless it was merged."""
        known = self.users.get(user_key)
        return known[1] if known and known[1] else user_key

    def load(self, events: Iterable[tuple[str, Event]]) -> None:
        """Read the stored identities that these events name."""
        wanted: set[bytes] = set()
        clients: set[str] = set()
        for account, event in events:
            for identity in event.identities:
                wanted.update(k for k in _keys(account, identity) if k)
                if _address_unknown(identity):
                    clients.add(identity.client_id or "")
        rows = self.tx.known("identity", _IDENTITY, "key", wanted)
        if clients:
            rows += self.tx.known("identity", _IDENTITY, "client_id", clients)
        for row in rows:
            stored = Row(bytes(row[0]), row[1], bytes(row[2]), *row[3:])
            self.known[stored.key] = stored

    def stored(self, account: str, event: Event) -> list[Row]:
        """The stored rows of the identities that an event names."""
        found = (self.known.get(k) for i in event.identities for k in _keys(account, i) if k)
        return [row for row in found if row is not None]

    def see(self, account: str, event: Event, event_id: int | None, now: datetime) -> bytes | None:
        """Note the event's user and identities; the key of the user, None if it is about nobody."""
        if event.user is None:
            return None
        user_key = self._user(account, event.user, now)
        seen = event.occurred_at or now
        for identity in event.identities:
            self._identity(account, user_key, identity, event_id, seen, now)
        return user_key

    def _user(self, account: str, user: User, now: datetime) -> bytes:
        key = keys.user(account, user.id)
        known = self.users.get(key)
        if known is None or (user.external_id and user.external_id != known[0]):
            old, merged, created = known or (None, None, micros(now))
            external = user.external_id or old
            self.users[key] = (external, merged, created)
            self.new_users[key] = (key, account, user.id, external, merged, created)
        return self.survivor(key)

    def _identity(
        self,
        account: str,
        user_key: bytes,
        identity: ChannelIdentity,
        event_id: int | None,
        seen: datetime,
        now: datetime,
    ) -> None:
        key = self._place(account, identity)
        if key is None:
            return
        stored = self.known.get(key)
        if stored is None:
            row = _row(key, account, user_key, identity, seen)
            self.known[key] = self.changed[key] = row
            return
        if stored.user_key != user_key and not self._may_move(stored, identity, seen):
            return
        row = _merged(stored, user_key, identity, micros(seen))
        if row.user_key != stored.user_key:
            self.moves.append((key, stored.user_key, user_key, event_id, micros(now)))
            self._follow(account, stored, user_key, now)
        if row != stored and _matters(row, stored):
            self.known[key] = self.changed[key] = row

    def _place(self, account: str, identity: ChannelIdentity) -> bytes | None:
        """The key of the row for this identity; a row by client id gives way to one by address."""
        address, client = _keys(account, identity)
        if _address_unknown(identity):
            for row in self.known.values():
                same = row.client_id == identity.client_id and row.account == account
                if same and row.identity is not None and row.key not in self.gone:
                    return row.key
        if address is not None and client is not None and client in self.known:
            self.gone.add(client)
            self.known.pop(client)
            self.changed.pop(client, None)
        return address or client

    def _may_move(self, stored: Row, identity: ChannelIdentity, seen: datetime) -> bool:
        """Only news of an active identity says whose it is; what is older than ours does not."""
        return identity.status == "active" and micros(seen) >= stored.seen_at

    def _follow(self, account: str, stored: Row, user_key: bytes, now: datetime) -> None:
        """Where the old user was nothing but this identity, it has become the new one."""
        itself = f"{stored.channel}:{stored.identity}"
        for (uid,) in self.tx.known("app_user", "id", "key", [stored.user_key]):
            if uid == itself or uid.startswith(f"{itself}:"):
                self.merge(account, uid, user_key, now)

    def merge(self, account: str, discarded: str, survivor: bytes, now: datetime) -> None:
        """Make `discarded` an alias of the survivor, and move over all that it had.

        Twice is once; a merge in a circle changes nothing. Lanes of both are locked.
        """
        old = keys.user(account, discarded)
        if old not in self.users:
            self._learn([old])
        if survivor in (old, self.survivor(old)):
            return
        external, _, created = self.users.get(old, (None, None, micros(now)))
        self.users[old] = (external, survivor, created)
        self.new_users[old] = (old, account, discarded, external, survivor, created)
        self.flush()
        self._move_all(old, survivor, now)
        for key, (name, into, since) in self.users.items():
            if into == old:
                self.users[key] = (name, survivor, since)
        for row in self.known.values():
            if row.user_key == old:
                row.user_key = survivor

    def _learn(self, wanted: Iterable[bytes]) -> None:
        columns = "key, external_id, merged_into, created_at"
        for row in self.tx.known("app_user", columns, "key", wanted):
            self.users[bytes(row[0])] = (row[1], row[2] and bytes(row[2]), row[3])

    def _move_all(self, old: bytes, new: bytes, now: datetime) -> None:
        run = self.tx.run
        run("UPDATE app_user SET merged_into = ? WHERE merged_into = ?", new, old)
        for table in ("identity", "link", "action"):
            run(f"UPDATE {table} SET user_key = ? WHERE user_key = ?", new, old)
        run(
            "DELETE FROM state WHERE user_key = ? AND name IN"
            " (SELECT name FROM state WHERE user_key = ?)",
            old,
            new,
        )
        run("UPDATE state SET user_key = ? WHERE user_key = ?", new, old)
        for queue in (Queue.DISPATCH, Queue.SEND):
            before, after = keys.lane(queue, old), keys.lane(queue, new)
            assert before is not None
            assert after is not None
            lanes.join(self.tx, before, after, now)

    def flush(self) -> None:
        """Write what was noted so far."""
        self.tx.upsert("app_user", _USER, list(self.new_users.values()), "key")
        for key in self.gone:
            self.tx.run("DELETE FROM identity WHERE key = ?", key)
        rows = [row.values() for row in self.changed.values()]
        self.tx.upsert("identity", _IDENTITY, rows, "key")
        if self.moves:
            ids = self.tx.ids("identity_move", len(self.moves))
            moves = [(n, *move) for n, move in zip(ids, self.moves, strict=True)]
            columns = "id, identity_key, from_user, to_user, event_id, moved_at"
            self.tx.insert("identity_move", columns, moves)
        for noted in (self.new_users, self.changed, self.gone, self.moves):
            noted.clear()


def user_ids(event: Event) -> list[str]:
    """The ids of all users that an event is about."""
    ids = [event.user.id] if event.user else []
    return ids + list(event.discarded) if isinstance(event, UserMerged) else ids


def _keys(account: str, identity: ChannelIdentity) -> tuple[bytes | None, bytes | None]:
    return keys.address(account, identity), keys.client(account, identity)


def _address_unknown(identity: ChannelIdentity) -> bool:
    return identity.identity is None and bool(identity.client_id) and identity.channel not in _SDK


def _row(
    key: bytes, account: str, user_key: bytes, identity: ChannelIdentity, seen: datetime
) -> Row:
    return Row(
        key,
        account,
        user_key,
        identity.channel,
        identity.identity,
        identity.platform,
        identity.client_id,
        identity.app_id,
        identity.status,
        None,
        micros(seen),
    )


def _merged(stored: Row, user_key: bytes, identity: ChannelIdentity, seen: int) -> Row:
    """The stored row with what is news in `identity`: what is older fills gaps only."""
    newer = seen >= stored.seen_at
    downgrade = identity.status == "pending" and stored.status == "active"
    status = identity.status if newer and not downgrade else stored.status

    def pick(mine: str | None, theirs: str | None) -> str | None:
        return (theirs or mine) if newer else (mine or theirs)

    return Row(
        stored.key,
        stored.account,
        user_key,
        stored.channel,
        pick(stored.identity, identity.identity),
        pick(stored.platform, identity.platform),
        pick(stored.client_id, identity.client_id),
        stored.app_id,
        status,
        stored.consent,
        max(seen, stored.seen_at),
    )


def _matters(row: Row, stored: Row) -> bool:
    """Whether the row is worth a write: a newer `seen_at` alone is, once an hour."""
    names: Callable[[Row], tuple[object, ...]] = lambda r: r.values()[:-1]  # noqa: E731
    return names(row) != names(stored) or row.seen_at - stored.seen_at > 3_600_000_000


def identities(tx: Transaction, user_keys: Iterable[bytes]) -> dict[bytes, list[ChannelIdentity]]:
    """What is known of where each user can be reached, the latest seen first."""
    columns = "user_key, channel, identity, platform, client_id, app_id, status, seen_at"
    rows = tx.known("identity", columns, "user_key", user_keys)
    found: dict[bytes, list[ChannelIdentity]] = {}
    for row in sorted(rows, key=lambda row: -row[7]):
        found.setdefault(bytes(row[0]), []).append(ChannelIdentity(*row[1:7]))
    return found
