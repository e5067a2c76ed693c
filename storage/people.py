"""
Users, their aliases and their identities.

The provider is the authority. An identity belongs to one user; reported under another one it
moves, and the move is kept. Users become one only when the provider says so, or when it names the
contact behind an identity that had been a user by itself (Sinch DISPATCH).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from handlers.people import ChannelIdentity, User
from storage import keys, lanes, sightings
from storage.dialects import Transaction
from storage.memory import Memory
from storage.sightings import Sighting
from storage.subjects import Subject
from storage.tables import Queue, micros, moment

_USER = "key, account, id, external_id, named_at, merged_into, created_at"


class Known(NamedTuple):
    """A user as stored, as _USER. external_id: the latest said, at `named_at` (microseconds)."""

    key: bytes
    account: str
    id: str
    external_id: str | None
    named_at: int
    merged_into: bytes | None
    created_at: int


@dataclass(slots=True)
class People:
    """The users and identities that one transaction's events are about.

    new_users: those to write, by key. changed: the sightings to write, by place and user key, and
               whether no more than their times and status are new. gone: those to delete.
    """

    tx: Transaction
    memory: Memory = field(init=False)
    new_users: dict[bytes, Known] = field(default_factory=dict)
    changed: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)
    gone: list[tuple[bytes, bytes]] = field(default_factory=list)
    moves: list[tuple[object, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = self.tx.memory

    def read(self, subjects: Sequence[Subject]) -> None:
        """Read who is known already among these users, and who was seen at their identities."""
        users = [key for one in subjects for key in one.users]
        places = [place for one in subjects for pair in one.places for place in pair]
        clients = [
            identity.client_id or ""
            for one in subjects
            for identity in one.event.identities
            if sightings.address_unknown(identity)
        ]
        self._ask(users, places, clients)

    def _ask(self, users: Iterable[bytes], places: Iterable[bytes], clients: Iterable[str]) -> None:
        memory = self.memory
        users = [key for key in users if key not in memory.users]
        places = {place for place in places if place not in memory.places}
        clients = [client for client in clients if client not in memory.clients]
        if not (users or places or clients):
            return
        known, there, by_client = self.tx.known_all(
            ("app_user", _USER, "key", users),
            ("identity", sightings.COLUMNS, "place", places),
            ("identity", "client_id, place", "client_id", clients),
        )
        self._learn(known)
        for place in places:
            memory.places[place] = {}
        for row in there:
            sighting = sightings.from_row(row)
            memory.places[sighting.place][sighting.user_key] = sighting
        for client in clients:
            memory.clients[client] = set()
        for client, place in by_client:
            memory.clients[client].add(place)
        self._ask((), (place for _, place in by_client), ())

    def survivor(self, user_key: bytes) -> bytes:
        """The key under which this user lives on: itself unless it was merged."""
        known = self.memory.users.get(user_key)
        return known.merged_into or user_key if known else user_key

    def seen_there(self, one: Subject) -> set[bytes]:
        """The keys of all users who were seen at the identities that an event names."""
        known = self.memory.places
        return {user for pair in one.places for place in pair for user in known.get(place, ())}

    def see(self, one: Subject, event_id: int | None, now: int) -> bytes | None:
        """Note the event's user and identities; the key of the user, None if it is about nobody."""
        user = one.event.user
        if user is None or one.user is None:
            return None
        seen = now if one.seen_at is None else one.seen_at
        user_key = self._user(one.account, one.user, user, seen, now)
        for identity, places in zip(one.event.identities, one.places, strict=True):
            place = places[0] or places[1]
            if place and not self._see_again(user_key, identity, places, seen):
                new = sightings.sighting(one.account, user_key, place, identity, seen)
                self._note(self._placed(new, identity, places[1]), event_id, now)
        return self.survivor(user_key)

    def _see_again(
        self, user_key: bytes, identity: ChannelIdentity, places: tuple[bytes, bytes], seen: int
    ) -> bool:
        """Note the same as before, at an address where nobody else was; False if it is not so.

        What `_note` would come to in this case, which is nearly every webhook's.
        """
        address, client = places
        there = self.memory.places.get(address, {})
        known = there.get(user_key)
        if known is None or len(there) > 1 or not known.says(identity):
            return False
        if user_key in self.memory.places.get(client, ()):
            return False
        again = known.again(seen)
        if again != known:
            there[user_key] = again
            self.changed.setdefault((address, user_key), True)
        return True

    def _user(self, account: str, key: bytes, user: User, seen: int, now: int) -> bytes:
        known, name = self.memory.users.get(key), user.external_id
        if known is None:
            named_at = seen if name else -1
            known = Known(key, account, user.id, name, named_at, None, now)
            self.memory.users[key] = self.new_users[key] = known
        elif name is not None and name != known.external_id and seen > known.named_at:
            self._change(known, external_id=name, named_at=seen)
        return known.merged_into or key

    def _change(self, known: Known, **changes: Any) -> None:
        changed = known._replace(**changes)
        self.memory.users[known.key] = self.new_users[known.key] = changed

    def _placed(self, new: Sighting, identity: ChannelIdentity, client: bytes) -> Sighting:
        """The sighting at its right place: the address, as soon as that is known of the client."""
        if sightings.address_unknown(identity):
            for place in self.memory.clients.get(identity.client_id or "", ()):
                known = self.memory.places[place].get(new.user_key)
                if known and known.identity:
                    return sightings.join(known, new)
            return new
        if client == new.place or new.user_key not in self.memory.places.get(client, ()):
            return new
        by_client = self.memory.places[client].pop(new.user_key)
        self.gone.append((client, new.user_key))
        self.changed.pop(self.gone[-1], None)
        return sightings.join(new, by_client)

    def _note(self, new: Sighting, event_id: int | None, now: int) -> None:
        """Join a sighting with those of the same user; see whose the place is now."""
        there = self.memory.places.setdefault(new.place, {})
        known = there.get(new.user_key)
        if len(there) == 1 and known is not None:  # nearly always: nobody else was ever there
            self._keep(known, sightings.join(known, new))
            return
        before = sightings.owner(there)
        self._keep(known, sightings.join(known, new) if known else new)
        after = sightings.owner(there)
        if before is not None and after is not None and before != after:
            self.moves.append((new.place, before, after, event_id, now))
        if len(there) > 1 and after is not None:
            self._become(there, now)

    def _keep(self, known: Sighting | None, row: Sighting) -> None:
        """Have it written. known: what is there; then most of it is usually the same."""
        if row == known:
            return
        where = row.place, row.user_key
        self.memory.places[row.place][row.user_key] = row
        if known is not None and row.is_like(known):
            self.changed.setdefault(where, True)
        else:
            self.changed[where] = False
        if row.client_id in self.memory.clients:
            self.memory.clients[row.client_id].add(row.place)

    def _become(self, there: dict[bytes, Sighting], now: int) -> None:
        """Who was nothing but this identity has become the user who owns it."""
        rows = self.tx.known("app_user", "key, id", "key", list(there))
        ids = {bytes(key): uid for key, uid in rows}
        users = self.memory.users
        ids |= {key: users[key].id for key in there if key in users}
        itself = [key for key, c in there.items() if _is_itself(ids.get(key, ""), c)]
        owner = sightings.owner({key: c for key, c in there.items() if key not in itself})
        if owner is not None:
            for key in itself:
                self.merge(there[key].account, ids[key], owner, now)

    def merge(self, account: str, discarded: str, survivor: bytes, now: int) -> None:
        """Make `discarded` an alias of the survivor, and move over all that it had.

        Twice is once; a merge in a circle changes nothing. Lanes of both are locked.
        """
        users, old = self.memory.users, keys.user(account, discarded)
        if old not in users:
            self._learn(self.tx.known("app_user", _USER, "key", [old]))
        if survivor in (old, self.survivor(old)):
            return
        known = users.get(old) or Known(old, account, discarded, None, -1, None, now)
        self._change(known, merged_into=survivor)
        self.flush()
        self._move_sightings(old, survivor)
        _move_rest(self.tx, old, survivor, now)
        for other in list(users.values()):
            if other.merged_into == old:
                users[other.key] = other._replace(merged_into=survivor)

    def _move_sightings(self, old: bytes, new: bytes) -> None:
        """Wherever the one was seen, the other was."""
        self.memory.lasting = False  # of these places not all are known
        rows = self.tx.known("identity", sightings.COLUMNS, "user_key", [old, new])
        stored = [sightings.from_row(row) for row in rows]
        theirs = {known.place: known for known in stored if known.user_key == new}
        for known in stored:
            if known.user_key != old:
                continue
            moved = known._replace(user_key=new)
            if known.place in theirs:
                moved = sightings.join(theirs[known.place], moved)
            self.gone.append((known.place, old))
            there = self.memory.places.setdefault(moved.place, {})
            there.pop(old, None)
            self._keep(None, moved)
        self.flush()

    def _learn(self, rows: Iterable[Any]) -> None:
        for row in rows:
            known = Known._make(row)
            self.memory.users[known.key] = known

    def flush(self) -> None:
        """Write what was noted so far."""
        self.tx.upsert("app_user", _USER, list(self.new_users.values()), "key")
        for place, user_key in self.gone:
            self.tx.run("DELETE FROM identity WHERE place = ? AND user_key = ?", place, user_key)
        self._flush_sightings()
        if self.moves:
            ids = self.tx.ids("identity_move", len(self.moves))
            moves = [(n, *move) for n, move in zip(ids, self.moves, strict=True)]
            columns = "id, place, from_user, to_user, event_id, moved_at"
            self.tx.insert("identity_move", columns, moves)
        for noted in (self.new_users, self.changed, self.gone, self.moves):
            noted.clear()

    def _flush_sightings(self) -> None:
        """Most are of known users at known places, later: then no index is touched."""
        places = self.memory.places
        later = [places[place][user] for (place, user), same in self.changed.items() if same]
        others = [places[place][user] for (place, user), same in self.changed.items() if not same]
        self.tx.upsert("identity", sightings.COLUMNS, others, sightings.KEY)
        self.tx.update(
            "identity", sightings.KEY, sightings.CHANGING, [row.changing() for row in later]
        )


