"""
One running process: what `serve` and `work` start, in the order in which it depends on itself, and
stop in the other. Nothing here is a global; tests run several in one process.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.types import ASGIApp

from handlers.router import Router
from receiver import app
from receiver.accounts import Account, accounts
from receiver.bell import Bell
from receiver.deliver import Delivered, Deliverer, expire_links
from receiver.dispatch import Dispatcher, Limits
from receiver.engine import Engine
from receiver.intake import intake, spooling
from receiver.logs import get_logger
from receiver.reveal import Reveal
from receiver.send import DEADLINE, Sender
from receiver.settings import Settings
from receiver.spool import Spool, Unusable
from storage import dialects, lanes, retention
from storage.consent import Words
from storage.database import AWAY, Database
from storage.outbox import Outgoing
from storage.work import Result, Work

TICK = 1.0  # seconds between two looks at what the clock makes due
_SHARE = 0.75  # of the lease, for a request; after it another worker may have the action
SENDS = 20  # requests under way at once: a killed worker leaves at most these uncertain

log = get_logger()


class CannotStart(Exception):
    """The process must not run like this; the message says what to do."""


def clock() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Node:
    """The parts of a running process. receives, works: which halves it has."""

    settings: Settings
    router: Router
    receives: bool = True
    works: bool = True
    accounts: dict[str, Account] = field(init=False)
    database: Database = field(init=False)
    dispatch: Engine[Work, Result] | None = field(init=False, default=None)
    deliver: Engine[Outgoing, Delivered] | None = field(init=False, default=None)
    public: ASGIApp | None = field(init=False, default=None)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _bell: Bell | None = field(init=False, default=None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Node"]:
        """From here everything runs; afterwards what was under way has ended and is settled.

        Raises CannotStart where the database is not as this program needs it.
        """
        self._loop = asyncio.get_running_loop()
        settings = self.settings
        words = Words.of(settings.stop_words, settings.start_words)
        self.accounts = accounts(settings.accounts, words)
        url = self.settings.database_url.get_secret_value()
        self._bell = Bell(url) if dialects.has_bell(url) else None
        with alone(url), self._spooling() as spool:
            self.database = Database(url)
            try:
                _check_schema(self.database)
                async with contextlib.AsyncExitStack() as stack:
                    if self.works:
                        await stack.enter_async_context(self._working(url))
                    if self.receives:
                        await stack.enter_async_context(self._receiving(spool))
                    yield self
            finally:
                self.database.close()

    @contextmanager
    def _spooling(self) -> Iterator[Spool | None]:
        with contextlib.ExitStack() as stack:
            try:
                spool = stack.enter_context(spooling(self.settings)) if self.receives else None
            except Unusable as error:
                raise CannotStart(f"spool_dir: {error}") from None
            yield spool

    @asynccontextmanager
    async def _receiving(self, spool: Spool | None) -> AsyncIterator[None]:
        # A worker of its own is woken directly; those of other processes, by the bell.
        ringing = [] if self.works or self._bell is None else [self._bell.ringing()]
        taking = intake(self.settings, self.accounts, clock, self._committed, spool)
        async with taking as endpoint, _beside(*ringing):
            self.public = app.public(endpoint)
            yield

    def _committed(self) -> None:
        if self.dispatch is not None:
            self.dispatch.wake()
        elif self._bell is not None:
            self._bell.ring()

    @asynccontextmanager
    async def _working(self, url: str) -> AsyncIterator[None]:
        settings = self.settings
        limits = Limits(
            settings.lease, settings.handler_timeout, settings.max_attempts, settings.link_expiry
        )
        deadline = min(DEADLINE, _SHARE * settings.lease.total_seconds())
        async with Sender(clock, deadline=deadline) as sender:
            reveal = Reveal(self.database, self.accounts, sender, clock)
            dispatcher = Dispatcher(
                self.database,
                self.accounts,
                self.router,
                limits,
                clock,
                self._later_deliver,
                reveal,
            )
            deliverer = Deliverer(
                self.database,
                self.accounts,
                sender,
                clock,
                self._later_dispatch,
                lease=settings.lease,
                max_attempts=settings.max_attempts,
            )
            self.dispatch = Engine(
                "dispatch",
                dispatcher.step,
                dispatcher.work,
                dispatcher.spoilt,
                settings.concurrency,
            )
            self.deliver = Engine(
                "deliver", deliverer.step, deliverer.work, deliverer.spoilt, SENDS
            )
            hearing = [] if self._bell is None else [self._bell.hearing(self._wake_dispatch)]
            async with asyncio.TaskGroup() as group, _beside(self._tick(), *hearing):
                for engine in (self.dispatch, self.deliver):
                    group.create_task(engine.run())
                try:
                    yield
                finally:
                    self.dispatch.stop()
                    self.deliver.stop()

    async def _tick(self) -> None:
        """What the clock makes due: scheduled sends, links without an outcome, old bodies."""
        while True:
            try:
                found = await _whole(asyncio.to_thread(self._look))
            except AWAY as error:
                log.error("database_away", part="clock", error=type(error).__name__)
                found = 0
            except Exception:
                log.exception("clock_failed")
                found = 0
            if found:
                self._wake_dispatch()
                self._wake_deliver()
            await asyncio.sleep(TICK)

    def _look(self) -> int:
        now = clock()
        with self.database.write() as tx:
            due = lanes.start_scheduled(tx, now, 200)
        with self.database.write() as tx:
            expired = expire_links(tx, now, self.settings.lease)
        keep = retention.Keep(self.settings.keep_payloads, self.settings.keep_events)
        with self.database.write() as tx:
            retention.prune(tx, keep, now)
        return due + expired

    def _wake_dispatch(self) -> None:
        if self.dispatch is not None:
            self.dispatch.wake()

    def _wake_deliver(self) -> None:
        if self.deliver is not None:
            self.deliver.wake()

    def _later_dispatch(self) -> None:
        self._loop.call_soon_threadsafe(self._wake_dispatch)

    def _later_deliver(self) -> None:
        self._loop.call_soon_threadsafe(self._wake_deliver)

    def checks(self) -> dict[str, str | None]:
        """What `/readyz` answers: each check with what is wrong, or None."""
        try:
            self.database.check()
            pending = self.database.pending()
        except AWAY as error:
            return {"database": f"does not answer ({type(error).__name__})"}
        behind = f"run `hookline migrate`: {', '.join(pending)}" if pending else None
        return {"database": None, "schema": behind}


async def _whole(step: Coroutine[None, None, int]) -> int:
    """Wait for a step even when cancelled: its connection must be back before the pool closes."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait([task])


@asynccontextmanager
async def _beside(*jobs: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Let these run until the block ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def _check_schema(database: Database) -> None:
    """A new database is set up; an older one waits for a human's `hookline migrate`.

    A server that is away is no reason not to start: webhooks are deferred, or spooled, meanwhile.
    """
    try:
        if database.is_empty():
            database.migrate()
        elif pending := database.pending():
            raise CannotStart(
                f"the database's schema is older than this program ({', '.join(pending)} to come):"
                " back it up, then run `hookline migrate`"
            )
    except AWAY as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        if not dialects.may_come_back(error):
            raise CannotStart(f"the database cannot be used: {reason}") from None
        log.error("database_away", part="start", error=type(error).__name__)


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Hold an SQLite file against a second process; nothing to do for PostgreSQL.

    Raises CannotStart where another process has it, or where the folder cannot be written.
    """
    path = url.removeprefix("sqlite:///")
    if path in (url, "", ":memory:"):
        yield
        return
    try:
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(f"{path}: {error.strerror}; the folder must be writable") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(
                f"another process is using {path}: stop it, or use PostgreSQL, which takes many"
            ) from None
        yield
    finally:
        os.close(handle)
