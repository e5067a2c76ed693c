"""What becomes of an event, whatever its handlers do."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from handlers import Context, Drop, MessageReceived, Retry, Router, when
from handlers.event import Event
from handlers.events import LinkSucceeded, Unknown, UserMerged
from handlers.links import Twilio
from handlers.people import User
from storage import again, keys
from storage.database import Database
from storage.inbox import Delivery
from tests.receiver.worker import ANN, Worker, plain, said

Handler = Callable[[Context[MessageReceived]], Any]


class Seen(BaseModel):
    """What a handler remembers."""

    texts: list[str] = []


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(main)


def routed(*handlers: Handler) -> Router:
    """The first owns every message, the others observe."""
    router = Router()
    first, *rest = handlers
    router.on_message(first)
    for handler in rest:
        router.observe(MessageReceived)(handler)
    return router


def runs(worker: Worker) -> list[tuple[Any, ...]]:
    """(handler, outcome, attempts), by name."""
    rows = worker.rows("SELECT handler, outcome, attempts FROM run ORDER BY event_id, handler")
    return [(name.rpartition(".")[2], outcome, attempts) for name, outcome, attempts in rows]


def errors(worker: Worker) -> list[str]:
    return [row[0] for row in worker.rows("SELECT error FROM run WHERE error IS NOT NULL")]


def test_what_a_handler_asked_for_is_queued_with_the_event_settled(database: Database) -> None:
    async def greet(ctx: Context[MessageReceived]) -> None:
        ctx.reply("Hello")
        ctx.send("Hello again")

    worker = plain(database, routed(greet))
    worker.receive(said("hi"))
    run(worker.dispatch())
    assert worker.events() == [("message.received", "done")]
    assert worker.rows("SELECT kind, status FROM action ORDER BY id") == [
        ("reply", "queued"),
        ("send", "queued"),
    ]
    assert runs(worker) == [("greet", "done", 1)]


def test_a_handler_sees_who_it_is_and_what_is_known(database: Database) -> None:
    seen: list[Context[Any]] = []
    router = Router()

    @router.on_message(when.text(r"text me at (?P<phone>\S+)"))
    async def look(ctx: Context[MessageReceived]) -> None:
        seen.append(ctx)
        ctx.link(Twilio(str(ctx.match["phone"])), note={"why": "asked"})

    worker = plain(database, router)
    worker.receive(said("text me at +15145550123"))
    run(worker.dispatch())
    worker.receive(said("text me at +15145550124"))
    run(worker.dispatch())
    first, second = seen
    assert (first.account, first.provider, first.attempt) == ("chat", "smooch", 1)
    assert first.user == User(ANN, "ann@example.com")
    assert [identity.channel for identity in first.identities] == ["web"]
    assert first.match == {"phone": "+15145550123"}
    assert (first.links, first.now) == ((), worker.clock())
    [link] = second.links
    assert (link.status, link.address, link.note) == (
        "pending",
        "+15145550123",
        {"why": "asked"},
    )


def test_what_is_remembered_of_a_user_reaches_the_next_event(database: Database) -> None:
    async def remember(ctx: Context[MessageReceived]) -> None:
        ctx.state(Seen).texts.append(ctx.event.text or "")

    async def tell(ctx: Context[MessageReceived]) -> None:
        ctx.reply(" ".join(ctx.state(Seen).texts))

    worker = plain(database, routed(remember, tell))
    worker.receive(said("one"), said("two"), said("alien", user="u2"))
    run(worker.dispatch())
    bodies = worker.rows("SELECT body FROM action ORDER BY event_id")
    assert [json.loads(body)["content"]["text"] for (body,) in bodies] == [
        "one",
        "one two",
        "alien",
    ]


def test_a_handler_that_fails_sends_nothing_and_is_tried_again(database: Database) -> None:
    async def flaky(ctx: Context[MessageReceived]) -> None:
        ctx.reply(f"attempt {ctx.attempt}")
        ctx.state(Seen).texts.append("x")
        if ctx.attempt == 1:
            raise ConnectionError("the shop is away")

    worker = plain(database, routed(flaky))
    worker.receive(said("hi"))
    run(worker.dispatch())
    assert worker.events() == [("message.received", "pending")]
    assert worker.statuses() == []
    assert runs(worker) == [("flaky", "failed", 1)]
    assert errors(worker) == ["ConnectionError: the shop is away"]
    [wait] = worker.due_in(1)
    assert timedelta(seconds=5) <= wait <= timedelta(seconds=6.25)
    worker.clock.forward(wait)
    run(worker.dispatch())
    assert worker.events() == [("message.received", "done")]
    assert runs(worker) == [("flaky", "done", 2)]
    [(state,)] = worker.rows("SELECT body FROM state")
    assert json.loads(state) == {"texts": ["x"]}, "what a failed run remembered is forgotten"


def test_a_handler_that_succeeded_is_not_run_again_because_another_failed(
    database: Database,
) -> None:
    calls: list[str] = []

    async def good(ctx: Context[MessageReceived]) -> None:
        calls.append("good")
        ctx.reply("once")

    async def bad(ctx: Context[MessageReceived]) -> None:
        calls.append("bad")
        if ctx.attempt < 3:
            raise ValueError("not yet")
        ctx.send("at last")

    worker = plain(database, routed(good, bad))
    worker.receive(said("hi"))
    for _ in range(3):
        run(worker.dispatch())
        worker.clock.forward(timedelta(hours=1))
    assert calls == ["good", "bad", "bad", "bad"]
    assert worker.rows("SELECT kind FROM action ORDER BY id") == [("reply",), ("send",)]


def test_a_poison_event_is_parked_after_its_attempts_and_the_lane_goes_on(
    database: Database,
) -> None:
    handled: list[str] = []

    async def picky(ctx: Context[MessageReceived]) -> None:
        if ctx.event.text == "poison":
            raise ValueError("never")
        handled.append(f"{ctx.user.id if ctx.user else None} {ctx.event.text}")

    worker = plain(database, routed(picky))
    worker.receive(
        said("a", user="u1"),
        said("poison", user="u1"),
        said("b", user="u1"),
        said("c", user="u2"),
        said("d", user="u2"),
    )
    run(worker.dispatch())
    assert handled == ["u1 a", "u2 c", "u2 d"], "others do not wait, the same person does"
    for _ in range(2):
        worker.clock.forward(timedelta(hours=1))
        run(worker.dispatch())
    assert handled == ["u1 a", "u2 c", "u2 d", "u1 b"]
    assert [status for _, status in worker.events()] == ["done", "dead", "done", "done", "done"]
    assert worker.rows("SELECT attempts, error FROM job") == [(3, "ValueError: never")]


@pytest.mark.parametrize("after", [timedelta(seconds=90), None])
def test_retry_waits_as_long_as_it_says(database: Database, after: timedelta | None) -> None:
    async def patient(ctx: Context[MessageReceived]) -> None:
        raise Retry(after)

    worker = plain(database, routed(patient), max_attempts=1)
    worker.receive(said("hi"))
    run(worker.dispatch())
    [wait] = worker.due_in(1)
    assert wait == after or (after is None and wait >= timedelta(seconds=5))
    assert worker.events() == [("message.received", "pending")], "it asked for it: no failure"


def test_retry_does_not_hold_a_lane_for_ever(database: Database) -> None:
    async def never(ctx: Context[MessageReceived]) -> None:
        raise Retry(1)

    worker = plain(database, routed(never), max_attempts=1)
    worker.receive(said("hi"))
    for _ in range(10):
        run(worker.dispatch())
        worker.clock.forward(timedelta(seconds=1))
    assert worker.events() == [("message.received", "dead")]


def test_drop_is_the_end_with_a_reason_and_nothing_is_sent(database: Database) -> None:
    async def drop(ctx: Context[MessageReceived]) -> None:
        ctx.reply("never")
        raise Drop("not for us")

    worker = plain(database, routed(drop))
    worker.receive(said("hi"))
    run(worker.dispatch())
    assert worker.events() == [("message.received", "done")]
    assert (runs(worker), errors(worker)) == ([("drop", "dropped", 1)], ["not for us"])
    assert worker.statuses() == []


async def _hangs(ctx: Context[MessageReceived]) -> None:
    await asyncio.sleep(60)


async def _refuses_to_end(ctx: Context[MessageReceived]) -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise ValueError("I was not done") from None


def _sleeps(ctx: Context[MessageReceived]) -> None:
    time.sleep(0.5)
    ctx.reply("too late")


async def _own_timeout(ctx: Context[MessageReceived]) -> None:
    raise TimeoutError("the shop did not answer")


def _own_timeout_in_a_thread(ctx: Context[MessageReceived]) -> None:
    raise TimeoutError("the shop did not answer")


async def _exits(ctx: Context[MessageReceived]) -> None:
    raise SystemExit(3)


def _exits_in_a_thread(ctx: Context[MessageReceived]) -> None:
    raise SystemExit(3)


async def _interrupts(ctx: Context[MessageReceived]) -> None:
    raise KeyboardInterrupt


async def _cancels(ctx: Context[MessageReceived]) -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


def _stops_iterating(ctx: Context[MessageReceived]) -> None:
    next(iter(()))


async def _unspeakable(ctx: Context[MessageReceived]) -> None:
    raise ValueError("a NUL \0 and half a pair \ud83d" + "x" * 9999)


def _unsaved(ctx: Context[MessageReceived]) -> None:
    object.__setattr__(ctx.state(Seen), "texts", [object()])


SLOW = (_hangs, _refuses_to_end, _sleeps)
FAILURES: list[tuple[Handler, str]] = [
    (_hangs, "TimeoutError: test_dispatch._hangs took longer than 0.1 s"),
    (_refuses_to_end, "TimeoutError: test_dispatch._refuses_to_end took longer"),
    (_sleeps, "TimeoutError: test_dispatch._sleeps took longer than 0.1 s"),
    (_own_timeout, "TimeoutError: the shop did not answer"),
    (_own_timeout_in_a_thread, "TimeoutError: the shop did not answer"),
    (_exits, "RuntimeError: test_dispatch._exits raised SystemExit: 3"),
    (_exits_in_a_thread, "RuntimeError: test_dispatch._exits_in_a_thread raised"),
    (_interrupts, "RuntimeError: test_dispatch._interrupts raised KeyboardInter"),
    (_cancels, "RuntimeError: test_dispatch._cancels raised CancelledError"),
    (_stops_iterating, "RuntimeError: "),
    (_unspeakable, "ValueError: a NUL  and half a pair ?xxx"),
    (_unsaved, "TypeError: the state Seen holds what cannot be JSON"),
]


def test_a_handler_may_fail_in_any_way_and_others_go_on(database: Database) -> None:
    async def other(ctx: Context[MessageReceived]) -> None:
        ctx.reply("I am well")

    router = Router()
    router.observe(MessageReceived)(other)
    for handler, _ in FAILURES:
        mine = when.text(f"^{handler.__name__}$")
        router.on_message(mine, timeout=0.1 if handler in SLOW else 5)(handler)
    worker = plain(database, router)
    worker.receive(*(said(h.__name__, user=h.__name__) for h, _ in FAILURES))
    run(worker.dispatch())
    failed = worker.rows("SELECT error FROM run WHERE outcome = 'failed' ORDER BY event_id")
    for (found,), (_, error) in zip(failed, FAILURES, strict=True):
        assert found.startswith(error)
    assert worker.statuses() == ["queued"] * len(FAILURES), "of the other one"


def test_a_plain_function_runs_in_a_thread_and_may_return_something_to_await(
    database: Database,
) -> None:
    threads: list[threading.Thread] = []

    async def rest(ctx: Context[MessageReceived]) -> None:
        ctx.reply("all of it")

    def plain_function(ctx: Context[MessageReceived]) -> Any:
        threads.append(threading.current_thread())
        return rest(ctx)

    worker = plain(database, routed(plain_function))
    worker.receive(said("hi"))
    run(worker.dispatch())
    assert threads[0] is not threading.main_thread()
    assert worker.statuses() == ["queued"]


def test_functions_that_never_return_keep_nobody_waiting(database: Database) -> None:
    stuck = threading.Event()

    def hang(ctx: Context[MessageReceived]) -> None:
        if ctx.event.text == "hang":
            stuck.wait(20)

    worker = plain(database, routed(hang), handler_timeout=timedelta(seconds=0.05), max_attempts=1)
    worker.receive(*(said("hang", user=f"u{n}") for n in range(40)), said("hi", user="ann"))

    async def main() -> None:
        items = worker.dispatcher.step([], 100)
        results = await asyncio.gather(*map(worker.dispatcher.work, items))
        worker.dispatcher.step(results, 0)

    run(main())
    assert [status for _, status in worker.events()] == ["dead"] * 40 + ["done"]
    stuck.set()


def test_a_timeout_of_its_own_lengthens_the_lease(database: Database) -> None:
    router = Router()

    @router.on_message(timeout=timedelta(minutes=9))
    async def slow(ctx: Context[MessageReceived]) -> None:
        """Nothing."""

    worker = plain(database, router)
    worker.receive(said("hi"))
    [item] = worker.dispatcher.step([], 10)
    assert item.claim.lease - worker.clock() == timedelta(minutes=10)


def test_handlers_for_which_no_time_was_left_run_next(database: Database) -> None:
    calls: list[str] = []

    async def blocks(ctx: Context[MessageReceived]) -> None:
        calls.append("blocks")
        time.sleep(0.15)  # noqa: ASYNC251 - the handler that one should not write
        ctx.reply("slowly")

    async def other(ctx: Context[MessageReceived]) -> None:
        calls.append("other")

    worker = plain(database, routed(blocks, other), lease=timedelta(seconds=0.1), max_attempts=1)
    worker.receive(said("hi"))
    run(worker.dispatch())
    assert calls == ["blocks", "other"], "the first one is done and not run again"
    assert worker.events() == [("message.received", "done")]


def test_an_error_handler_may_save_the_day(database: Database) -> None:
    router = Router()

    @router.on_message
    async def order(ctx: Context[MessageReceived]) -> None:
        ctx.reply("never said")
        raise ConnectionError("away")

    @router.on_error(OSError)
    async def sorry(ctx: Context[Event]) -> None:
        ctx.reply(f"Sorry: {ctx.error}")

    worker = plain(database, router)
    worker.receive(said("hi"))
    run(worker.dispatch())
    assert worker.events() == [("message.received", "done")]
    [(body,)] = worker.rows("SELECT body FROM action")
    assert json.loads(body)["content"]["text"] == "Sorry: away"
    assert runs(worker) == [("order", "done", 1)]


def test_an_error_handler_that_fails_is_a_failure(database: Database) -> None:
    router = Router()

    @router.on_message
    async def order(ctx: Context[MessageReceived]) -> None:
        raise ConnectionError("away")

    @router.on_error(OSError)
    async def sorry(ctx: Context[Event]) -> None:
        raise ValueError("I cannot help it")

    worker = plain(database, router)
    worker.receive(said("hi"))
    run(worker.dispatch())
    assert errors(worker) == ["ValueError: I cannot help it"]


def test_a_rule_that_fails_is_a_failure_of_the_event_and_not_of_the_worker(
    database: Database,
) -> None:
    router = Router()

    @router.on_message(when.check(lambda event: 1 // 0 == 0))
    async def never(ctx: Context[MessageReceived]) -> None:
        """Nothing."""

    worker = plain(database, router, max_attempts=2)
    worker.receive(said("hi"))
    run(worker.dispatch())
    assert [status for _, status in worker.events()] == ["pending"]
    worker.clock.forward(timedelta(hours=1))
    run(worker.dispatch())
    assert [status for _, status in worker.events()] == ["dead"]


def test_an_event_that_nobody_takes_is_done(database: Database) -> None:
    worker = plain(database, Router())
    worker.receive(said("hi"))
    run(worker.dispatch())
    assert worker.events() == [("message.received", "done")]


def test_an_event_that_the_parser_no_longer_finds_is_dead_and_says_why(
    database: Database,
) -> None:
    worker = plain(database, Router())
    older = Unknown(id="what an older parser called it", user=User(ANN))
    worker.store(Delivery("chat", said("hi"), (older,), worker.clock()))
    run(worker.dispatch())
    [(error,)] = worker.rows("SELECT error FROM job")
    assert error == "cannot be parsed: the parser no longer finds this event in its body"


def test_an_event_that_moved_within_its_body_is_found_by_its_key(database: Database) -> None:
    texts: list[str | None] = []

    async def read(ctx: Context[MessageReceived]) -> None:
        texts.append(ctx.event.text)

    worker = plain(database, routed(read))
    inbound = worker.accounts["chat"].provider.inbound
    assert inbound is not None
    [event] = inbound.parse(said("hi"))
    gone = Unknown(id="an event that is no longer one")
    worker.store(Delivery("chat", said("hi"), (gone, event), worker.clock()))
    run(worker.dispatch())
    assert texts == ["hi"]


@pytest.mark.parametrize("account", ["gone", "agent"])
def test_an_event_of_an_account_that_is_no_longer_there_waits_for_a_human(
    database: Database, account: str
) -> None:
    worker = plain(database, Router())
    worker.store(Delivery(account, said("hi"), (Unknown(id="1"),), worker.clock()))
    run(worker.dispatch())
    [(error,)] = worker.rows("SELECT error FROM job")
    assert error == f"cannot be parsed: there is no account {account} any more"


def test_an_event_whose_body_retention_has_taken_cannot_be_run(database: Database) -> None:
    worker = plain(database, Router())
    worker.receive(said("hi"))
    with database.write() as tx:
        tx.run("UPDATE event SET body = NULL")
    run(worker.dispatch())
    assert [status for _, status in worker.events()] == ["dead"]


def test_a_link_outcome_knows_the_link_and_its_note(database: Database) -> None:
    outcomes: list[LinkSucceeded] = []
    router = Router()

    @router.on_message
    async def ask(ctx: Context[MessageReceived]) -> None:
        ctx.link(Twilio("+15145550123"), note={"order": 7})

    @router.on(LinkSucceeded)
    async def linked(ctx: Context[LinkSucceeded]) -> None:
        outcomes.append(ctx.event)

    worker = plain(database, router)
    worker.receive(said("hi"))
    run(worker.dispatch())
    told = LinkSucceeded(id="l", user=User(ANN), channel="sms", address="+15145550123")
    worker.happen(told, replace(told, id="unasked", address="+15145550199"))
    run(worker.dispatch())
    assert outcomes[0].link is not None
    assert (outcomes[0].link.status, outcomes[0].link.note) == ("linked", {"order": 7})
    assert outcomes[1].link is None


def test_what_a_handler_did_while_its_user_was_merged_goes_to_the_survivor(
    database: Database,
) -> None:
    async def greet(ctx: Context[MessageReceived]) -> None:
        ctx.state(Seen).texts.append("hello")
        ctx.link(Twilio("+15145550123"))

    worker = plain(database, routed(greet))
    worker.receive(said("hi", user="old"), said("there", user="old"), said("hi", user="new"))

    async def main() -> None:
        items = worker.dispatcher.step([], 10)
        results = [await worker.dispatcher.work(item) for item in items[:1]]
        worker.happen(UserMerged(id="m", user=User("new"), discarded=("old",)))
        worker.dispatcher.step(results, 0)
        results = [await worker.dispatcher.work(item) for item in items[1:]]
        worker.dispatcher.step(results, 0)
        await worker.dispatch()

    run(main())
    survivor = keys.user("chat", "new")
    for table in ("state", "link", "action"):
        owners = {bytes(row[0]) for row in worker.rows(f"SELECT user_key FROM {table}")}
        assert owners == {survivor}, table
    assert {status for _, status in worker.events()} == {"done"}


def test_a_worker_that_died_is_replaced_when_its_lease_is_over(database: Database) -> None:
    attempts: list[int] = []

    async def note(ctx: Context[MessageReceived]) -> None:
        attempts.append(ctx.attempt)
        ctx.reply("hello")

    worker = plain(database, routed(note))
    worker.receive(said("hi"))
    [item] = worker.dispatcher.step([], 10)
    stale = run(worker.dispatcher.work(item))
    worker.clock.forward(timedelta(seconds=59))
    assert run(worker.dispatch()) == []
    worker.clock.forward(timedelta(seconds=1))
    run(worker.dispatch())
    worker.dispatcher.step([stale], 0)
    assert attempts == [1, 2]
    assert worker.statuses() == ["queued"], "who comes too late changes nothing"


def test_an_event_that_kills_its_workers_is_parked(database: Database) -> None:
    worker = plain(database, Router(), max_attempts=2)
    worker.receive(said("deadly"), said("hi"))
    for _ in range(2):
        assert len(worker.dispatcher.step([], 10)) == 1
        worker.clock.forward(timedelta(seconds=60))
    run(worker.dispatch())
    assert [status for _, status in worker.events()] == ["dead", "done"]


def test_a_dead_event_runs_only_what_had_not_succeeded(database: Database) -> None:
    calls: list[str] = []
    broken = [True]

    async def good(ctx: Context[MessageReceived]) -> None:
        calls.append("good")

    async def bad(ctx: Context[MessageReceived]) -> None:
        calls.append("bad")
        if broken:
            raise ValueError("broken")

    worker = plain(database, routed(good, bad), max_attempts=1)
    worker.receive(said("hi"))
    run(worker.dispatch())
    broken.clear()
    with database.write() as tx:
        assert again.replay(tx, [1], worker.clock(), handler=None, resend=False) == 1
    run(worker.dispatch())
    assert calls == ["good", "bad", "bad"]
    assert worker.events() == [("message.received", "done")]


def test_a_text_of_many_characters_is_matched_beside_the_loop(database: Database) -> None:
    threads: list[str] = []
    router = Router()

    def slow_rule(event: Event) -> bool:
        threads.append(threading.current_thread().name)
        return True

    router.on_message(when.check(slow_rule))(_hangs)
    worker = plain(database, router, handler_timeout=timedelta(seconds=0.01))
    worker.receive(said("x" * 5000))
    run(worker.dispatch())
    assert threads != [threading.main_thread().name]
