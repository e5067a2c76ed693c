"""
Everything that can be read, the oldest first: of a database that is well, all of it; of a damaged
one, all but what the damage hides.

Each page is a transaction of its own: one that lasts would keep SQLite's log from being folded.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from storage import queries
from storage.database import Database, is_damaged
from storage.queries import PAGE, EventRow, Filter, UserRow

GIVE_UP = 20 * PAGE  # ids in a row that cannot be read, where nobody knows which is the last


class Lost(NamedTuple):
    """The event with this id, if there was one, is where the database is damaged. and_later: so is
    all that may follow it, as far as anybody can tell."""

    id: int
    and_later: bool = False


def events(database: Database, wanted: Filter) -> Iterator[EventRow | Lost]:
    """The events that fit, by id. wanted: without `status`, `user` and `limit`.

    What only its own row tells has the status "unknown", and no user but the one in its body.
    """
    held: list[Lost] = []
    last = _last(database)
    for one in _events(database, wanted, last):
        if isinstance(one, Lost):
            held.append(one)
            if last is None and len(held) == GIVE_UP:
                break
        else:
            yield from held
            held.clear()
            yield one
    if last is None and held:
        yield Lost(held[0].id, and_later=True)
    else:
        yield from held


def _last(database: Database) -> int | None:
    """The id of the latest event; None if that cannot be read."""
    try:
        with database.read() as tx:
            return int(tx.run("SELECT coalesce(max(id), 0) FROM event").scalar_one())
    except DBAPIError as error:
        _expect(error)
        return None


def _events(database: Database, wanted: Filter, last: int | None) -> Iterator[EventRow | Lost]:
    after = 0
    while last is None or after < last:
        try:
            found = _page(database, wanted, after, last)
        except DBAPIError as error:
            _expect(error)
            until = after + PAGE if last is None else min(after + PAGE, last)
            yield from _around(database, wanted, after, until)
            after = until
        else:
            yield from found
            if len(found) < PAGE:
                return
            after = found[-1].id


def _page(database: Database, wanted: Filter, after: int, until: int | None) -> list[EventRow]:
    with database.read() as tx:
        return queries.events_after(tx, wanted, after, until, PAGE)


def _around(database: Database, wanted: Filter, after: int, until: int) -> list[EventRow | Lost]:
    """Of the ids after `after` up to `until`, what can be read: halves of halves, down to one."""
    try:
        return [*_page(database, wanted, after, until)]
    except DBAPIError as error:
        _expect(error)
    if until - after == 1:
        return _alone(database, wanted, until)
    middle = (after + until) // 2
    first = _around(database, wanted, after, middle)
    return first + _around(database, wanted, middle, until)


def _alone(database: Database, wanted: Filter, event_id: int) -> list[EventRow | Lost]:
    try:
        with database.read() as tx:
            return [*queries.event_alone(tx, wanted, event_id)]
    except DBAPIError as error:
        _expect(error)
        return [Lost(event_id)]


def _expect(error: DBAPIError) -> None:
    """Go on after damage; raise anything else."""
    if not is_damaged(error):
        raise error


def users(database: Database, account: str | None) -> Iterator[UserRow]:
    """All people, by key. Raises DBAPIError at the first that cannot be read."""
    after = b""
    while True:
        with database.read() as tx:
            found, after = queries.users_after(tx, account, after, PAGE)
        yield from found
        if len(found) < PAGE:
            return
