"""After a person is forgotten nothing of theirs is left in the database."""

from dataclasses import replace
from datetime import datetime, timedelta

from handlers.actions import Reply, Send
from handlers.content import Text
from handlers.events import MessageReceived, UserMerged
from handlers.people import ChannelIdentity, User
from storage import consent, erase, inbox, keys, outbox
from storage.consent import Letter
from storage.database import Database
from storage.inbox import Delivery
from storage.outbox import NewAction

PHONE = "+15145550177"


def message(number: int, user: str) -> MessageReceived:
    identity = ChannelIdentity("sms", PHONE, "twilio", "client-x")
    return MessageReceived(id=f"m:{user}:{number}", user=User(user), identities=(identity,))


def take_in(database: Database, now: datetime, *events: MessageReceived | UserMerged) -> list[int]:
    body = f"this is {PHONE}".encode()
    with database.write() as tx:
        return inbox.save(tx, [Delivery("a", body, (event,), now) for event in events], now)


def everything(database: Database) -> str:
    """All that is in the database, as text."""
    with database.read() as tx:
        tables = ["webhook", "event", "job", "app_user", "identity", "state", "action", "link"]
        tables.append("consent")
        return "\n".join(
            repr(tuple(row)) for table in tables for row in tx.run(f"SELECT * FROM {table}")
        )


def test_a_person_is_forgotten_with_all_their_names(database: Database, now: datetime) -> None:
    take_in(database, now, message(1, "person-x"), message(2, "person-y"))
    take_in(database, now, UserMerged(id="merge:1", user=User("person-y"), discarded=("person-x",)))
    with database.write() as tx:
        reply = Reply(content=Text(f"we call {PHONE}"))
        key = keys.user("a", "person-y")
        outbox.add(tx, [NewAction("a", 1, "h", 0, key, reply)], now, timedelta(hours=1))
    take_in(database, now, message(3, "somebody-else"))
    with database.write() as tx:
        gone = erase.erase(tx, "a", "person-x")
    assert (gone.users, gone.events, gone.actions) == (2, 3, 1)
    left = everything(database)
    assert "person-x" not in left
    assert "person-y" not in left
    assert "client-x" in left, "somebody else has that client"
    assert left.count("somebody-else") >= 1


def test_a_redelivery_brings_nobody_back(database: Database, now: datetime) -> None:
    take_in(database, now, message(1, "person-x"))
    with database.write() as tx:
        erase.erase(tx, "a", "person-x")
    assert take_in(database, now, message(1, "person-x")) == [0]
    assert PHONE not in everything(database)


def test_what_somebody_refused_holds_although_nobody_knows_who_it_was(
    database: Database, now: datetime
) -> None:
    stop = replace(message(1, "person-x"), channel="sms", text="STOP")
    take_in(database, now, stop)
    with database.write() as tx:
        erase.erase(tx, "a", "person-x")
    assert PHONE not in everything(database)
    letter = Send(content=Text("hi"), via="sms", to=PHONE)
    with database.read() as tx:
        assert consent.refused(tx, [Letter(7, "a", letter, None, None, (), None)]) == {7}


def test_a_stranger_cannot_be_forgotten(database: Database, now: datetime) -> None:
    with database.write() as tx:
        assert erase.erase(tx, "a", "nobody") == erase.Erased()
