"""The worker half on a real database, with stand-in providers over sockets and a clock to move."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from handlers import codec
from handlers.event import Event
from handlers.router import Router
from receiver import samples
from receiver.accounts import Account, accounts
from receiver.deliver import Deliverer, expire_links
from receiver.dispatch import Dispatcher, Limits
from receiver.receive import read
from receiver.send import Sender
from receiver.settings import Settings
from receiver.standins.server import serving
from receiver.standins.sinch import SinchState, sinch_app
from receiver.standins.smooch import SmoochState, smooch_app
from storage import inbox, lanes, queries
from storage.database import Database
from storage.inbox import Delivery

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ANN = "7c9e1f2a3b4c5d6e7f809a1b"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, span: timedelta) -> None:
        self.now += span


def configured(**tables: dict[str, Any]) -> dict[str, Account]:
    """Accounts as the settings would give them."""
    return accounts(Settings.model_validate({"accounts": tables}).accounts)


def smooch_account(state: SmoochState, url: str, **more: Any) -> dict[str, Any]:
    return {
        "provider": "smooch",
        "api_version": "v1.1",
        "webhook_secrets": [state.secret],
        "app_id": state.app_id,
        "key_id": state.key_id,
        "key_secret": state.key_secret,
        "base_url": url,
    } | more


def sinch_account(state: SinchState, url: str, **more: Any) -> dict[str, Any]:
    return {
        "provider": "sinch",
        "webhook_secrets": [state.secret],
        "project_id": state.project_id,
        "app_id": state.app_id,
        "key_id": state.key_id,
        "key_secret": state.key_secret,
        "base_url": url,
        "auth_url": f"{url}/oauth2/token",
    } | more


def said(text: str, *, user: str = ANN, seed: str | None = None) -> bytes:
    """A Smooch v1.1 message."""
    body = samples.make(
        "smooch", "message:appUser", seed=seed or f"{user} {text}", now=NOW, version="v1.1"
    )
    body["messages"][0] |= {"text": text, "authorId": user}
    body["appUser"]["_id"] = user
    return json.dumps(body).encode()


def texted(text: str) -> bytes:
    """A Sinch message, on Messenger."""
    body = samples.make("sinch", "MESSAGE_INBOUND/messenger", seed=text, now=NOW)
    body["message"]["contact_message"] = {"text_message": {"text": text}}
    return json.dumps(body).encode()


@dataclass
class Worker:
    """Both halves of the work, step by step.

    results: what was settled, by the handlers' part. answers: by the senders'.
    """

    database: Database
    router: Router
    accounts: Mapping[str, Account]
    sender: Sender
    clock: Clock
    limits: Limits
    results: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(
            self.database, self.accounts, self.router, self.limits, self.clock, lambda: None
        )
        self.deliverer = Deliverer(
            self.database,
            self.accounts,
            self.sender,
            self.clock,
            lambda: None,
            lease=self.limits.lease,
            max_attempts=self.limits.max_attempts,
        )

    def receive(self, *bodies: bytes, account: str = "chat") -> None:
        """Store webhooks, as the receiver does."""
        for body in bodies:
            kept = Delivery(account, body, (), self.clock())
            self.store(read(self.accounts, kept))

    def happen(self, *events: Event, account: str = "chat") -> None:
        """Store events as they would come in one webhook."""
        for event in events:
            body = codec.internal_json(event)
            self.store(Delivery(account, body, (event,), self.clock(), internal=True))

    def store(self, *deliveries: Delivery) -> None:
        with self.database.write() as tx:
            inbox.save(tx, deliveries, self.clock())

    async def dispatch(self) -> list[Any]:
        """Handle all that is due; the results of these."""
        before = len(self.results)
        while items := self.dispatcher.step([], 100):
            results = [await self.dispatcher.work(item) for item in items]
            self.results += results
            self.dispatcher.step(results, 0)
        return self.results[before:]

    async def deliver(self) -> list[Any]:
        """Send all that is due; what came of it."""
        before = len(self.answers)
        while items := self.deliverer.step([], 100):
            answers = [await self.deliverer.work(item) for item in items]
            self.answers += answers
            self.deliverer.step(answers, 0)
        return self.answers[before:]

    async def work(self) -> None:
        """Handle and send until there is nothing to do now."""
        while await self.dispatch() or await self.deliver():
            pass

    def tick(self) -> int:
        """What the clock makes due."""
        with self.database.write() as tx:
            started = lanes.start_scheduled(tx, self.clock(), 100)
        with self.database.write() as tx:
            return started + expire_links(tx, self.clock(), self.limits.lease)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.database.read() as tx:
            return [tuple(row) for row in tx.run(sql)]

    def statuses(self) -> list[str]:
        """Of all actions, in the order in which they were asked for."""
        return [row[0] for row in self.rows("SELECT status FROM action ORDER BY id")]

    def events(self) -> list[tuple[str, str]]:
        """(type, status) of all events, in order of arrival."""
        with self.database.read() as tx:
            found = list(queries.events(tx, queries.Filter(limit=0)))[::-1]
        return [(row.type, row.status) for row in found]

    def links(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT status, address, note FROM link ORDER BY id")

    def due_in(self, queue: int) -> list[timedelta]:
        """How long until each unfinished job of a queue is due."""
        rows = self.rows(f"SELECT due_at FROM job WHERE queue = {queue} ORDER BY id")
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return [epoch + timedelta(microseconds=row[0]) - self.clock() for row in rows]


def limits(**changes: Any) -> Limits:
    usual: dict[str, Any] = {
        "lease": timedelta(seconds=60),
        "handler_timeout": timedelta(seconds=5),
        "max_attempts": 3,
        "link_expiry": timedelta(hours=24),
    }
    return Limits(**usual | changes)


@dataclass
class World:
    """A worker with one account at each stand-in: "chat" at Smooch, "texts" at Sinch."""

    worker: Worker
    smooch: SmoochState
    sinch: SinchState
    clock: Clock

    def hooks(self) -> list[dict[str, Any]]:
        """The webhooks that the stand-ins have sent so far."""
        return [fired.body for state in (self.smooch, self.sinch) for fired in state.hooks.fired]

    async def outcomes(self) -> None:
        """Receive what the stand-ins tell of what was sent, and handle it."""
        for name, state in (("chat", self.smooch), ("texts", self.sinch)):
            await state.hooks.settled()
            bodies = [json.dumps(fired.body).encode() for fired in state.hooks.fired]
            state.hooks.fired.clear()
            self.worker.receive(*bodies, account=name)
        await self.worker.work()


class Stage:
    """One loop and one address for the stand-ins of all tests of a module: `run` runs a test."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._server = serving(self)
        self.app: ASGIApp | None = None
        self.url = ""

    def __enter__(self) -> "Stage":
        self._runner.__enter__()
        self.url = self.run(self._server.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._server.__aexit__(None, None, None))
        self._runner.close()

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(main)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        assert self.app is not None
        await self.app(scope, receive, send)


