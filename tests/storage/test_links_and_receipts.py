"""What webhooks state is kept, in whatever order and however often it comes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from handlers.actions import Link, Reply
from handlers.content import Text
from handlers.event import Event, Fault
from handlers.events import (
    ConsentFailed,
    ConsentOptedIn,
    ConsentOptedOut,
    LinkExpired,
    LinkFailed,
    LinkMatched,
    LinkSucceeded,
    MessageDelivered,
    MessageFailed,
    MessageQueued,
    MessageRead,
    MessageReceived,
    UserMerged,
)
from handlers.links import LinkRecord, Twilio
from handlers.people import ChannelIdentity, User
from storage import inbox, keys, outbox
from storage.database import Database
from storage.inbox import Delivery
from storage.outbox import NewAction, Note
from storage.tables import JobState, Queue

ANN = User("ann")
ONE, TWO = "+15145550101", "+15145550102"
_numbers: Iterator[int] = count()


def happen(database: Database, now: datetime, *events: Event, account: str = "chat") -> None:
    """Each as a webhook of its own, in this order."""
    for event in events:
        with database.write() as tx:
            inbox.save(tx, [Delivery(account, b"{}", (event,), now)], now)


def outcome(kind: type[Event], **fields: Any) -> Event:
    usual: dict[str, Any] = {"id": f"o{next(_numbers)}", "user": ANN, "channel": "sms"}
    return kind(**usual | fields)


def asked(database: Database, now: datetime, *addresses: str, user: str = "ann") -> list[int]:
    """Links that were asked for; their ids."""
    user_key = keys.user("chat", user)
    new = [
        NewAction("chat", n, "h", next(_numbers), user_key, Link(target=Twilio(address)))
        for n, address in enumerate(addresses)
    ]
    with database.write() as tx:
        tx.lock_lanes([keys.lane(Queue.SEND, user_key) or 0])
        outbox.add(tx, new, now, timedelta(days=1))
    return [row[0] for row in rows(database, "SELECT id FROM link ORDER BY id")]


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    with database.read() as tx:
        return [tuple(row) for row in tx.run(sql)]


def links(database: Database) -> list[str]:
    return [row[0] for row in rows(database, "SELECT status FROM link ORDER BY id")]


M, S, F, X = LinkMatched, LinkSucceeded, LinkFailed, LinkExpired
STORIES: list[tuple[tuple[type[Event], ...], str]] = [
    ((M,), "matched"),
    ((M, S), "linked"),
    ((S, M), "linked"),
    ((S, S), "linked"),
    ((S, F), "linked"),
    ((S, X), "linked"),
    ((M, M, F), "failed"),
    ((F, S), "failed"),
    ((F, M), "failed"),
    ((X, S), "expired"),
    ((M, X), "expired"),
    ((X, F, M), "expired"),
]


def test_the_first_final_outcome_of_a_link_stays(database: Database, now: datetime) -> None:
    for number, (story, _) in enumerate(STORIES):
        user = f"u{number}"
        asked(database, now, ONE, user=user)
        happen(database, now, *(outcome(k, address=ONE, user=User(user)) for k in story))
    found = rows(database, "SELECT status, settled_at IS NULL FROM link ORDER BY id")
    assert found == [(status, status == "matched") for _, status in STORIES]


def test_a_link_that_was_cancelled_says_so(database: Database, now: datetime) -> None:
    asked(database, now, ONE)
    happen(database, now, outcome(LinkFailed, address=ONE, cancelled=True))
    assert links(database) == ["cancelled"]


def test_why_a_link_failed_is_kept(database: Database, now: datetime) -> None:
    asked(database, now, ONE, TWO)
    fault = Fault("bad_request", "not a mobile number")
    happen(database, now, outcome(LinkFailed, address=ONE, error=fault))
    happen(database, now, outcome(LinkFailed, address=TWO, error=Fault("bad_request")))
    errors = rows(database, "SELECT error FROM link ORDER BY id")
    assert errors == [("not a mobile number",), ("bad_request",)]


def test_two_links_at_once_are_told_apart_by_their_addresses(
    database: Database, now: datetime
) -> None:
    asked(database, now, ONE, TWO)
    happen(database, now, outcome(LinkSucceeded, address=TWO))
    assert links(database) == ["pending", "linked"]
    happen(database, now, outcome(LinkFailed, address=ONE))
    assert links(database) == ["failed", "linked"]


def test_two_links_at_once_are_told_apart_by_their_clients(
    database: Database, now: datetime
) -> None:
    first, second = asked(database, now, ONE, TWO)
    with database.write() as tx:
        outbox.client_of_link(tx, first, "c-1")
        outbox.client_of_link(tx, second, "c-2")
    happen(database, now, outcome(LinkSucceeded, client_id="c-2"))
    assert links(database) == ["pending", "linked"]


def test_the_client_that_a_match_names_decides_the_later_outcomes(
    database: Database, now: datetime
) -> None:
    asked(database, now, ONE, TWO)
    happen(database, now, outcome(LinkMatched, address=TWO, client_id="c-2"))
    happen(database, now, outcome(LinkMatched, address=ONE, client_id="c-1"))
    happen(database, now, outcome(LinkSucceeded, client_id="c-2"))
    assert links(database) == ["matched", "linked"]


def test_an_outcome_that_names_nothing_is_of_the_oldest_link_that_is_open(
    database: Database, now: datetime
) -> None:
    asked(database, now, ONE, TWO)
    happen(database, now, outcome(LinkSucceeded), outcome(LinkFailed))
    assert links(database) == ["linked", "failed"]


def test_an_outcome_of_another_channel_or_person_changes_nothing(
    database: Database, now: datetime
) -> None:
    asked(database, now, ONE)
    happen(database, now, outcome(LinkSucceeded, channel="email", platform="mailgun"))
    happen(database, now, outcome(LinkSucceeded, user=User("bob"), address=ONE))
    happen(database, now, outcome(LinkSucceeded, address=TWO))
    assert links(database) == ["pending"]


def test_a_link_follows_its_user_through_a_merge(database: Database, now: datetime) -> None:
    asked(database, now, ONE)
    happen(database, now, UserMerged(id="m", user=User("new"), discarded=("ann",)))
    happen(database, now, outcome(LinkSucceeded, address=ONE))
    assert links(database) == ["linked"]


def test_an_event_of_ours_is_about_its_own_link(database: Database, now: datetime) -> None:
    first, second = asked(database, now, ONE, ONE)
    record = LinkRecord(second, "sms", "twilio", ONE, "pending")
    happen(database, now, outcome(LinkExpired, address=ONE, link=record))
    assert links(database) == ["pending", "expired"]
    [(about,)] = rows(database, "SELECT link_id FROM event WHERE type = 'link.expired'")
    assert (about, first < second) == (second, True)


Q, D, R, B = MessageQueued, MessageDelivered, MessageRead, MessageFailed
RECEIPTS: list[tuple[tuple[type[Event], ...], str]] = [
    ((Q, D, R), "message.read"),
    ((R, D, Q), "message.read"),
    ((D, Q, D), "message.delivered"),
    ((B, D), "message.failed"),
]


def test_receipts_only_go_up(database: Database, now: datetime) -> None:
    for number, (story, _) in enumerate(RECEIPTS):
        happen(database, now, *(outcome(kind, message_id=f"m-{number}") for kind in story))
    found = rows(database, "SELECT status FROM receipt ORDER BY message_id")
    assert found == [(status,) for _, status in RECEIPTS]


def test_receipts_that_come_together_say_the_same_as_one_by_one(
    database: Database, now: datetime
) -> None:
    numbers = [_said(database, now, "uncertain") for _ in range(2)]
    told = [
        outcome(kind, message_id=f"m-{number}", reference=f"hl-{number}")
        for kind in (MessageRead, MessageDelivered, MessageQueued)
        for number in numbers
    ]
    foreign = outcome(MessageFailed, message_id="m-other", reference="hl-987654")
    with database.write() as tx:
        batch = [Delivery("chat", b"{}", (event,), now) for event in (*told, foreign)]
        assert inbox.save(tx, batch, now) == [1] * 7
    found = rows(database, "SELECT message_id, status FROM receipt ORDER BY message_id")
    assert found == [
        *((f"m-{number}", "message.read") for number in numbers),
        ("m-other", "message.failed"),
    ]
    sent = rows(database, "SELECT status, message_id FROM action ORDER BY id")
    assert sent == [("sent", f"m-{number}") for number in numbers]
    assert rows(database, "SELECT count(*) FROM job WHERE state = 4") == [(0,)]


def test_two_receivers_with_the_same_receipts_in_another_order_both_end(
    database: Database, now: datetime
) -> None:
    """They wait for each other's rows, and must not do so in a circle."""
    numbers = [_said(database, now, "queued") for _ in range(20)]

    def receive(seed: int) -> None:
        chosen = [f"{number}" for number in numbers]
        Random(seed).shuffle(chosen)
        told = [
            MessageDelivered(id=f"{seed} {name}", message_id=name, reference=f"hl-{name}")
            for name in chosen
        ]
        with database.write() as tx:
            inbox.save(tx, [Delivery("chat", b"{}", (event,), now) for event in told], now)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(receive, range(40)))
    assert rows(database, "SELECT count(*) FROM receipt") == [(20,)]
    assert rows(database, "SELECT count(*) FROM event") == [(800,)]


