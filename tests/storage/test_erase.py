"""After a person is forgotten nothing of theirs is left in the database."""

from dataclasses import replace
from datetime import datetime, timedelta

from handlers.actions import Reply, Send
from handlers.content import Text
from handlers.event import Event, Fault
from handlers.events import BatchReported, MessageFailed, MessageReceived, UserMerged
from handlers.people import ChannelIdentity, User
from storage import consent, erase, inbox, keys, outbox, quarantine
from storage.consent import Letter
from storage.database import Database
from storage.inbox import Delivery
from storage.outbox import NewAction
from storage.quarantine import Refusal
from tests.conftest import NOW

PHONE = "+15145550177"


def message(number: int, user: str) -> MessageReceived:
    identity = ChannelIdentity("sms", PHONE, "twilio", "client-x")
    return MessageReceived(id=f"m:{user}:{number}", user=User(user), identities=(identity,))


def take_in(database: Database, now: datetime, *events: Event) -> list[int]:
    body = f"this is {PHONE}".encode()
    with database.write() as tx:
        return inbox.save(tx, [Delivery("a", body, (event,), now) for event in events], now)


def everything(database: Database) -> str:
    """All that is in the database, as text."""
    with database.read() as tx:
        tables = ["event", "job", "app_user", "identity", "state", "action", "link"]
        tables += ["consent", "receipt", "quarantine", "run"]
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


def refused(account: str, body: bytes) -> Refusal:
    return Refusal(account, NOW, "198.51.100.7", 401, "no", b"salt", (), body)


def test_what_names_them_without_being_theirs_goes_as_well(
    database: Database, now: datetime
) -> None:
    report = BatchReported(id=f"batch:{PHONE}", message_id="b1")
    failed = MessageFailed(id="f", message_id="m1", error=Fault("x", f"{PHONE} is not there"))
    take_in(database, now, message(1, "person-x"), report, failed)
    bodies = [
        b'{"to": "%s"}' % PHONE[1:].encode(),
        b'{"contact_id": "PERSON-X"}',
        b'{"contact_id": "person-xx"}',
        b'{"contact_id": "person-y"}',
    ]
    with database.write() as tx:
        to = Send(content=Text("hi"), via="sms", to=PHONE)
        outbox.add(tx, [NewAction("a", None, "h", 0, None, to)], now, timedelta(hours=1))
        quarantine.add(tx, [refused("a", body) for body in bodies])
        quarantine.add(tx, [refused("b", bodies[0])])
        gone = erase.erase(tx, "a", "person-x")
        kept = [one.body for one in quarantine.read(tx, quarantine.in_order(tx, None))]
    assert (gone.events, gone.actions, gone.refused) == (3, 1, 3)
    assert kept == [bodies[3], bodies[0]], "another account's is another person"
    with database.write() as tx:
        quarantine.remove(tx, quarantine.in_order(tx, "b"))
    assert PHONE[1:] not in everything(database)


def test_a_short_name_is_only_found_where_it_is_all_of_a_text(
    database: Database, now: datetime
) -> None:
    take_in(database, now, replace(message(1, "7"), identities=()))
    with database.write() as tx:
        quarantine.add(tx, [refused("a", b'{"id": "7"}'), refused("a", b'{"id": "17", "n": 7}')])
        assert erase.erase(tx, "a", "7").refused == 1


def test_somebody_who_is_but_a_number_leaves_none(database: Database, now: datetime) -> None:
    stop = replace(message(1, f"sms:{PHONE}"), identities=(), channel="sms", text="STOP")
    take_in(database, now, stop)
    with database.write() as tx:
        quarantine.add(tx, [refused("a", b'{"from": "%s"}' % PHONE[1:].encode())])
        erase.erase(tx, "a", f"sms:{PHONE}")
    assert PHONE[1:] not in everything(database)


def test_a_body_goes_with_any_of_those_whom_it_tells_of(database: Database, now: datetime) -> None:
    together = (message(1, "stays"), message(1, "goes"))
    with database.write() as tx:
        inbox.save(tx, [Delivery("a", b"both of them", together, now)], now)
        assert erase.erase(tx, "a", "goes").events == 1
    assert "both of them" not in everything(database)
    with database.read() as tx:
        told = [row[0] for row in tx.run("SELECT key FROM event ORDER BY id")]
    assert told == ["m:stays:1", ""]
