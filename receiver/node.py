"""
One running process: what `serve` and `work` start, in the order in which it depends on itself, and
stop in the other. Nothing here is a global; tests run several in one process.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.types import ASGIApp

from handlers.router import Router
from receiver import app
from receiver.accounts import Account, accounts
from receiver.bell import Bell
from receiver.express import Take
from receiver.intake import intake, spooling
from receiver.logs import get_logger
from receiver.loops import beside, whole
from receiver.redact import hide_password
from receiver.settings import Settings
from receiver.spool import Spool, Unusable
from receiver.watchdog import Watchdog
from receiver.working import Worker
from storage import dialects
from storage.consent import Words
from storage.database import AWAY, Database, NewerSchema, why

AGAIN = 1.0  # seconds between two attempts to set up a database that was away at the start

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
    watchdog: Watchdog = field(init=False, default_factory=Watchdog)
    worker: Worker | None = field(init=False, default=None)
    public: ASGIApp | None = field(init=False, default=None)
    express: Take | None = field(init=False, default=None)
    _bell: Bell | None = field(init=False, default=None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Node"]:
        """From here everything runs; afterwards what was under way has ended and is settled.

        Raises CannotStart where the database is not as this program needs it.
        """
        settings = self.settings
        words = Words.of(settings.stop_words, settings.start_words)
        self.accounts = accounts(settings.accounts, words)
        url = self.settings.database_url.get_secret_value()
        self._bell = Bell(url) if dialects.has_bell(url) else None
        with alone(url), self._spooling() as spool, self._watched():
            self.database = Database(url)
            try:
                is_set_up = _set_up(self.database)
                async with contextlib.AsyncExitStack() as stack:
                    if not is_set_up:
                        await stack.enter_async_context(beside(self._set_up_later()))
                    if self.works:
                        self.worker = self._hired()
                        await stack.enter_async_context(self.worker.working())
                    if self.receives:
                        await stack.enter_async_context(self._receiving(spool))
                    yield self
            finally:
                self.database.close()

    def stop(self) -> None:
        """Begin to stop: handlers and senders end what they have, while webhooks are still taken.

        So both halves of a process have the same few seconds, and not one after the other.
        """
        if self.worker is not None:
            self.worker.stop()

    @property
    def left_behind(self) -> bool:
        """Whether a handler that holds its thread was left to itself at the end of `running`."""
        return self.worker is not None and self.worker.left_behind

    async def _set_up_later(self) -> None:
        """What could not be done at the start, once the database is there."""
        is_set_up = False
        while not is_set_up:
            await asyncio.sleep(AGAIN)
            try:
                is_set_up = bool(await whole(asyncio.to_thread(_set_up, self.database)))
            except CannotStart as error:
                log.critical("database_unfit", reason=str(error))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        with self.watchdog, self.watchdog.watching("receiver" if self.receives else "admin"):
            yield

    def _hired(self) -> Worker:
        parts = self.settings, self.accounts, self.router, self.database
        return Worker(*parts, clock, self._bell, self.watchdog)

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
        async with taking as endpoint, beside(*ringing):
            self.public, self.express = app.public(endpoint), endpoint.express
            yield

    def _committed(self) -> None:
        if self.worker is not None:
            self.worker.wake()
        elif self._bell is not None:
            self._bell.ring()

    def checks(self) -> dict[str, str | None]:
        """What `/readyz` answers: each check with what is wrong, or None."""
        try:
            self.database.check()
            pending = self.database.pending()
        except AWAY as error:
            return {"database": f"does not answer ({type(error).__name__})"}
        except NewerSchema as newer:
            return {"database": None, "schema": str(newer)}
        behind = f"run `hookline migrate`: {', '.join(pending)}" if pending else None
        return {"database": None, "schema": behind}


def _set_up(database: Database) -> bool:
    """A new database is set up; an older one waits for a human's `hookline migrate`.

    A server that is away is no reason not to start: webhooks are deferred, or spooled, meanwhile,
    and this is False. Raises CannotStart.
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
        if not dialects.may_come_back(error):
            where = hide_password(database.url)
            raise CannotStart(f"the database {where} cannot be used: {why(error)}") from None
        log.error("database_away", part="start", error=type(error).__name__)
        return False
    except NewerSchema as newer:
        raise CannotStart(str(newer)) from None
    return True


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
