"""Whole processes' worth of parts, on real databases that go away and come back."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from handlers import Context, MessageReceived, Router
from receiver.node import CannotStart, Node
from receiver.settings import Settings
from receiver.standins.server import serving
from receiver.standins.smooch import SmoochState, smooch_app
from storage import queries
from storage.database import Database
from tests.conftest import missing
from tests.parts import postgres
from tests.receiver.worker import said, smooch_account

KEY = "standin-webhook-secret"


def answering(*answers: Callable[[Context[MessageReceived]], Any]) -> Router:
    router = Router()
    for answer in answers:
        router.on_message(answer)
    return router


async def hello(ctx: Context[MessageReceived]) -> None:
    ctx.reply(f"hello {ctx.event.text}")


def settings(url: str, standin: str = "http://127.0.0.1:1", **more: Any) -> Settings:
    chat = smooch_account(SmoochState(), standin)
    usual = {"database_url": url, "accounts": {"chat": chat}, "spool_dir": ""}
    return Settings.model_validate(usual | more)


def plain(url: str) -> str:
    """The URL as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@asynccontextmanager
async def smooch() -> AsyncIterator[tuple[SmoochState, str]]:
    state = SmoochState(adopt=True)
    async with serving(smooch_app(state)) as url:
        yield state, url


async def post(node: Node, *texts: str, user: str = "ann") -> list[int]:
    """The statuses of the answers to these messages."""
    assert node.public is not None
    transport = httpx.ASGITransport(node.public)
    async with httpx.AsyncClient(transport=transport, base_url="http://hookline") as client:
        headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
        answers = [
            await client.post("/webhooks/chat", content=said(text, user=user), headers=headers)
            for text in texts
        ]
    return [answer.status_code for answer in answers]


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.02)


def statuses(url: str) -> list[str]:
    database = Database(url)
    try:
        with database.read() as tx:
            found = list(queries.events(tx, queries.Filter(limit=0)))[::-1]
    finally:
        database.close()
    return [row.status for row in found]


def texts(state: SmoochState) -> list[str]:
    return [message["text"] for message in state.messages]


def test_a_message_is_answered(database_url: str) -> None:
    async def main() -> None:
        async with smooch() as (state, standin):
            node = Node(settings(database_url, standin), answering(hello))
            async with node.running():
                assert await post(node, "one", "two", "one") == [200, 200, 200]
                await until(lambda: len(state.messages) == 2)
            assert texts(state) == ["hello one", "hello two"]

    asyncio.run(main())
    assert statuses(database_url) == ["done", "done"]


def test_a_stop_settles_what_is_under_way(database_url: str) -> None:
    began = threading.Event()

    async def slow(ctx: Context[MessageReceived]) -> None:
        began.set()
        await asyncio.sleep(0.3)
        ctx.reply("hello")

    async def main() -> None:
        async with smooch() as (_, standin):
            node = Node(settings(database_url, standin), answering(slow))
            async with node.running():
                await post(node, "one", "two")
                await until(began.is_set)

    asyncio.run(main())
    assert statuses(database_url) == ["done", "pending"]


def test_a_handler_that_never_returns_does_not_keep_others_or_the_stop_waiting(
    database_url: str,
) -> None:
    handled: list[str] = []

    def hang(ctx: Context[MessageReceived]) -> None:
        if ctx.event.text == "hang":
            time.sleep(30)
        handled.append(ctx.event.text or "")

    async def main() -> None:
        more = {"handler_timeout": 0.2, "max_attempts": 1}
        node = Node(settings(database_url, **more), answering(hang))
        async with node.running():
            for number in range(8):
                await post(node, "hang", user=f"u{number}")
            await post(node, "hi")
            await until(lambda: "pending" not in statuses(database_url))

    asyncio.run(main())
    assert handled == ["hi"]
    assert statuses(database_url) == ["dead"] * 8 + ["done"]


def test_a_handler_that_blocks_the_loop_delays_others_and_loses_nothing(
    database_url: str,
) -> None:
    async def block(ctx: Context[MessageReceived]) -> None:
        time.sleep(0.3)  # noqa: ASYNC251 - the handler that one should not write

    async def main() -> None:
        node = Node(settings(database_url), answering(block))
        async with node.running():
            assert await post(node, "one", "two") == [200, 200]
            assert await post(node, "one", user="bob") == [200]
            await until(lambda: statuses(database_url) == ["done"] * 3)

    asyncio.run(main())


