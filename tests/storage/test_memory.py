"""What one transaction knows of people and leaves to the next: never more than is so."""

import sqlite3
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import make_url

from handlers.events import MessageReceived, UserMerged
from handlers.people import ChannelIdentity, User
from storage import erase, inbox, keys, memory
from storage.database import Database
from storage.inbox import Delivery

SMS = ChannelIdentity("sms", "+15145550101", "twilio", "c-1")
UNKNOWN = ChannelIdentity("sms", None, "twilio", "c-1")  # the same client, its address not told


def message(number: int, user: str, at: datetime, *identities: ChannelIdentity) -> MessageReceived:
    name = f"message:{number}"
    return MessageReceived(id=name, user=User(user), identities=identities, occurred_at=at)


def save(database: Database, now: datetime, *events: Any) -> None:
    with database.write() as tx:
        inbox.save(tx, [Delivery("support", b"{}", (event,), now) for event in events], now)


def rows(database: Database, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with database.read() as tx:
        return [tuple(row) for row in tx.run(sql, *values).fetchall()]


def users(database: Database) -> list[str]:
    return [row[0] for row in rows(database, "SELECT id FROM app_user ORDER BY id")]


def moves(database: Database) -> list[tuple[str, str]]:
    sql = (
        "SELECT f.id, t.id FROM identity_move m JOIN app_user f ON f.key = m.from_user"
        " JOIN app_user t ON t.key = m.to_user ORDER BY m.id"
    )
    return [(before, after) for before, after in rows(database, sql)]


def test_a_user_whose_first_transaction_failed_is_still_new(
    database: Database, now: datetime
) -> None:
    def fail() -> None:
        with database.write() as tx:
            inbox.save(tx, [Delivery("support", b"{}", (message(1, "ann", now, SMS),), now)], now)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    save(database, now, message(1, "ann", now, SMS))
    assert users(database) == ["ann"]
    assert rows(database, "SELECT identity FROM identity") == [(SMS.identity,)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_another_process_changed_is_read_again(database: Database, now: datetime) -> None:
    save(database, now, message(1, "ann", now), message(2, "bob", now))
    bob = keys.user("support", "bob")
    path = make_url(database.url).database
    assert path is not None
    with sqlite3.connect(path) as other:
        other.execute("UPDATE app_user SET merged_into = ? WHERE id = 'ann'", (bob,))
    other.close()
    save(database, now, message(3, "ann", now))
    assert rows(database, "SELECT key FROM event WHERE user_key = ? ORDER BY key", bob) == [
        ("message:2",),
        ("message:3",),
    ]


def test_who_was_erased_is_a_new_acquaintance(database: Database, now: datetime) -> None:
    save(database, now, message(1, "ann", now, SMS))
    with database.write() as tx:
        assert erase.erase(tx, "support", "ann").users == 1
    assert users(database) == []
    save(database, now, message(2, "ann", now, SMS))
    assert users(database) == ["ann"]
    assert rows(database, "SELECT identity FROM identity") == [(SMS.identity,)]


def test_a_merge_leaves_no_half_of_who_was_seen_at_a_place(
    database: Database, now: datetime
) -> None:
    early, later, last = (now.replace(minute=minute) for minute in (1, 2, 3))
    save(database, now, message(1, "ann", early, SMS))
    save(database, now, message(2, "bob", later, SMS))
    assert moves(database) == [("ann", "bob")]
    database.close()  # so that all is forgotten
    save(database, now, UserMerged(id="merge", user=User("cid"), discarded=("ann",)))
    save(database, now, message(3, "bob", last, SMS))
    assert moves(database) == [("ann", "bob")], "it was bob's all the time"


def test_who_owns_an_address_is_decided_among_all_who_were_seen_there(
    database: Database, now: datetime
) -> None:
    """The address is known of the client only, so who else is there has to be asked for."""
    early, later, last = (now.replace(minute=minute) for minute in (1, 2, 3))
    save(database, now, message(1, "ann", early, SMS))
    save(database, now, message(2, "bob", later, ChannelIdentity("sms", SMS.identity, "twilio")))
    save(database, now, message(3, "ann", last, UNKNOWN))
    assert moves(database) == [("ann", "bob"), ("bob", "ann")]


def test_more_people_than_are_remembered_are_known_all_the_same(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "LIMIT", 3)
    for turn in range(3):
        for number in range(8):
            place = ChannelIdentity("sms", f"+1514555010{number}", "twilio")
            save(database, now, message(10 * turn + number, f"user-{number}", now, place))
            with database.write() as tx:
                assert len(tx.memory.users) <= 3
    assert users(database) == [f"user-{number}" for number in range(8)]
    assert len(rows(database, "SELECT place FROM identity")) == 8
