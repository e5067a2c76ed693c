"""What becomes of an action, whatever the provider answers, or does not."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from handlers import Context, LinkFailed, MessageReceived, Router
from handlers.events import LinkExpired, LinkSucceeded, MessageDelivered
from handlers.links import Twilio
from handlers.people import User
from receiver.errors import Unavailable
from receiver.provider import Sent
from receiver.standins.faults import Answer, Fault, Garbage, Lost, Slow, throttled
from storage import again
from storage.database import Database
from tests.receiver.worker import ANN, Stage, World, paths, said, texted, world

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
PHONE = "+15145550123"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The stand-ins' address."""
    with Stage() as ready:
        yield ready


def replies(*texts: str) -> Router:
    """Answers every message with these."""
    router = Router()

    @router.on_message
    async def answer(ctx: Context[MessageReceived]) -> None:
        for text in texts:
            ctx.reply(text)

    return router


def linking(*told: Any) -> Router:
    """Links the number; what comes of it is put into the first list that is given."""
    router = Router()

    @router.on_message
    async def ask(ctx: Context[MessageReceived]) -> None:
        ctx.link(Twilio(PHONE), note={"why": "asked"})

    @router.on(LinkSucceeded)
    @router.on(LinkFailed)
    @router.on(LinkExpired)
    async def outcome(ctx: Context[Any]) -> None:
        assert ctx.event.link is not None
        told[0].append((ctx.event.type, ctx.event.link.status, ctx.event.link.note))

    return router


def texts_sent(here: World) -> list[str]:
    return [message["text"] for message in here.smooch.messages]


def attempts(here: World) -> list[tuple[Any, ...]]:
    return here.worker.rows("SELECT status, attempts FROM action ORDER BY id")


async def _say(here: World, text: str = "hi") -> None:
    here.worker.receive(said(text))
    await here.worker.work()


async def _later(here: World, span: timedelta = HOUR) -> None:
    here.clock.forward(span)
    await here.worker.work()


