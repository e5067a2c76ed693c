"""What is kept of a webhook, once, and whom it is about."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from handlers.event import Event
from handlers.events import MessageReceived, UserMerged
from handlers.people import ChannelIdentity, User
from storage import inbox, keys, lanes, sightings
from storage.database import Database
from storage.inbox import Delivery
from storage.tables import Queue

LEASE = timedelta(seconds=60)
SMS = ChannelIdentity("sms", "+15145550101", "twilio", "c-1")


def message(number: int, user: str = "u1", **fields: Any) -> MessageReceived:
    return MessageReceived(id=f"message:{number}", user=User(user), text="hi", **fields)


def delivery(now: datetime, *events: Event, account: str = "support") -> Delivery:
    return Delivery(account, b'{"n":1}', events, now)


def save(database: Database, now: datetime, *deliveries: Delivery) -> list[int]:
    with database.write() as tx:
        return inbox.save(tx, deliveries, now)


def rows(database: Database, sql: str) -> list[Any]:
    with database.engine.connect() as connection:
        return list(connection.execute(text(sql)).fetchall())


def identities(database: Database, user: str) -> list[ChannelIdentity]:
    key = keys.user("support", user)
    with database.read() as tx:
        return sightings.of_users(tx, {key}).get(key, [])


def test_a_webhook_is_kept_byte_for_byte_with_its_events(database: Database, now: datetime) -> None:
    assert save(database, now, delivery(now, message(1), message(2))) == [2]
    assert rows(database, "SELECT count(*) FROM event") == [(2,)]
    [(body,)] = rows(database, "SELECT body FROM event WHERE body IS NOT NULL")
    assert bytes(body) == b'{"n":1}'


def test_a_second_delivery_changes_nothing(database: Database, now: datetime) -> None:
    save(database, now, delivery(now, message(1)))
    assert save(database, now, delivery(now, message(1))) == [0]
    for table in ("event", "job"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(1,)]


def test_of_two_equal_deliveries_in_one_batch_the_first_is_new(
    database: Database, now: datetime
) -> None:
    assert save(database, now, *[delivery(now, message(1))] * 3) == [1, 0, 0]
    assert rows(database, "SELECT count(*) FROM event") == [(1,)]


@pytest.mark.parametrize("known", [(1,), (1, 2), (2,), (1, 3)])
def test_the_first_event_that_is_new_keeps_the_body_for_the_others(
    database: Database, now: datetime, known: tuple[int, ...]
) -> None:
    before = [delivery(now, message(number)) for number in known]
    several = Delivery("support", b"[1,2,3,4]", tuple(message(n) for n in (1, 2, 3, 4)), now)
    assert save(database, now, *before, several) == [*(1 for _ in known), 4 - len(known)]
    told = rows(
        database,
        "SELECT e.position, w.id, w.body FROM event e JOIN event w ON w.id = e.webhook_id"
        " ORDER BY e.id",
    )
    new = [n - 1 for n in (1, 2, 3, 4) if n not in known]
    assert [(row[0], bytes(row[2])) for row in told[len(known) :]] == [
        (position, several.body) for position in new
    ]
    assert len({row[1] for row in told[len(known) :]}) == 1
    bodies = rows(database, "SELECT body FROM event WHERE body IS NOT NULL")
    assert len(bodies) == len(known) + 1


def test_a_body_is_kept_whatever_else_in_its_batch_is_left_out(
    database: Database, now: datetime
) -> None:
    save(database, now, delivery(now, message(1)))
    several = Delivery("support", b"[1,2]", (message(1), message(2)), now)
    others = [delivery(now, message(number)) for number in (3, 4)]
    with database.write() as tx:
        met = inbox.meet(tx, [*others, several])
        assert inbox.store(tx, met, [2], now) == [0, 0, 1]
    told = rows(
        database,
        "SELECT w.id = e.id, w.body FROM event e JOIN event w ON w.id = e.webhook_id"
        " WHERE e.key = 'message:2'",
    )
    assert [(bool(own), bytes(body)) for own, body in told] == [(True, several.body)]


def test_the_same_id_in_another_account_is_another_event(database: Database, now: datetime) -> None:
    other = delivery(now, message(1), account="sales")
    assert save(database, now, delivery(now, message(1)), other) == [1, 1]


def test_a_key_with_a_window_counts_again_when_the_window_is_over(
    database: Database, now: datetime
) -> None:
    event = message(1, dedup_window=timedelta(hours=1))
    minutes = {0: 1, 20: 0, 59: 0, 61: 1, 100: 0, 122: 1}
    for minute, new in minutes.items():
        then = now + timedelta(minutes=minute)
        assert save(database, then, delivery(then, event)) == [new], minute


def test_a_body_without_events_is_kept_and_is_no_work(database: Database, now: datetime) -> None:
    bad = Delivery("support", b"no json", (), now, error="no JSON")
    assert save(database, now, bad, bad) == [1, 0]
    assert rows(database, "SELECT type FROM event") == [("unparsed",)]
    assert rows(database, "SELECT count(*) FROM job") == [(0,)]


def test_fifty_equal_deliveries_from_several_writers_are_one_event(
    databases: Callable[[], Database], now: datetime
) -> None:
    writers = [databases() for _ in range(2)]

    def post(number: int) -> int:
        return save(writers[number % 2], now, delivery(now, message(1)))[0]

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(post, range(50))) == 1
    assert rows(writers[0], "SELECT count(*) FROM job") == [(1,)]


def test_what_a_payload_proves_is_known_of_its_user(database: Database, now: datetime) -> None:
    save(database, now, delivery(now, message(1, identities=(SMS,))))
    assert identities(database, "u1") == [SMS]


def test_an_identity_that_turns_up_under_another_user_moves(
    database: Database, now: datetime
) -> None:
    later = now + timedelta(minutes=1)
    save(database, now, delivery(now, message(1, identities=(SMS,), occurred_at=now)))
    save(database, later, delivery(later, message(2, "u2", identities=(SMS,), occurred_at=later)))
    assert identities(database, "u1") == []
    assert identities(database, "u2") == [SMS]
    assert rows(database, "SELECT count(*) FROM identity_move") == [(1,)]


def test_older_news_moves_no_identity(database: Database, now: datetime) -> None:
    before = now - timedelta(minutes=1)
    save(database, now, delivery(now, message(1, identities=(SMS,), occurred_at=now)))
    save(database, now, delivery(now, message(2, "u2", identities=(SMS,), occurred_at=before)))
    assert identities(database, "u1") == [SMS]


def test_a_client_becomes_an_address_when_the_address_is_known(
    database: Database, now: datetime
) -> None:
    pending = ChannelIdentity("sms", None, "twilio", "c-1", None, "pending")
    save(database, now, delivery(now, message(1, identities=(pending,))))
    assert identities(database, "u1") == [pending]
    save(database, now, delivery(now, message(2, identities=(SMS,))))
    assert identities(database, "u1") == [SMS]


def test_a_client_without_address_finds_the_identity_it_belongs_to(
    database: Database, now: datetime
) -> None:
    gone = ChannelIdentity("sms", None, "twilio", "c-1", None, "inactive")
    later = now + timedelta(minutes=1)
    save(database, now, delivery(now, message(1, identities=(SMS,))))
    save(database, later, delivery(later, message(2, identities=(gone,))))
    assert identities(database, "u1") == [SMS.as_("inactive")]


def test_pending_news_do_not_undo_an_active_identity(database: Database, now: datetime) -> None:
    save(database, now, delivery(now, message(1, identities=(SMS,))))
    save(database, now, delivery(now, message(2, identities=(SMS.as_("pending"),))))
    assert identities(database, "u1") == [SMS]


def test_an_identity_that_was_a_user_by_itself_becomes_the_contact(
    database: Database, now: datetime
) -> None:
    itself = ChannelIdentity("sms", "+15145550101", "SMS")
    alone = message(1, "sms:+15145550101", identities=(itself,))
    save(database, now, delivery(now, alone))
    save(database, now, delivery(now, message(2, "contact-1", identities=(itself,))))
    assert identities(database, "contact-1") == [itself]
    key = keys.user("support", "contact-1")
    [(merged,)] = rows(database, "SELECT merged_into FROM app_user WHERE id LIKE 'sms:%'")
    assert bytes(merged) == key
    assert len(claims(database, now)) == 1, "both events are in one lane"


def claims(database: Database, now: datetime) -> list[lanes.Claim]:
    with database.write() as tx:
        return lanes.claim(tx, Queue.DISPATCH, now, LEASE, 10)


def test_a_merge_moves_identities_and_later_events(database: Database, now: datetime) -> None:
    merged = UserMerged(id="merge:1", user=User("u2"), discarded=("u1",))
    save(database, now, delivery(now, message(1, identities=(SMS,))))
    save(database, now, delivery(now, merged))
    assert identities(database, "u2") == [SMS]
    web = ChannelIdentity("web", None, "web", "c-2")
    save(database, now, delivery(now, message(3, "u1", identities=(web,))))
    assert set(identities(database, "u2")) == {SMS, web}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_merges_in_a_chain_end_in_the_same_user_whatever_their_order(
    database: Database, now: datetime, order: tuple[int, int]
) -> None:
    merges = [
        UserMerged(id="m:1", user=User("b"), discarded=("a",)),
        UserMerged(id="m:2", user=User("c"), discarded=("b",)),
    ]
    save(database, now, delivery(now, message(1, "a", identities=(SMS,))))
    for number in order:
        save(database, now, delivery(now, merges[number]))
    assert identities(database, "c") == [SMS]


def test_a_merge_in_the_batch_of_the_events_it_concerns_counts_for_the_later_ones(
    database: Database, now: datetime
) -> None:
    merged = UserMerged(id="merge:1", user=User("u2"), discarded=("u1",))
    events = (message(1, "u1"), message(2, "u2"), merged, message(3, "u1"))
    save(database, now, *(delivery(now, event) for event in events))
    order = []
    while claimed := claims(database, now):
        order += [claim.ref for claim in claimed]
        with database.write() as tx:
            lanes.finish(tx, claimed, now)
    [ids] = [[row[0] for row in rows(database, "SELECT id FROM event ORDER BY id")]]
    assert order == ids


def test_a_users_events_are_claimed_one_at_a_time_in_order(
    database: Database, now: datetime
) -> None:
    save(database, now, delivery(now, message(1), message(2), message(3, "u2")))
    first = claims(database, now)
    assert len(first) == 2
    assert claims(database, now) == []
    with database.write() as tx:
        lanes.finish(tx, first, now)
    assert len(claims(database, now)) == 1


def test_a_lease_that_ran_out_is_taken_by_another_and_its_holder_cannot_settle(
    database: Database, now: datetime
) -> None:
    save(database, now, delivery(now, message(1)))
    [stale] = claims(database, now)
    [fresh] = claims(database, now + LEASE)
    assert fresh.attempts == 2
    with database.write() as tx:
        assert lanes.held(tx, [stale]) == set()
        assert lanes.held(tx, [stale, fresh]) == {fresh}