@asynccontextmanager
async def world(
    stage: Stage,
    database: Database,
    router: Router,
    *,
    chat: Mapping[str, Any] | None = None,
    texts: Mapping[str, Any] | None = None,
    deadline: float = 3.0,
    **changes: Any,
) -> AsyncIterator[World]:
    """chat, texts: more settings of the two accounts. changes: of the limits."""
    clock = Clock()
    smooch, sinch = SmoochState(adopt=True, clock=clock), SinchState(adopt=True, clock=clock)
    stage.app = _by_path(smooch_app(smooch), sinch_app(sinch))
    known = configured(
        chat=smooch_account(smooch, stage.url, **(chat or {})),
        texts=sinch_account(sinch, stage.url, **(texts or {})),
    )
    async with Sender(clock, deadline=deadline) as sender:
        worker = Worker(database, router, known, sender, clock, limits(**changes))
        yield World(worker, smooch, sinch, clock)
        await smooch.hooks.settled()
        await sinch.hooks.settled()


def _by_path(smooch: ASGIApp, sinch: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_sinch = scope["path"].startswith(("/v1/projects/", "/oauth2/"))
        await (sinch if is_sinch else smooch)(scope, receive, send)

    return app


def plain(database: Database, router: Router, clock: Clock | None = None, **changes: Any) -> Worker:
    """A worker that sends nothing: its providers are not there."""
    clock = clock or Clock()
    known = configured(chat=smooch_account(SmoochState(), "http://127.0.0.1:1"))
    return Worker(database, router, known, Sender(clock), clock, limits(**changes))


def paths(requests: Sequence[Any]) -> list[str]:
    return [seen.path for seen in requests]
