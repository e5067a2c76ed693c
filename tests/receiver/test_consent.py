"""Who has said STOP gets nothing more on that channel, but for one word that it was heard."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from handlers import Context, LinkFailed, MessageReceived, Prompt, Router, Twilio, when
from handlers.event import Fault
from handlers.events import (
    ConsentOptedIn,
    ConsentOptedOut,
    MessageFailed,
    MessageSwitchingChannel,
    UserMerged,
)
from handlers.people import ChannelIdentity, User
from receiver import samples
from receiver.standins.faults import Answer
from storage import asked
from storage.consent import Words
from storage.database import Database
from tests.receiver.worker import NOW, Stage, World, said, texted, world

PHONE = "15145550123"
OTHER = "15145550188"
CONTACT = "01HSIM0CONTACT000000000001"
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stand-ins' address."""
    with Stage() as ready:
        yield ready


def text(
    words: str,
    minutes: int = 0,
    *,
    contact: str = CONTACT,
    phone: str = PHONE,
    channel: str = "SMS",
    mode: str = "CONVERSATION",
) -> bytes:
    """A Sinch message; `minutes` after NOW."""
    when = NOW + minutes * MINUTE
    body = samples.make("sinch", "MESSAGE_INBOUND", seed=f"{words} {minutes} {contact}", now=when)
    message = body["message"]
    message["contact_message"] = {"text_message": {"text": words}}
    message["channel_identity"] |= {"channel": channel, "identity": phone}
    message |= {"contact_id": contact if mode == "CONVERSATION" else "", "processing_mode": mode}
    return json.dumps(body).encode()


def answering(**sends: Any) -> Router:
    """Replies twice to every message, and sends as the keywords say if there are any."""
    router = Router()

    @router.on_message
    async def answer(ctx: Context[MessageReceived]) -> None:
        if sends:
            ctx.send("news", **sends)
        else:
            ctx.reply("first")
            ctx.reply("second")

    return router


def sent(here: World) -> list[str]:
    return [body["message"]["text_message"]["text"] for body in _sent(here)]


def _sent(here: World) -> list[dict[str, Any]]:
    found = [seen for seen in here.sinch.requests if seen.path.endswith(":send")]
    return [seen.json for seen in found]


async def say(here: World, *bodies: bytes) -> None:
    here.worker.receive(*bodies, account="texts")
    await here.worker.work()


def test_after_stop_there_is_one_confirmation_and_nothing_more_until_start(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, answering()) as here:
            await say(here, text("hi"))
            assert sent(here) == ["first", "second"]
            await say(here, text(" Stop\n", minutes=1))
            assert sent(here) == ["first", "second", "first"]
            await say(here, text("are you there?", minutes=2))
            assert sent(here) == ["first", "second", "first"]
            with database.read() as tx:
                dead = asked.outbox(tx, None, ["dead"], 0)
            assert [row["error"] for row in dead] == ["opted out"] * 3
            await say(here, text("START", minutes=3))
            await say(here, text("good", minutes=4))
            assert sent(here)[3:] == ["first", "second"] * 2

    stage.run(main())


def test_the_confirmation_is_tried_again_and_stays_the_only_one(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, answering()) as here:
            here.sinch.faults.next(Answer(503), on=":send")
            await say(here, text("STOP"))
            assert here.worker.statuses() == ["queued", "queued"]
            here.clock.forward(timedelta(hours=1))
            await here.worker.work()
            assert here.worker.statuses() == ["sent", "dead"]

    stage.run(main())


WORDS = {
    **dict.fromkeys(["STOP", "stopall", "Unsubscribe", "cancel", "END", "quit\t"], "dead"),
    **dict.fromkeys(["stop it", "please STOP", "STOP.", "no", "ARRET", "END OF STORY"], "sent"),
}


def test_each_of_the_usual_words_stops_if_it_is_the_whole_message(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, answering(via="sms")) as here:
            people: list[dict[str, Any]] = [
                {"contact": f"c{n}", "phone": f"151455501{n:02}"} for n in range(len(WORDS))
            ]
            for person, word in zip(people, WORDS, strict=True):
                await say(here, text(word, **person))
            assert here.worker.statuses() == list(WORDS.values())

    stage.run(main())


def test_a_word_counts_on_its_own_channel_only_and_not_where_it_is_no_order(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, answering(via="whatsapp")) as here:
            await say(here, text("STOP"), text("STOP", minutes=1, channel="WHATSAPP"))
            assert sent(here) == ["news"] * 2

    stage.run(main())