def begin_reveal(tx: Transaction, user_key: bytes, now: datetime) -> bool:
    """Whether the provider may be asked now where this user is reached: once, and never again."""
    sql = "UPDATE app_user SET revealed_at = ? WHERE key = ? AND revealed_at IS NULL RETURNING key"
    return bool(tx.run(sql, micros(now), user_key).fetchall())


def _move_rest(tx: Transaction, old: bytes, new: bytes, now: int) -> None:
    """Aliases, links, actions, state, and the work that waits."""
    tx.run("UPDATE app_user SET merged_into = ? WHERE merged_into = ?", new, old)
    for table in ("link", "action"):
        tx.run(f"UPDATE {table} SET user_key = ? WHERE user_key = ?", new, old)
    tx.run(
        "DELETE FROM state WHERE user_key = ? AND name IN"
        " (SELECT name FROM state WHERE user_key = ?)",
        old,
        new,
    )
    tx.run("UPDATE state SET user_key = ? WHERE user_key = ?", new, old)
    for queue in (Queue.DISPATCH, Queue.SEND):
        before, after = keys.lane(queue, old), keys.lane(queue, new)
        assert before is not None
        assert after is not None
        lanes.join(tx, before, after, moment(now))


def _is_itself(user_id: str, known: Sighting) -> bool:
    """Whether the user's id says no more than the identity (Sinch DISPATCH, SMS)."""
    itself = f"{known.channel}:{known.identity}"
    return user_id == itself or user_id.startswith(f"{itself}:")