def test_one_process_receives_and_another_works(postgres_url: str) -> None:
    async def main() -> None:
        async with smooch() as (state, standin):
            chosen = settings(postgres_url, standin)
            receiver = Node(chosen, Router(), works=False)
            worker = Node(chosen, answering(hello), receives=False)
            async with receiver.running(), worker.running():
                await _heard(postgres_url)
                began = time.monotonic()
                for number in range(5):
                    await post(receiver, f"{number}")
                    await until(lambda n=number: len(state.messages) == n + 1)
                woken = time.monotonic() - began
            assert texts(state) == [f"hello {number}" for number in range(5)]
            assert woken < 4, "five turns of a second each are what polling alone would take"
            assert (receiver.worker, worker.public) == (None, None)

    asyncio.run(main())


async def _heard(url: str) -> None:
    """Wait until a worker listens."""
    sql = "SELECT 1 FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'"
    async with await psycopg.AsyncConnection.connect(plain(url), autocommit=True) as connection:
        async with asyncio.timeout(5):
            while not await (await connection.execute(sql)).fetchone():  # noqa: ASYNC110
                await asyncio.sleep(0.02)


def test_connections_that_are_cut_cost_nothing_but_time(postgres_url: str) -> None:
    async def slow(ctx: Context[MessageReceived]) -> None:
        await asyncio.sleep(0.3)
        ctx.reply(f"hello {ctx.event.text}")

    async def main() -> None:
        async with smooch() as (state, standin):
            chosen = settings(postgres_url, standin)
            receiver = Node(chosen, Router(), works=False)
            worker = Node(chosen, answering(slow), receives=False)
            async with receiver.running(), worker.running():
                await _heard(postgres_url)
                await post(receiver, "one")
                await asyncio.sleep(0.15)
                await asyncio.to_thread(_cut, postgres_url)
                await until(lambda: texts(state) == ["hello one"])
                await until(lambda: statuses(postgres_url) == ["done"])
                assert 200 in await post(receiver, "two", "two", "two")
                await until(lambda: texts(state) == ["hello one", "hello two"])

    asyncio.run(main())
    database = Database(postgres_url)
    with database.read() as tx:
        assert [row[0] for row in tx.run("SELECT attempts FROM run")] == [1, 1]
    database.close()


def _cut(url: str) -> None:
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


@pytest.fixture
def own_server() -> Iterator[postgres.Server]:
    """A PostgreSQL that may be stopped."""
    try:
        with postgres.server() as server:
            yield server
    except FileNotFoundError as error:
        missing(str(error))


def test_what_was_done_while_the_database_was_away_is_kept_and_settled_later(
    own_server: postgres.Server,
) -> None:
    away = threading.Event()
    calls: list[int] = []

    async def wait(ctx: Context[MessageReceived]) -> None:
        calls.append(ctx.attempt)
        await until(away.is_set)
        ctx.reply("hello")

    async def main() -> None:
        async with smooch() as (state, standin):
            node = Node(settings(own_server.url, standin), answering(wait))
            async with node.running():
                assert await post(node, "one") == [200]
                await until(lambda: calls == [1])
                await asyncio.to_thread(own_server.stop)
                away.set()
                assert await post(node, "two") == [503]
                await asyncio.sleep(1.2)
                await asyncio.to_thread(own_server.start, "fsync=off", "log_min_messages=fatal")
                await until(lambda: texts(state) == ["hello"])
                assert await post(node, "two") == [200]
                await until(lambda: len(state.messages) == 2)
            assert calls == [1, 1]

    asyncio.run(main())
    assert statuses(own_server.url) == ["done", "done"]


def test_two_processes_on_one_sqlite_file_are_refused(sqlite_url: str) -> None:
    async def main() -> None:
        async with Node(settings(sqlite_url), Router()).running():
            with pytest.raises(CannotStart, match="another process is using"):
                async with Node(settings(sqlite_url), Router(), receives=False).running():
                    pass

    asyncio.run(main())