@pytest.mark.parametrize(
    "sends", [{"via": "sms"}, {"via": "sms", "to": f"+{PHONE}"}, {"via": None}]
)
def test_whatever_names_the_address_it_is_not_written_to(
    stage: Stage, database: Database, sends: dict[str, Any]
) -> None:
    async def main() -> None:
        async with world(stage, database, answering(**sends)) as here:
            await say(here, text("STOP"))
            await say(here, text("hi", minutes=1))
            assert here.worker.statuses() == ["dead", "dead"]
            assert _sent(here) == []

    stage.run(main())


def test_another_address_is_still_written_to(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with world(stage, database, answering(via="sms", to=f"+{OTHER}")) as here:
            await say(here, text("STOP"))
            assert sent(here) == ["news"]

    stage.run(main())


def test_a_person_who_is_but_a_number_has_a_word_as_well(stage: Stage, database: Database) -> None:
    async def main() -> None:
        dispatch = {"mode": "DISPATCH"}
        async with world(stage, database, answering(), texts=dispatch) as here:
            await say(here, text("STOP", mode="DISPATCH"))
            await say(here, text("hm", minutes=1, mode="DISPATCH"))
            assert here.worker.statuses() == ["sent", "dead", "dead", "dead"]

    stage.run(main())


NOTICES = [
    ([ConsentOptedOut, ConsentOptedIn], "sent"),
    ([ConsentOptedIn, ConsentOptedOut], "dead"),
]


@pytest.mark.parametrize(("kinds", "status"), NOTICES)
def test_the_providers_notices_count_by_their_time_and_not_by_their_order(
    stage: Stage, database: Database, kinds: list[Any], status: str
) -> None:
    identity = ChannelIdentity("sms", f"+{PHONE}")
    notices = [
        kind(
            id=f"n:{number}",
            user=User(CONTACT),
            identities=(identity,),
            occurred_at=NOW + number * MINUTE,
        )
        for number, kind in enumerate(kinds)
    ]

    async def main() -> None:
        async with world(stage, database, answering(via="sms")) as here:
            here.worker.happen(*notices[::-1], account="texts")
            await say(here, text("hi", minutes=9))
            assert here.worker.statuses() == [status]

    stage.run(main())


def test_a_notice_that_is_faster_than_its_message_leaves_the_confirmation(
    stage: Stage, database: Database
) -> None:
    identity = ChannelIdentity("sms", f"+{PHONE}")
    notice = ConsentOptedOut(
        id="n", user=User(CONTACT), identities=(identity,), occurred_at=NOW + MINUTE
    )

    async def main() -> None:
        async with world(stage, database, answering()) as here:
            here.worker.happen(notice, account="texts")
            await say(here, text("STOP"))
            assert here.worker.statuses() == ["sent", "dead"]

    stage.run(main())


FAULTS = {
    "Twilio's, under Smooch's": (Fault("uncategorized_error", underlying="21610"), "dead"),
    "Sinch's": (Fault("RECIPIENT_NOT_OPTED_IN", "no"), "dead"),
    "Sinch's other": (Fault("RECIPIENT_OPTED_OUT"), "dead"),
    "another": (Fault("RECIPIENT_NOT_REACHABLE", "no", "30003"), "sent"),
}


@pytest.mark.parametrize(("fault", "status"), FAULTS.values(), ids=FAULTS)
def test_an_error_tells_of_a_stop_that_came_another_way(
    stage: Stage, database: Database, fault: Fault, status: str
) -> None:
    kind = MessageSwitchingChannel if status == "dead" and fault.underlying else MessageFailed

    async def main() -> None:
        async with world(stage, database, answering(via="sms")) as here:
            about: dict[str, Any] = {"user": User(CONTACT), "channel": "sms", "message_id": "m"}
            failed = kind(id="r", error=fault, occurred_at=NOW, **about)
            here.worker.happen(failed, account="texts")
            await say(here, text("hi", minutes=1))
            assert here.worker.statuses() == [status]
            await say(here, text("unstop", minutes=2))
            assert here.worker.statuses() == [status, "sent"]

    stage.run(main())


def test_what_a_person_said_under_an_old_id_counts_after_a_merge(
    stage: Stage, database: Database
) -> None:
    fault = Fault("RECIPIENT_OPTED_OUT")
    failed = MessageFailed(
        id="r", user=User("old"), channel="sms", message_id="m", error=fault, occurred_at=NOW
    )
    merged = UserMerged(id="merge", user=User(CONTACT), discarded=("old",), occurred_at=NOW)

    async def main() -> None:
        async with world(stage, database, answering(via="sms")) as here:
            here.worker.happen(failed, merged, account="texts")
            await say(here, text("hi", minutes=1))
            assert here.worker.statuses() == ["dead"]

    stage.run(main())


def test_the_words_are_the_installations(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with world(stage, database, answering(via="sms")) as here:
            french = Words.of(["ARRÊT"], ["Reprise"])
            texts = replace(here.worker.accounts["texts"], words=french)
            here.worker.accounts = {**here.worker.accounts, "texts": texts}
            await say(here, text("STOP"), text("arrêt", minutes=1), text("hm", minutes=2))
            await say(here, text(" REPRISE ", minutes=3))
            assert here.worker.statuses() == ["dead", "dead", "dead", "sent"]

    stage.run(main())


def elsewhere(words: str, minutes: int) -> MessageReceived:
    """Somebody else, or the same person under another id, by text message."""
    identity = ChannelIdentity("sms", f"+{PHONE}", "twilio", "c0ffee")
    return MessageReceived(
        id=f"m:{words}:{minutes}",
        user=User("9d9e1f2a3b4c5d6e7f809a1b"),
        identities=(identity,),
        channel="sms",
        text=words,
        occurred_at=NOW + minutes * MINUTE,
    )


def linking(told: list[Any], ask: Callable[[Context[MessageReceived]], None]) -> Router:
    """Does what `ask` does when somebody says "text me"."""
    router = Router()

    @router.on_message(when.text("text me"))
    async def link(ctx: Context[MessageReceived]) -> None:
        ask(ctx)

    @router.on(LinkFailed)
    async def failed(ctx: Context[LinkFailed]) -> None:
        assert ctx.event.link is not None
        assert ctx.event.error is not None
        told.append((ctx.event.link.note, ctx.event.error.code, ctx.event.address))

    return router


NOTE = {"why": "asked"}
LINKS: dict[str, tuple[str, Callable[[Context[MessageReceived]], None]]] = {
    "at once": ("chat", lambda ctx: ctx.link(Twilio(f"+{PHONE}"), note=NOTE)),
    "with a question": ("chat", lambda ctx: ctx.link(Twilio(f"+{PHONE}"), Prompt(), note=NOTE)),
    "to a contact": ("texts", lambda ctx: ctx.add_identity("sms", f"+{PHONE}", note=NOTE)),
}


@pytest.mark.parametrize(("account", "ask"), LINKS.values(), ids=LINKS)
def test_a_number_that_refused_is_not_linked_and_the_handler_is_told(
    stage: Stage, database: Database, account: str, ask: Callable[[Context[MessageReceived]], None]
) -> None:
    told: list[Any] = []
    words = {"chat": said, "texts": texted}[account]

    async def main() -> None:
        async with world(stage, database, linking(told, ask)) as here:
            here.worker.happen(elsewhere("STOP", minutes=0), account=account)
            here.worker.receive(words("text me"), account=account)
            await here.worker.work()
            assert here.worker.rows("SELECT status, error FROM action") == [("dead", "opted out")]
            assert (here.smooch.requests, here.sinch.requests) == ([], [])
            assert told == [(NOTE, "opted_out", f"+{PHONE}")]
            here.worker.happen(elsewhere("START", minutes=1), account=account)
            here.worker.receive(words("do text me"), account=account)
            await here.worker.work()
            assert here.worker.statuses() == ["dead", "sent"]

    stage.run(main())


@pytest.mark.parametrize(
    ("number", "error"), [(PHONE, "opted out"), (OTHER, "there is no account agent")]
)
def test_an_agent_that_hears_nobody_minds_what_was_said_to_the_account(
    stage: Stage, database: Database, number: str, error: str
) -> None:
    def ask(ctx: Context[MessageReceived]) -> None:
        ctx.start_avaamo("agent", to_phone=f"+{number}")

    async def main() -> None:
        async with world(stage, database, linking([], ask)) as here:
            here.worker.happen(elsewhere("STOP", minutes=0))
            here.worker.receive(said("text me"))
            await here.worker.work()
            assert here.worker.rows("SELECT error FROM action") == [(error,)]

    stage.run(main())


def test_a_notice_counts_on_any_channel_that_sends_one(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with world(stage, database, answering()) as here:
            here.worker.receive(texted("hi"), account="texts")
            await here.worker.work()
            [(user, channel, identity, app)] = here.worker.rows(
                "SELECT u.id, i.channel, i.identity, i.app_id FROM identity i"
                " JOIN app_user u ON u.key = i.user_key"
            )
            known = ChannelIdentity(channel, identity, app_id=app)
            notice = ConsentOptedOut(
                id="n", user=User(user), identities=(known,), occurred_at=NOW + MINUTE
            )
            here.worker.happen(notice, account="texts")
            here.worker.receive(texted("hi again"), account="texts")
            await here.worker.work()
            assert channel == "messenger"
            assert here.worker.statuses() == ["sent", "sent", "dead", "dead"]

    stage.run(main())