def test_replies_are_sent_in_order_and_once(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with world(stage, database, replies("one", "two", "three")) as here:
            await _say(here)
            await _later(here)
            assert texts_sent(here) == ["one", "two", "three"]
            assert here.worker.statuses() == ["sent"] * 3
            ids = here.worker.rows("SELECT message_id FROM action ORDER BY id")
            assert all(number for (number,) in ids)

    stage.run(main())


def test_a_persons_next_action_waits_for_the_one_before(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with world(stage, database, replies("one", "two")) as here:
            here.smooch.faults.next(Answer(503))
            here.worker.receive(said("hi"), said("hi", user="bob"))
            await here.worker.work()
            assert texts_sent(here) == ["one", "two"], "bob's; ann's first one has failed"
            await _later(here)
            assert texts_sent(here) == ["one", "two"] * 2

    stage.run(main())


RETRY_AFTER = {
    "30": (30, 30),
    "1": (5, 6.25),
    "0": (5, 6.25),
    "9999999999": (3600, 3600),
    "soon": (5, 6.25),
    "-5": (5, 6.25),
    "Thu, 01 Jan 1970 00:00:00 GMT": (5, 6.25),
    None: (5, 6.25),
}


@pytest.mark.parametrize(("header", "bounds"), RETRY_AFTER.items())
def test_the_wait_after_too_many_requests_is_the_providers_within_bounds(
    stage: Stage, database: Database, header: str | None, bounds: tuple[float, float]
) -> None:
    async def main() -> None:
        async with world(stage, database, replies("hi")) as here:
            here.smooch.faults.next(throttled(header))
            await _say(here)
            [wait] = here.worker.due_in(2)
            assert bounds[0] * SECOND <= wait <= bounds[1] * SECOND
            await _later(here, wait - SECOND / 1000)
            assert texts_sent(here) == []
            await _later(here, SECOND / 1000)
            assert texts_sent(here) == ["hi"]
            assert attempts(here) == [("sent", 2)]

    stage.run(main())


def test_three_errors_of_the_provider_and_then_success_are_four_attempts(
    stage: Stage,
    database: Database,
) -> None:
    async def main() -> None:
        async with world(stage, database, replies("hi"), max_attempts=12) as here:
            here.smooch.faults.next(Answer(500), Answer(502), Answer(503))
            await _say(here)
            waits = []
            while jobs := here.worker.due_in(2):
                waits += jobs
                await _later(here, jobs[0])
            assert texts_sent(here) == ["hi"]
            assert attempts(here) == [("sent", 4)]
            for wait, least in zip(waits, (5, 20, 80), strict=True):
                assert least * SECOND <= wait <= least * 1.25 * SECOND

    stage.run(main())


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_what_the_provider_refuses_is_dead_at_once_and_the_next_is_sent(
    stage: Stage, database: Database, status: int
) -> None:
    async def main() -> None:
        async with world(stage, database, replies("bad", "good")) as here:
            body = b'{"error": {"code": "bad_request", "description": "no"}}'
            here.smooch.faults.next(Answer(status, body))
            await _say(here)
            assert attempts(here) == [("dead", 1), ("sent", 1)]
            assert texts_sent(here) == ["good"]
            [(error,)] = here.worker.rows("SELECT error FROM action WHERE status = 'dead'")
            assert error == f"127.0.0.1 answered POST with {status}: no: bad_request"

    stage.run(main())


def test_after_all_its_attempts_an_action_is_dead_and_can_be_sent_again(
    stage: Stage,
    database: Database,
) -> None:
    async def main() -> None:
        async with world(stage, database, replies("one", "two"), max_attempts=2) as here:
            here.smooch.faults.next(Answer(500), Answer(500))
            await _say(here)
            await _later(here)
            assert attempts(here) == [("dead", 2), ("sent", 1)]
            ids = [row[0] for row in here.worker.rows("SELECT id FROM action")]
            with database.write() as tx:
                assert again.resend(tx, ids, here.clock()) == 1
            await here.worker.work()
            assert texts_sent(here) == ["two", "one"]
            assert attempts(here) == [("sent", 1), ("sent", 1)]

    stage.run(main())


def test_an_expired_token_is_fetched_anew_and_the_request_repeated_once(
    stage: Stage,
    database: Database,
) -> None:
    async def main() -> None:
        async with world(stage, database, replies("hi")) as here:
            for number, fetched in ((1, 1), (2, 1)):
                here.worker.receive(texted(f"hi {number}"), account="texts")
                await here.worker.work()
                assert here.sinch.tokens_fetched == fetched
            here.sinch.revoke()
            here.worker.receive(texted("hi 3"), account="texts")
            await here.worker.work()
            assert here.sinch.tokens_fetched == 2
            assert len(here.sinch.messages) == 3
            assert attempts(here) == [("sent", 1)] * 3

    stage.run(main())


def test_a_credential_that_is_refused_is_asked_twice_and_tried_later(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(stage, database, replies("hi")) as here:
            here.sinch.faults.next(Answer(401), Answer(401), on="messages:send")
            here.worker.receive(texted("hi"), account="texts")
            await here.worker.work()
            sends = [path for path in paths(here.sinch.requests) if path.endswith(":send")]
            assert len(sends) == 2
            assert attempts(here) == [("queued", 1)]
            await _later(here)
            assert attempts(here) == [("sent", 2)]

    stage.run(main())


def test_a_refused_connection_is_tried_again(stage: Stage, database: Database) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]

    async def main() -> None:
        closed = {"base_url": f"http://127.0.0.1:{port}"}
        async with world(stage, database, replies("hi"), chat=closed) as here:
            await _say(here)
            assert attempts(here) == [("queued", 1)]
            [(error,)] = here.worker.rows("SELECT error FROM action")
            assert error == "connection: no answer from 127.0.0.1"

    stage.run(main())


def test_a_host_that_cannot_be_trusted_is_not_tried_again(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with world(stage, database, replies("hi")) as here:
            [answer] = await _with_error(here, "tls")
            assert answer.error.code == "tls"
            assert attempts(here) == [("dead", 1)]

    stage.run(main())


async def _with_error(here: World, code: str) -> list[Any]:
    """What comes of an action whose request fails so. A real handshake is in test_send."""
    here.worker.receive(said("hi"))
    await here.worker.dispatch()
    items = here.worker.deliverer.step([], 10)
    answers = [await here.worker.deliverer.work(item) for item in items]
    failed = [replace(a, sent=None, error=Unavailable("no", code=code)) for a in answers]
    here.worker.deliverer.step(failed, 0)
    return failed


def test_a_redirect_is_not_followed_and_final(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with world(stage, database, replies("hi")) as here:
            where = {"Location": "http://169.254.169.254/latest/meta-data"}
            here.smooch.faults.next(Answer(302, headers=where))
            await _say(here)
            assert len(here.smooch.requests) == 1
            assert attempts(here) == [("dead", 1)]

    stage.run(main())


LOSSES: dict[str, Fault] = {
    "the connection drops": Lost(),
    "the answer is garbage": Garbage(),
    "the answer takes too long": Slow(1.0),
}


@pytest.mark.parametrize("fault", LOSSES.values(), ids=LOSSES)
def test_a_lost_answer_is_uncertain_and_held(
    stage: Stage, database: Database, fault: Fault
) -> None:
    async def main() -> None:
        held = {"uncertain": "hold"}
        async with world(stage, database, replies("one", "two"), chat=held, deadline=0.4) as here:
            here.smooch.faults.next(fault)
            await _say(here)
            await _later(here)
            assert attempts(here) == [("uncertain", 1), ("sent", 1)]
            assert len(here.smooch.requests) == 2, "not asked twice"

    stage.run(main())


def test_a_lost_answer_is_repeated_where_the_account_says_so(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        again_ = {"uncertain": "repeat"}
        async with world(stage, database, replies("one"), chat=again_) as here:
            here.smooch.faults.next(Lost())
            await _say(here)
            assert attempts(here) == [("queued", 1)]
            await _later(here)
            assert attempts(here) == [("sent", 2)]
            assert texts_sent(here) == ["one", "one"]

    stage.run(main())


def test_a_receipt_settles_what_was_uncertain(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with world(stage, database, replies("hi"), texts={"uncertain": "hold"}) as here:
            here.sinch.faults.next(Lost(), on="messages:send")
            here.worker.receive(texted("hi"), account="texts")
            await here.worker.work()
            assert attempts(here) == [("uncertain", 1)]
            await here.outcomes()
            assert attempts(here) == [("sent", 1)]
            assert here.worker.rows("SELECT message_id FROM action") == [
                (here.sinch.messages[0]["id"],)
            ]
            assert here.worker.due_in(2) == []

    stage.run(main())


@pytest.mark.parametrize("uncertain", ["hold", "repeat"])
def test_a_receipt_that_is_faster_than_the_loss_settles_it_too(
    stage: Stage, database: Database, uncertain: str
) -> None:
    async def main() -> None:
        policy = {"uncertain": uncertain}
        async with world(stage, database, replies("hi"), texts=policy) as here:
            here.sinch.faults.next(Lost(), on="messages:send")
            here.worker.receive(texted("hi"), account="texts")
            await here.worker.dispatch()
            items = here.worker.deliverer.step([], 10)
            answers = [await here.worker.deliverer.work(item) for item in items]
            await here.sinch.hooks.settled()
            bodies = [json.dumps(fired.body).encode() for fired in here.sinch.hooks.fired]
            here.worker.receive(*bodies, account="texts")
            here.worker.deliverer.step(answers, 0)
            await _later(here)
            assert here.worker.statuses() == ["sent"]
            assert len(here.sinch.messages) == 1

    stage.run(main())


def test_a_worker_that_died_while_sending_leaves_it_uncertain(
    stage: Stage, database: Database
) -> None:
    async def main() -> None:
        async with world(
            stage, database, replies("one", "two"), chat={"uncertain": "hold"}
        ) as here:
            here.worker.receive(said("hi"))
            await here.worker.dispatch()
            [item] = here.worker.deliverer.step([], 10)
            stale = await here.worker.deliverer.work(item)
            await _later(here, timedelta(seconds=60))
            assert attempts(here) == [("uncertain", 2), ("sent", 1)]
            here.worker.deliverer.step([stale], 0)
            assert attempts(here) == [("uncertain", 2), ("sent", 1)], "it comes too late"
            assert texts_sent(here) == ["one", "two"]

    stage.run(main())


def test_a_worker_that_died_while_sending_is_followed_by_another_where_the_account_says_so(
    stage: Stage,
    database: Database,
) -> None:
    async def main() -> None:
        async with world(stage, database, replies("one"), chat={"uncertain": "repeat"}) as here:
            here.worker.receive(said("hi"))
            await here.worker.dispatch()
            assert len(here.worker.deliverer.step([], 10)) == 1
            await _later(here, timedelta(seconds=60))
            assert attempts(here) == [("sent", 2)]

    stage.run(main())


def test_an_action_for_an_account_that_is_not_there_is_dead(
    stage: Stage, database: Database
) -> None:
    router = Router()

    @router.on_message
    async def greet(ctx: Context[MessageReceived]) -> None:
        ctx.start_avaamo("agent", to_phone=PHONE)

    async def main() -> None:
        async with world(stage, database, router) as here:
            await _say(here)
            rows = here.worker.rows("SELECT status, error FROM action")
            assert rows == [("dead", "there is no account agent")]

    stage.run(main())


def test_a_bug_of_an_adapter_is_dead_and_the_sender_goes_on(
    stage: Stage, database: Database
) -> None:
    def buggy(*_: Any) -> Any:
        raise ZeroDivisionError

    async def main() -> None:
        async with world(stage, database, replies("one")) as here:
            good = here.worker.accounts["chat"]
            bad = replace(good.provider, outbound=replace(good.provider.outbound, carry_out=buggy))
            here.worker.deliverer._accounts = {"chat": replace(good, provider=bad)}
            await _say(here)
            rows = here.worker.rows("SELECT status, error FROM action")
            assert rows == [("dead", "a bug of ours: ZeroDivisionError")]

    stage.run(main())


def test_a_scheduled_send_waits_for_its_time(stage: Stage, database: Database) -> None:
    router = Router()

    @router.on_message
    async def remind(ctx: Context[MessageReceived]) -> None:
        ctx.send("do not forget", after=HOUR)
        ctx.reply("I will remind you")

    async def main() -> None:
        async with world(stage, database, router) as here:
            await _say(here)
            assert here.worker.tick() == 0
            await _later(here, HOUR - SECOND)
            assert texts_sent(here) == ["I will remind you"]
            here.clock.forward(SECOND)
            assert here.worker.tick() == 1
            await here.worker.work()
            assert texts_sent(here) == ["I will remind you", "do not forget"]

    stage.run(main())


def test_a_link_succeeds_and_its_handler_reads_the_note(stage: Stage, database: Database) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, linking(told)) as here:
            await _say(here)
            assert here.worker.links()[0][0] == "pending"
            await here.outcomes()
            assert told == [("link.succeeded", "linked", {"why": "asked"})]
            assert here.worker.links() == [("linked", PHONE, '{"why": "asked"}')]
            await _later(here, timedelta(days=2))
            assert here.worker.tick() == 0, "the expiry finds nothing to do"
            assert here.worker.due_in(3) == []
            await here.worker.work()
            assert len(told) == 1

    stage.run(main())


def test_a_link_that_the_provider_refuses_fails_by_an_event_of_ours(
    stage: Stage, database: Database
) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, linking(told)) as here:
            body = b'{"error": {"code": "already_linked", "description": "taken"}}'
            here.smooch.faults.next(Answer(400, body))
            await _say(here)
            assert told == [("link.failed", "failed", {"why": "asked"})]
            assert ("link.failed", "done") in here.worker.events()
            [(error,)] = here.worker.rows("SELECT error FROM link")
            assert error.endswith("taken: already_linked")

    stage.run(main())


def test_a_person_who_cannot_be_reached_fails_the_link(stage: Stage, database: Database) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, linking(told)) as here:
            here.smooch.unreachable.add(PHONE)
            await _say(here)
            await here.outcomes()
            assert told == [("link.failed", "failed", {"why": "asked"})]

    stage.run(main())


def test_a_link_without_an_outcome_expires_once(stage: Stage, database: Database) -> None:
    told: list[Any] = []

    async def main() -> None:
        async with world(stage, database, linking(told), link_expiry=HOUR) as here:
            here.smooch.hooks.target = None
            await _say(here)
            here.smooch.hooks.fired.clear()
            here.clock.forward(HOUR - SECOND)
            assert here.worker.tick() == 0
            here.clock.forward(SECOND)
            assert here.worker.tick() == 1
            assert here.worker.tick() == 0
            await here.worker.work()
            assert told == [("link.expired", "expired", {"why": "asked"})]
            late = LinkSucceeded(id="late", user=User(ANN), channel="sms", address=PHONE)
            here.worker.happen(late)
            await here.worker.work()
            assert told[1:] == [("link.succeeded", "expired", {"why": "asked"})]

    stage.run(main())


def test_an_identity_that_sinch_adds_is_linked_at_once(stage: Stage, database: Database) -> None:
    told: list[Any] = []
    router = Router()

    @router.on_message
    async def ask(ctx: Context[MessageReceived]) -> None:
        ctx.add_identity("sms", PHONE, note={"n": 1})

    @router.on(LinkSucceeded)
    async def linked(ctx: Context[LinkSucceeded]) -> None:
        assert ctx.event.link is not None
        told.append((ctx.event.address, ctx.event.link.status, ctx.event.link.note))
        told.append(ctx.identity("sms"))

    async def main() -> None:
        async with world(stage, database, router) as here:
            here.worker.receive(texted("hi"), account="texts")
            await here.worker.work()
            assert told[0] == (PHONE, "linked", {"n": 1})
            assert told[1].identity == PHONE

    stage.run(main())


def test_an_answer_that_no_database_takes_is_still_known_to_have_been_sent(
    stage: Stage,
    database: Database,
) -> None:
    async def main() -> None:
        async with world(stage, database, replies("hi")) as here:
            here.worker.receive(said("hi"))
            await here.worker.dispatch()
            items = here.worker.deliverer.step([], 10)
            answers = [await here.worker.deliverer.work(item) for item in items]
            odd = [here.worker.deliverer.spoilt(replace(a, sent=Sent("\0"))) for a in answers]
            here.worker.deliverer.step(odd, 0)
            assert here.worker.statuses() == ["sent"]

    stage.run(main())


def test_a_doubled_receipt_changes_nothing(stage: Stage, database: Database) -> None:
    async def main() -> None:
        async with world(stage, database, replies("hi")) as here:
            here.worker.receive(texted("hi"), account="texts")
            await here.worker.work()
            await here.outcomes()
            message = here.sinch.messages[0]["id"]
            late = MessageDelivered(id="again", message_id=message, reference="hl-1")
            here.worker.happen(late, account="texts")
            await here.worker.work()
            assert here.worker.rows("SELECT status FROM receipt") == [("message.delivered",)]
            assert attempts(here) == [("sent", 1)]

    stage.run(main())
