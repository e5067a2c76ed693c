"""Which events are a person's, over many blocks of ids, and by an index."""

from datetime import datetime, timedelta

import pytest

from handlers.events import MessageReceived
from handlers.people import User
from storage import history, inbox, keys
from storage.database import Database
from storage.inbox import Delivery
from storage.queries import Filter, events
from storage.tables import BLOCK

PEOPLE = 7


def take_in(database: Database, now: datetime, numbers: range) -> None:
    """One webhook each, the persons in turn."""
    with database.write() as tx:
        found = [
            MessageReceived(id=f"m{number}", user=User(f"u{number % PEOPLE}")) for number in numbers
        ]
        inbox.save(tx, [Delivery("a", b"{}", (event,), now) for event in found], now)


def test_a_persons_events_are_found_in_every_block(database: Database, now: datetime) -> None:
    with database.read() as tx:
        assert history.of_people(tx, [keys.user("a", "u1")]) == []
    for start in range(0, 3000, 500):
        take_in(database, now, range(start, start + 500))
    wanted = [keys.user("a", "u1"), keys.user("a", "u4"), keys.user("a", "unknown")]
    with database.read() as tx:
        assert len(tx.run(f"SELECT DISTINCT {BLOCK} FROM event").fetchall()) > 2
        found = history.of_people(tx, wanted)
        names = {row[1] for row in tx.known("event", "id, key", "id", found)}
        assert history.of_people(tx, []) == []
    assert len(found) == len(names)
    assert names == {f"m{number}" for number in range(3000) if number % PEOPLE in (1, 4)}


def test_a_persons_events_are_listed_newest_first_with_other_conditions(
    database: Database, now: datetime
) -> None:
    take_in(database, now, range(1400))
    take_in(database, now + timedelta(hours=1), range(1400, 1500))
    with database.read() as tx:
        wanted = Filter(user="u3", until=now + timedelta(minutes=1), limit=5)
        assert [row.key for row in events(tx, wanted)] == [
            f"m{number}" for number in range(1396, 1360, -7)
        ][:5]
        assert len(list(events(tx, Filter(user="u3", limit=0)))) == len(range(3, 1500, PEOPLE))
        assert list(events(tx, Filter(user="nobody", limit=0))) == []


@pytest.mark.parametrize("statement", ["people", "webhooks"])
def test_it_is_looked_up_and_not_searched_for(
    database: Database, now: datetime, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in range(0, 10_000, 2500):
        take_in(database, now, range(start, start + 2500))
    if database.engine.name == "postgresql":
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("ANALYZE event")
    with database.read() as tx:
        asked: list[str] = []
        run = tx.run

        def explained(sql: str, *values: object) -> object:
            explain = "EXPLAIN QUERY PLAN" if tx.name == "sqlite" else "EXPLAIN"
            asked.append(repr(run(f"{explain} {sql}", *values).fetchall()))
            return run(sql, *values)

        monkeypatch.setattr(tx, "run", explained)
        if statement == "people":
            history.of_people(tx, [keys.user("a", "u1"), keys.user("a", "u2")])
        else:
            history.of_webhooks(tx, [1, 2, 3])
    index = {"people": "ix_event_user", "webhooks": "ix_event_webhook"}[statement]
    assert index in asked[-1]
