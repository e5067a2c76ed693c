"""What goes with age, and what stays whatever its age."""

from datetime import datetime, timedelta

import pytest

from handlers.events import MessageDelivered, MessageReceived
from handlers.people import User
from storage import inbox, lanes, retention
from storage.database import Database
from storage.inbox import Delivery
from storage.retention import Keep, Pruned
from storage.tables import Queue

KEEP = Keep(timedelta(days=30), timedelta(days=180))


def take_in(database: Database, now: datetime, number: int, *, done: bool = True) -> int:
    event = MessageReceived(id=f"m:{number}", user=User(f"u{number}"))
    with database.write() as tx:
        new = inbox.save(tx, [Delivery("a", b"body", (event,), now)], now)
        if done:
            claims = lanes.claim(tx, Queue.DISPATCH, now, timedelta(seconds=60), 10)
            lanes.finish(tx, claims, now)
    return new[0]


def prune_all(database: Database, now: datetime) -> Pruned:
    gone = Pruned()
    while True:
        with database.write() as tx:
            went = retention.prune(tx, KEEP, now)
        if not went:
            return gone
        gone += went


def count(database: Database, now: datetime) -> Pruned:
    with database.read() as tx:
        return retention.count(tx, KEEP, now)


def bodies(database: Database) -> list[bytes | None]:
    with database.read() as tx:
        return [
            row[0] for row in tx.run("SELECT body FROM event WHERE webhook_id = id ORDER BY id")
        ]


@pytest.mark.parametrize("days", [29, 31, 179, 181])
def test_the_dry_run_says_what_goes(database: Database, now: datetime, days: int) -> None:
    for number in range(3):
        take_in(database, now, number)
    later = now + timedelta(days=days)
    foretold = count(database, later)
    assert prune_all(database, later) == foretold
    assert foretold == Pruned(3 * (days > 30), 3 * (days > 180))


def test_a_body_goes_at_its_age_and_not_a_moment_before(database: Database, now: datetime) -> None:
    take_in(database, now, 1)
    assert prune_all(database, now + KEEP.payloads) == Pruned()
    assert prune_all(database, now + KEEP.payloads + timedelta(microseconds=1)) == Pruned(1)
    assert bodies(database) == [None]


def test_a_redelivery_after_its_body_has_gone_is_still_a_duplicate(
    database: Database, now: datetime
) -> None:
    take_in(database, now, 1)
    later = now + timedelta(days=60)
    prune_all(database, later)
    assert take_in(database, later, 1) == 0


def test_what_is_unfinished_or_dead_is_kept_whatever_its_age(
    database: Database, now: datetime
) -> None:
    take_in(database, now, 1, done=False)
    with database.write() as tx:
        [claim] = lanes.claim(tx, Queue.DISPATCH, now, timedelta(seconds=60), 1)
        lanes.bury(tx, claim, "a poison", now)
    take_in(database, now, 2, done=False)
    years = now + timedelta(days=1000)
    assert count(database, years) == prune_all(database, years) == Pruned()
    assert bodies(database) == [b"body", b"body"]


def test_receipts_go_with_the_events(database: Database, now: datetime) -> None:
    event = MessageDelivered(id="r:1", user=User("u"), message_id="m")
    with database.write() as tx:
        inbox.save(tx, [Delivery("a", b"body", (event,), now)], now)
    assert prune_all(database, now + timedelta(days=181)).receipts == 1


def test_what_came_together_goes_together_when_all_of_it_is_done(
    database: Database, now: datetime
) -> None:
    people = [MessageReceived(id=f"m:{n}", user=User(f"u{n}")) for n in range(3)]
    with database.write() as tx:
        inbox.save(tx, [Delivery("a", b"body", tuple(people), now)], now)
        claims = lanes.claim(tx, Queue.DISPATCH, now, timedelta(seconds=60), 10)
        lanes.finish(tx, claims[:2], now)
        lanes.bury(tx, claims[2], "a poison", now)
    years = now + timedelta(days=1000)
    assert count(database, years) == prune_all(database, years) == Pruned()
    with database.write() as tx:
        tx.run("DELETE FROM job")
    assert prune_all(database, years) == Pruned(1, 1)
    with database.read() as tx:
        assert tx.run("SELECT count(*) FROM event").scalar_one() == 0
