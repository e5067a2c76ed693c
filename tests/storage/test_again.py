"""Doing things again, without doing twice what was done."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from handlers.actions import Reply
from handlers.content import Text
from handlers.events import MessageReceived, UserMerged
from handlers.people import User
from storage import again, inbox, keys, lanes, outbox, work
from storage.database import Database
from storage.inbox import Delivery
from storage.outbox import NewAction, Note
from storage.tables import Queue
from storage.work import Dead, Done, HandlerRun, Result, Verdict, Work

LEASE = timedelta(seconds=60)
DAY = timedelta(days=1)


def receive(database: Database, now: datetime, *ids: str, user: str = "ann") -> list[int]:
    """The numbers of these new events."""
    for name in ids:
        event = MessageReceived(id=name, user=User(user))
        with database.write() as tx:
            inbox.save(tx, [Delivery("chat", name.encode(), (event,), now)], now)
    return [row[0] for row in rows(database, "SELECT id FROM event ORDER BY id")][-len(ids) :]


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    with database.read() as tx:
        return [tuple(row) for row in tx.run(sql)]


def take(database: Database, now: datetime) -> list[Work]:
    with database.write() as tx:
        return work.load(tx, lanes.claim(tx, Queue.DISPATCH, now, LEASE, 10))


def handle(
    database: Database,
    now: datetime,
    verdict: Verdict,
    handlers: Sequence[str] = ("h",),
    failing: Sequence[str] = (),
) -> list[str]:
    """Handle all that waits, as these handlers would, each with one reply; whom that ran."""
    ran = []
    while items := take(database, now):
        for item in items:
            todo = [name for name in handlers if name not in item.done]
            ran += [f"{item.key} {name}" for name in todo]
            runs = [
                HandlerRun(name, "failed" if name in failing else "done", timedelta())
                for name in todo
            ]
            actions = [
                NewAction("chat", item.claim.ref, name, 0, item.user_key, Reply(content=Text("x")))
                for name in todo
                if name not in failing
            ]
            with database.write() as tx:
                work.settle(tx, [Result(item, verdict, runs, actions)], now, DAY)
    return ran


def replay(database: Database, now: datetime, *ids: int, **how: Any) -> int:
    with database.write() as tx:
        return again.replay(tx, ids, now, **{"handler": None, "resend": False} | how)


def actions(database: Database) -> int:
    return int(rows(database, "SELECT count(*) FROM action")[0][0])


@pytest.mark.parametrize(("resend", "sent"), [(False, 2), (True, 4)])
def test_a_done_event_runs_again_and_is_sent_again_only_if_that_is_meant(
    database: Database, now: datetime, resend: bool, sent: int
) -> None:
    ids = receive(database, now, "one", "two")
    handle(database, now, Done())
    assert replay(database, now, *ids, resend=resend) == 2
    assert handle(database, now, Done()) == ["one h", "two h"]
    assert actions(database) == sent


def test_only_one_handler_runs_again_where_it_is_named(database: Database, now: datetime) -> None:
    [number] = receive(database, now, "one")
    handle(database, now, Done(), ("g", "h"))
    assert replay(database, now, number, handler="h", resend=True) == 1
    assert handle(database, now, Done(), ("g", "h")) == ["one h"]
    assert actions(database) == 3


def test_an_event_that_still_waits_is_left_alone(database: Database, now: datetime) -> None:
    [number] = receive(database, now, "one")
    assert replay(database, now, number) == 0
    assert replay(database, now, number + 999) == 0
    assert len(rows(database, "SELECT id FROM job")) == 1


def test_a_dead_event_goes_on_where_it_had_failed(database: Database, now: datetime) -> None:
    [number] = receive(database, now, "one")
    handle(database, now, Dead("no"), ("g", "h"), failing=("h",))
    assert replay(database, now, number) == 1
    [item] = take(database, now)
    assert (item.claim.attempts, item.claim.lost, item.done) == (1, False, frozenset({"g"}))


def test_a_dead_event_runs_all_over_where_that_is_meant(database: Database, now: datetime) -> None:
    [number] = receive(database, now, "one")
    handle(database, now, Dead("no"), ("g", "h"), failing=("h",))
    assert replay(database, now, number, resend=True) == 1
    assert handle(database, now, Done(), ("g", "h")) == ["one g", "one h"]
    assert actions(database) == 3


def test_what_runs_again_enters_its_lane_behind_what_waits(
    database: Database, now: datetime
) -> None:
    ids = receive(database, now, "one", "two")
    handle(database, now, Done())
    receive(database, now, "three")
    replay(database, now, *reversed(ids))
    receive(database, now, "four")
    assert handle(database, now, Done()) == ["three h", "one h", "two h", "four h"]


def test_what_runs_again_enters_the_lane_of_the_survivor(database: Database, now: datetime) -> None:
    [old] = receive(database, now, "old", user="old")
    [dead] = receive(database, now, "dead", user="old")
    [item] = take(database, now)
    with database.write() as tx:
        work.settle(tx, [Result(item, Done())], now, DAY)
    [item] = take(database, now)
    with database.write() as tx:
        work.settle(tx, [Result(item, Dead("no"))], now, DAY)
        merged = UserMerged(id="m", user=User("new"), discarded=("old",))
        inbox.save(tx, [Delivery("chat", b"{}", (merged,), now)], now)
    receive(database, now, "new", user="new")
    assert replay(database, now, old, dead) == 2
    assert len(take(database, now)) == 1, "one lane, one at a time"


def test_an_unparsed_body_is_no_event_to_run(database: Database, now: datetime) -> None:
    with database.write() as tx:
        inbox.save(tx, [Delivery("chat", b"no json", (), now, error="no JSON")], now)
    [(number,)] = rows(database, "SELECT id FROM event")
    assert replay(database, now, number) == 0


@pytest.mark.parametrize("status", ["dead", "uncertain"])
def test_an_action_that_waits_for_a_human_is_sent_again(
    database: Database, now: datetime, status: str
) -> None:
    receive(database, now, "one")
    handle(database, now, Done(), ("g", "h"))
    [first, second] = [row[0] for row in rows(database, "SELECT id FROM action ORDER BY id")]
    with database.write() as tx:
        [claim] = lanes.claim(tx, Queue.SEND, now, LEASE, 10)
        outbox.note(tx, [Note(first, status, 1, error="lost")], now)
        lanes.bury(tx, claim, "lost", now)
        assert again.resend(tx, [first, second, 999], now) == 1
    assert rows(database, "SELECT status, error FROM action ORDER BY id") == [
        ("queued", None),
        ("queued", None),
    ]
    sent = []
    with database.write() as tx:
        while claims := lanes.claim(tx, Queue.SEND, now, LEASE, 10):
            assert {claim.attempts for claim in claims} == {1}
            sent += [claim.ref for claim in claims]
            lanes.finish(tx, claims, now)
    assert sent == [second, first], "behind what waits"


def test_a_lane_is_named_by_its_person() -> None:
    key = keys.user("chat", "ann")
    assert keys.lane(Queue.SEND, key) != keys.lane(Queue.DISPATCH, key)
    assert keys.lane(Queue.SEND, None) is None