# The action's status; the receipt's account and reference; what the action is then; its message.
REFERENCES: list[tuple[str, str, str | None, str, str | None]] = [
    ("uncertain", "chat", "hl-{}", "sent", "m-1"),
    ("queued", "chat", "hl-{}", "queued", "m-1"),
    ("sent", "chat", "hl-{}", "sent", None),
    ("dead", "chat", "hl-{}", "dead", None),
    ("uncertain", "other", "hl-{}", "uncertain", None),
    ("uncertain", "chat", "hl-{}0", "uncertain", None),
    ("uncertain", "chat", "hl-", "uncertain", None),
    ("uncertain", "chat", "hl-\u0663", "uncertain", None),
    ("uncertain", "chat", "hl-99999999999999999999", "uncertain", None),
    ("uncertain", "chat", "{}", "uncertain", None),
    ("uncertain", "chat", None, "uncertain", None),
]


def test_a_receipt_with_our_reference_proves_that_it_was_sent(
    database: Database, now: datetime
) -> None:
    for status, account, reference, after, message in REFERENCES:
        number = _said(database, now, status)
        named = reference and reference.format(number)
        told = outcome(MessageDelivered, message_id="m-1", reference=named)
        happen(database, now, told, account=account)
        sql = f"SELECT status, message_id FROM action WHERE id = {number}"
        assert rows(database, sql) == [(after, message)], (status, account, reference)
        waits = rows(database, f"SELECT id FROM job WHERE state = 4 AND ref = {number}")
        assert bool(waits) is (after == "uncertain"), (status, account, reference)


