"""Events are claimed with all that a handler may know, and settled in one transaction."""

from datetime import datetime, timedelta
from typing import Any

from handlers.actions import Reply
from handlers.content import Text
from handlers.events import MessageReceived
from handlers.people import ChannelIdentity, User
from storage import inbox, keys, lanes, work
from storage.database import Database
from storage.inbox import Delivery
from storage.outbox import NewAction
from storage.tables import Queue
from storage.work import Dead, Done, HandlerRun, Later, Result, Work

LEASE = timedelta(seconds=60)
DAY = timedelta(days=1)
ANN = keys.user("chat", "ann")
SMS = ChannelIdentity("sms", "+15145550101", "twilio", "c-1")


def receive(database: Database, now: datetime, *ids: str, user: str | None = "ann") -> None:
    person = User(user) if user else None
    found = (SMS,) if user else ()
    for name in ids:
        event = MessageReceived(id=name, user=person, identities=found, text=name)
        with database.write() as tx:
            inbox.save(tx, [Delivery("chat", name.encode(), (event,), now)], now)


def take(database: Database, now: datetime) -> list[Work]:
    with database.write() as tx:
        return work.load(tx, lanes.claim(tx, Queue.DISPATCH, now, LEASE, 10))


def settle(database: Database, now: datetime, *results: Result) -> list[Result]:
    with database.write() as tx:
        return work.settle(tx, results, now, DAY)


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    with database.read() as tx:
        return [tuple(row) for row in tx.run(sql)]


def ran(handler: str, outcome: str = "done") -> HandlerRun:
    return HandlerRun(handler, outcome, timedelta(milliseconds=2), None)


def test_what_is_claimed_is_whole(database: Database, now: datetime) -> None:
    receive(database, now, "one")
    [item] = take(database, now)
    assert (item.account, item.body, item.internal, item.position) == ("chat", b"one", False, 0)
    assert (item.key, item.user_key, item.identities) == ("one", ANN, (SMS,))
    assert (item.link, item.links, item.states, item.done) == (None, (), {}, frozenset())
    assert item.received_at == now


def test_an_event_about_nobody_has_nobody_beside_it(database: Database, now: datetime) -> None:
    receive(database, now, "one", "two", user=None)
    items = take(database, now)
    assert [(item.user_key, item.identities, item.states) for item in items] == [(None, (), {})] * 2


def test_runs_states_and_actions_are_written_with_the_verdict(
    database: Database, now: datetime
) -> None:
    receive(database, now, "one", "two")
    [item] = take(database, now)
    action = NewAction("chat", item.claim.ref, "h", 0, ANN, Reply(content=Text("hi")))
    runs = [ran("h"), HandlerRun("g", "dropped", timedelta(), "not ours")]
    result = Result(item, Done(), runs, [action], {"Cart": {"items": 2}})
    assert settle(database, now, result) == [result]
    columns = "handler, attempts, outcome, duration, error"
    assert rows(database, f"SELECT {columns} FROM run ORDER BY handler") == [
        ("g", 1, "dropped", 0, "not ours"),
        ("h", 1, "done", 2000, None),
    ]
    assert rows(database, "SELECT status FROM action") == [("queued",)]
    [following] = take(database, now)
    assert (following.key, following.states) == ("two", {"Cart": {"items": 2}})


def test_the_handlers_that_are_done_are_known_at_the_next_attempt(
    database: Database, now: datetime
) -> None:
    receive(database, now, "one")
    [item] = take(database, now)
    runs = [ran("good"), ran("bad", "failed"), ran("drops", "dropped")]
    settle(database, now, Result(item, Later(now, "bad"), runs))
    [again] = take(database, now)
    assert (again.claim.attempts, again.done) == (2, frozenset({"good", "drops"}))


def test_they_are_known_where_the_attempt_was_none(database: Database, now: datetime) -> None:
    receive(database, now, "one")
    [item] = take(database, now)
    settle(database, now, Result(item, Later(now, "no time", counts=False), [ran("good")]))
    [again] = take(database, now)
    assert (again.claim.attempts, again.done) == (1, frozenset({"good"}))


def test_what_another_worker_has_taken_over_is_not_written_at_all(
    database: Database, now: datetime
) -> None:
    receive(database, now, "one")
    [stale] = take(database, now)
    [fresh] = take(database, now + LEASE)
    action = NewAction("chat", stale.claim.ref, "h", 0, ANN, Reply(content=Text("hi")))
    late = Result(stale, Done(), [ran("h")], [action], {"Cart": {}})
    assert settle(database, now + LEASE, late) == []
    for table in ("run", "action", "state"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(0,)], table
    mine = Result(fresh, Done(), [ran("h")], [action])
    assert settle(database, now + LEASE, late, mine) == [mine]


def test_many_events_are_settled_together_each_with_its_own_verdict(
    database: Database, now: datetime
) -> None:
    for user in ("a", "b", "c"):
        receive(database, now, f"{user} 1", f"{user} 2", user=user)
    one, two, three = take(database, now)
    later = Later(now + DAY, "wait")
    settle(database, now, Result(one, Done()), Result(two, later), Result(three, Dead("no")))
    assert [item.key for item in take(database, now)] == ["a 2", "c 2"]
    assert rows(database, "SELECT error FROM job WHERE state = 4") == [("no",)]


def test_an_event_whose_body_is_gone_is_claimed_without_it(
    database: Database, now: datetime
) -> None:
    receive(database, now, "one")
    with database.write() as tx:
        tx.run("UPDATE event SET body = NULL")
    [item] = take(database, now)
    assert item.body is None
