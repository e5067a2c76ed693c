"""
Whatever the order in which webhooks come, and however often, what is known in the end is the same.

Providers deliver side by side and try again for hours, so any order of a history can arrive.
"""

import random
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.actions import Link
from handlers.event import Event, Fault
from handlers.events import (
    ConsentOptedIn,
    ConsentOptedOut,
    IdentityAdded,
    IdentityRemoved,
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
from handlers.links import Twilio
from handlers.people import ChannelIdentity, User
from storage import inbox, keys, outbox, sightings
from storage.database import Database
from storage.inbox import Delivery
from storage.outbox import NewAction

START = datetime(2026, 3, 1, tzinfo=UTC)
USERS = ("u1", "u2", "u3", "u4")
PHONES = ("+15145550101", "+15145550102", "+15145550103")
ITSELF = "+15145550109"  # a number that is a user by itself until u1 is named for it
LINKS = ("+15145550191", "+15145550192")
MERGES = ((), (("u2", "u1"),), (("u2", "u1"), ("u3", "u2")), (("u3", "u1"), ("u2", "u1")))


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Up to a dozen events of four users, each at its own time."""
    events: list[Event] = []
    for number in range(draw(st.integers(1, 9))):
        kind = draw(st.sampled_from(KINDS))
        events.append(kind(draw, number))
    for discarded, survivor in draw(st.sampled_from(MERGES)):
        events.append(
            UserMerged(id=f"merge:{discarded}", user=User(survivor), discarded=(discarded,))
        )
    for number, address in enumerate(LINKS):
        events += draw(st.sampled_from(_outcomes(number, address)))
    times = draw(st.permutations(range(len(events))))
    return [
        _at(event, START + timedelta(seconds=s)) for event, s in zip(events, times, strict=True)
    ]


def _at(event: Event, when: datetime) -> Event:
    from dataclasses import replace

    return replace(event, occurred_at=when)


def _message(draw: st.DrawFn, number: int) -> Event:
    user, phone = draw(st.sampled_from(USERS)), draw(st.sampled_from(PHONES))
    client = draw(st.sampled_from([None, f"c-{phone}"]))
    identity = ChannelIdentity("sms", phone, "twilio", client)
    name = draw(st.sampled_from([None, f"name-of-{user}"]))
    return MessageReceived(id=f"m:{number}", user=User(user, name), identities=(identity,))


def _client(draw: st.DrawFn, number: int) -> Event:
    user, phone = draw(st.sampled_from(USERS)), draw(st.sampled_from(PHONES))
    kind, status = draw(
        st.sampled_from(
            [(IdentityAdded, "pending"), (IdentityAdded, "active"), (IdentityRemoved, "inactive")]
        )
    )
    identity = ChannelIdentity("sms", phone, "twilio", f"c-{phone}", None, status)
    return kind(id=f"c:{number}", user=User(user), identities=(identity,))


def _by_itself(draw: st.DrawFn, number: int) -> Event:
    user = draw(st.sampled_from([f"sms:{ITSELF}", "u1"]))
    identity = ChannelIdentity("sms", ITSELF, "SMS")
    return MessageReceived(id=f"s:{number}", user=User(user), identities=(identity,))


def _receipt(draw: st.DrawFn, number: int) -> Event:
    kind = draw(st.sampled_from([MessageQueued, MessageDelivered, MessageRead, MessageFailed]))
    message = draw(st.sampled_from(["m-1", "m-2"]))
    return kind(id=f"{kind.type}:{message}", user=User("u1"), message_id=message)


def _consent(draw: st.DrawFn, number: int) -> Event:
    kind = draw(st.sampled_from([ConsentOptedIn, ConsentOptedOut]))
    identity = ChannelIdentity("sms", draw(st.sampled_from(PHONES)), "SMS")
    return kind(id=f"o:{number}", user=User("u1"), identities=(identity,))


def _word(draw: st.DrawFn, number: int) -> Event:
    user, phone = draw(st.sampled_from(USERS)), draw(st.sampled_from([None, *PHONES]))
    identities = (ChannelIdentity("sms", phone),) if phone else ()
    said = draw(st.sampled_from(["STOP", "start", "no, stop"]))
    about: dict[str, Any] = {"user": User(user), "identities": identities, "channel": "sms"}
    return MessageReceived(id=f"w:{number}", text=said, **about)


def _refusal(draw: st.DrawFn, number: int) -> Event:
    user = draw(st.sampled_from([*USERS, f"sms:{PHONES[0]}"]))
    why = Fault("uncategorized_error", underlying=draw(st.sampled_from(["21610", "30003"])))
    return MessageFailed(
        id=f"r:{number}", user=User(user), channel="sms", message_id=f"m-{number}", error=why
    )


KINDS = (_message, _message, _client, _by_itself, _receipt, _consent, _word, _refusal)


def _outcomes(number: int, address: str) -> list[list[Event]]:
    """What a provider may say of one link: nothing, that it waits, or how it ended."""
    about: dict[str, Any] = {"user": User("u1"), "platform": "twilio", "address": address}
    identity = ChannelIdentity("sms", address, "twilio", f"l-{number}")
    matched = LinkMatched(
        id=f"match:{number}", channel="sms", identities=(identity.as_("pending"),), **about
    )
    linked = LinkSucceeded(id=f"ok:{number}", channel="sms", identities=(identity,), **about)
    failed = LinkFailed(id=f"no:{number}", channel="sms", **about)
    return [[], [matched], [matched, linked], [linked], [matched, failed], [failed]]


def _known(database: Database, deliveries: Sequence[Sequence[Event]]) -> dict[str, Any]:
    """What is known after these deliveries, one after the other."""
    with database.write() as tx:
        first = MessageReceived(id="first", user=User("u1"), occurred_at=START)
        inbox.save(tx, [Delivery("a", b"", (first,), START)], START)
        wanted = [
            NewAction("a", 1, "h", n, keys.user("a", "u1"), Link(target=Twilio(address)))
            for n, address in enumerate(LINKS)
        ]
        outbox.add(tx, wanted, START, timedelta(hours=1))
    later = START + timedelta(minutes=1)
    for events in deliveries:
        later += timedelta(seconds=1)
        with database.write() as tx:
            inbox.save(tx, [Delivery("a", b"", (event,), later) for event in events], later)
    return _state(database)


def _state(database: Database) -> dict[str, Any]:
    with database.read() as tx:
        users = tx.run("SELECT key, id, external_id, merged_into FROM app_user").fetchall()
        names = {bytes(row[0]): row[1] for row in users}
        alive = {bytes(row[0]) for row in users if row[3] is None}
        reached = sightings.of_users(tx, alive)
        return {
            "aliases": {row[1]: names[bytes(row[3])] for row in users if row[3] is not None},
            "names": {row[1]: row[2] for row in users},
            "identities": {names[key]: sorted(map(repr, found)) for key, found in reached.items()},
            "links": sorted(map(tuple, tx.run("SELECT address, status FROM link").fetchall())),
            "receipts": sorted(map(tuple, tx.run("SELECT message_id, status FROM receipt"))),
            "consents": sorted(map(tuple, tx.run("SELECT place, consent, identity FROM consent"))),
            "link owners": {names[bytes(row[0])] for row in tx.run("SELECT user_key FROM link")},
        }


@settings(max_examples=60, deadline=None)
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_and_any_number_of_deliveries_end_the_same(
    history: list[Event], chance: random.Random, together: int
) -> None:
    in_order = sorted(history, key=lambda event: event.occurred_at or START)
    shuffled = [*history, *chance.choices(history, k=len(history) // 2)]
    chance.shuffle(shuffled)
    batches = [shuffled[n : n + together] for n in range(0, len(shuffled), together)]
    with tempfile.TemporaryDirectory() as folder:
        known = []
        for name, deliveries in (("order", [[event] for event in in_order]), ("any", batches)):
            database = Database(f"sqlite:///{Path(folder) / name}.db")
            database.migrate()
            try:
                known.append(_known(database, deliveries))
            finally:
                database.close()
    assert known[0] == known[1]
