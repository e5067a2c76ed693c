"""What handlers asked for: queued once, for whom it is for, and settled by what came of it."""

from datetime import datetime, timedelta
from typing import Any

from handlers.actions import AddIdentity, Link, Reply, Send, StartAvaamo
from handlers.content import Text
from handlers.events import MessageReceived
from handlers.links import Immediate, Messenger, Twilio
from handlers.people import ChannelIdentity, User
from storage import inbox, keys, lanes, outbox
from storage.database import Database
from storage.inbox import Delivery
from storage.outbox import NewAction, Note
from storage.tables import Queue

DAY = timedelta(days=1)
LEASE = timedelta(seconds=60)
ANN, BOB = keys.user("chat", "ann"), keys.user("chat", "bob")
PHONE = "+15145550123"


def reply(text: str = "hi", **changes: Any) -> NewAction:
    usual: dict[str, Any] = {
        "account": "chat",
        "event_id": 1,
        "handler": "h",
        "step": 0,
        "user_key": ANN,
        "action": Reply(content=Text(text)),
    }
    return NewAction(**usual | changes)


def add(database: Database, now: datetime, *new: NewAction) -> int:
    with database.write() as tx:
        tx.lock_lanes(keys.lane(Queue.SEND, one.user_key) or 0 for one in new)
        return outbox.add(tx, new, now, DAY)


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    with database.read() as tx:
        return [tuple(row) for row in tx.run(sql)]


def outgoing(database: Database, now: datetime) -> list[outbox.Outgoing]:
    with database.write() as tx:
        return outbox.load(tx, lanes.claim(tx, Queue.SEND, now, LEASE, 10))


def test_a_second_run_queues_nothing_twice(database: Database, now: datetime) -> None:
    first = [reply("one"), reply("two", step=1)]
    assert add(database, now, *first) == 2
    assert add(database, now, *first) == 0
    assert add(database, now, reply("three", step=2), *first) == 1
    assert len(rows(database, "SELECT id FROM job")) == 3


def test_another_event_handler_or_step_is_another_action(database: Database, now: datetime) -> None:
    others = [reply(), reply(event_id=2), reply(handler="g"), reply(step=1)]
    assert add(database, now, *others) == 4


def test_a_key_holds_for_the_person_whatever_the_event(database: Database, now: datetime) -> None:
    assert add(database, now, reply("first", key="welcome"), reply("second", key="welcome")) == 1
    assert add(database, now, reply("third", key="welcome", event_id=2, step=5)) == 0
    assert add(database, now, reply(key="welcome", user_key=BOB)) == 1
    assert add(database, now, reply(key="welcome", handler="g")) == 1
    assert add(database, now, reply(key="goodbye")) == 1
    [(body,), *_] = rows(database, "SELECT body FROM action ORDER BY id")
    assert "first" in body


def test_a_link_is_pending_with_its_note_from_the_moment_it_is_asked_for(
    database: Database, now: datetime
) -> None:
    link = reply(action=Link(target=Twilio(PHONE), note={"n": 1}))
    add(database, now, link)
    add(database, now, link)
    columns = "channel, platform, address, confirmation, status, note"
    assert rows(database, f"SELECT {columns} FROM link") == [
        ("sms", "twilio", PHONE, "immediate", "pending", '{"n": 1}')
    ]
    sql = "SELECT count(*) FROM job JOIN link ON link.id = ref WHERE queue = 3"
    assert rows(database, sql) == [(1,)]


def test_the_address_of_a_link_is_the_one_that_webhooks_will_name(
    database: Database, now: datetime
) -> None:
    messenger = Link(target=Messenger("+1 (514) 555-0123"), confirmation=Immediate("hello"))
    identity = AddIdentity(channel="sms", identity="0015145550124")
    add(database, now, reply(action=messenger), reply(action=identity, step=1))
    assert rows(database, "SELECT channel, address FROM link ORDER BY id") == [
        ("messenger", PHONE),
        ("sms", "+15145550124"),
    ]


def test_an_action_for_an_account_of_its_own_is_sent_by_that_one(
    database: Database, now: datetime
) -> None:
    add(database, now, reply(action=StartAvaamo(account="agent", to_phone=PHONE)))
    [sending] = outgoing(database, now)
    assert (sending.account, sending.claim.account) == ("agent", "agent")


def test_what_is_to_be_sent_knows_its_person_and_their_identities(
    database: Database, now: datetime
) -> None:
    sms = ChannelIdentity("sms", PHONE, "twilio", "c-1")
    seen = MessageReceived(id="m", user=User("ann", "ann@example.com"), identities=(sms,))
    with database.write() as tx:
        inbox.save(tx, [Delivery("chat", b"{}", (seen,), now)], now)
    add(database, now, reply())
    add(database, now, reply(user_key=None, step=1, action=Send(content=Text("x"), to=PHONE)))
    sending, stranger = outgoing(database, now)
    assert sending.user == User("ann", "ann@example.com")
    assert sending.identities == (sms,)
    assert sending.reference == f"hl-{sending.claim.ref}"
    assert (stranger.user, stranger.identities) == (None, ())


def test_actions_of_one_person_are_sent_one_after_the_other(
    database: Database, now: datetime
) -> None:
    add(database, now, reply("1"), reply("2", step=1), reply("3", step=2, user_key=BOB))
    assert [one.action.content.text for one in outgoing(database, now)] == ["1", "3"]


def test_an_attempt_is_written_down(database: Database, now: datetime) -> None:
    add(database, now, reply())
    [(number,)] = rows(database, "SELECT id FROM action")
    columns = "status, error, attempts, settled_at IS NULL"
    for status in ("queued", "uncertain", "dead", "sent"):
        with database.write() as tx:
            outbox.note(tx, [Note(number, status, 3, error="why")], now)
        [found] = rows(database, f"SELECT {columns} FROM action")
        assert found == (status, "why", 3, status == "queued")


def test_what_an_answer_proves_does_not_undo_what_webhooks_have_told(
    database: Database, now: datetime
) -> None:
    gone = ChannelIdentity("sms", PHONE, "twilio", "c-1", None, "inactive")
    seen = MessageReceived(id="m", user=User("ann"), identities=(gone,), occurred_at=now)
    with database.write() as tx:
        inbox.save(tx, [Delivery("chat", b"{}", (seen,), now)], now)
        outbox.learn(tx, "chat", User("ann"), [gone.as_("pending")], now)
    add(database, now, reply())
    [sending] = outgoing(database, now)
    assert sending.identities == (gone,)


def test_a_user_who_was_created_is_known(database: Database, now: datetime) -> None:
    with database.write() as tx:
        outbox.learn(tx, "chat", User("new", "new@example.com"), [], now)
    assert rows(database, "SELECT id, external_id FROM app_user") == [("new", "new@example.com")]