def _said(database: Database, now: datetime, status: str) -> int:
    """An action in this status; its number."""
    user_key, step = keys.user("chat", "ann"), next(_numbers)
    new = NewAction("chat", 1, "h", step, user_key, Reply(content=Text("hi")))
    with database.write() as tx:
        outbox.add(tx, [new], now, timedelta(days=1))
        [(number,)] = tx.run("SELECT max(id) FROM action").fetchall()
        outbox.note(tx, [Note(number, status, 1)], now)
        if status == "uncertain":
            dead = int(JobState.DEAD)
            tx.run("UPDATE job SET state = ? WHERE ref = ? AND queue = 2", dead, number)
    return int(number)


def test_consent_is_kept_for_the_address(database: Database, now: datetime) -> None:
    sms = ChannelIdentity("sms", ONE, "SMS")
    happen(database, now, MessageReceived(id="1", user=ANN, identities=(sms,)))
    happen(database, now, outcome(ConsentOptedOut, identities=(sms,)))
    assert rows(database, "SELECT identity, consent FROM consent") == [(ONE, "out")]
    later = now + timedelta(hours=1)
    happen(database, later, outcome(ConsentFailed, identities=(sms,)))
    assert rows(database, "SELECT consent FROM consent") == [("out",)]
    happen(database, later, outcome(ConsentOptedIn, identities=(sms,), occurred_at=later))
    happen(database, later, outcome(ConsentOptedOut, identities=(sms,), occurred_at=now))
    assert rows(database, "SELECT consent FROM consent") == [("in",)]
