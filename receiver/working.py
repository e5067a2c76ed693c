"""
The working half of a process: from what is stored to the handlers, and on to the providers.

It has a thread and an event loop of its own. Handlers are foreign code, and one that blocks its
loop must hold up nothing but other handlers: webhooks are answered by another loop.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from handlers.router import Router
from receiver import loops
from receiver.accounts import Account
from receiver.aside import aside
from receiver.bell import Bell
from receiver.deliver import Deliverer, expire_links
from receiver.dispatch import Dispatcher, Limits
from receiver.engine import GRACE, Engine
from receiver.logs import get_logger
from receiver.reveal import Reveal
from receiver.send import DEADLINE, Sender
from receiver.settings import Settings
from receiver.watchdog import Watchdog
from storage import lanes, retention
from storage.database import AWAY, Database

PART = "workers"  # what the watchdog calls its loop
TICK = 1.0  # seconds between two looks at what the clock makes due
SENDS = 50  # requests under way at once: a killed worker leaves at most these uncertain
PATIENCE = GRACE + 0.5  # seconds from a stop until a thread that goes on is left to itself
_SHARE = 0.75  # of the lease, for a request; after it another worker may have the action

log = get_logger()


class Worker:
    """Dispatch, delivery and the clock. `wake` and `stop` may be called from any thread.

    bell: how other processes are heard; None: there are none.
    left_behind: whether its thread did not end in time, and will only end with the process.
    """

    def __init__(
        self,
        settings: Settings,
        accounts: Mapping[str, Account],
        router: Router,
        database: Database,
        clock: Callable[[], datetime],
        bell: Bell | None,
        watchdog: Watchdog,
    ) -> None:
        self.left_behind = False
        self._settings = settings
        self._database = database
        self._clock = clock
        self._bell = bell
        self._watchdog = watchdog
        self._until: float | None = None  # as time.monotonic() has it; None: not stopping
        deadline = min(DEADLINE, _SHARE * settings.lease.total_seconds())
        self._sender = Sender(clock, deadline=deadline)
        reveal = Reveal(database, accounts, self._sender, clock)
        limits = Limits(
            settings.lease, settings.handler_timeout, settings.max_attempts, settings.link_expiry
        )
        dispatcher = Dispatcher(
            database, accounts, router, limits, clock, self._wake_deliver, reveal
        )
        deliverer = Deliverer(
            database,
            accounts,
            self._sender,
            clock,
            self.wake,
            lease=settings.lease,
            max_attempts=settings.max_attempts,
        )
        self._dispatch = Engine(
            "dispatch", dispatcher.step, dispatcher.work, dispatcher.spoilt, settings.concurrency
        )
        self._deliver = Engine("deliver", deliverer.step, deliverer.work, deliverer.spoilt, SENDS)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """It works while the block runs; afterwards what was under way has ended and is settled.

        If it fails the block is cancelled, and the failure comes out of it in a group. A thread
        that does not end, because a handler holds it, is left: nothing can end it but the end of
        the process, and what it had claimed is done again when the leases are over.
        """
        thread = asyncio.ensure_future(aside(self._run))
        async with loops.beside(_outcome(thread)):
            try:
                yield
            finally:
                await self._end(thread)

    async def _end(self, thread: asyncio.Future[None]) -> None:
        self.stop()
        assert self._until is not None
        await asyncio.wait([thread], timeout=max(self._until - time.monotonic(), 0))
        self.left_behind = not thread.done()
        if self.left_behind:
            events, actions = self._dispatch.unsettled, self._deliver.unsettled
            self._watchdog.tell("left_behind", PART, events=events, actions=actions)
            thread.cancel()

    def wake(self) -> None:
        """There may be new events."""
        self._dispatch.wake()

    def stop(self) -> None:
        """Claim nothing more, and end soon."""
        if self._until is None:
            self._until = time.monotonic() + PATIENCE
        self._dispatch.stop()
        self._deliver.stop()

    def _wake_deliver(self) -> None:
        self._deliver.wake()

    def _run(self) -> None:
        loops.run(self._work())

    async def _work(self) -> None:
        beside: list[Coroutine[None, None, None]] = [self._tick()]
        if self._bell is not None:
            beside.append(self._bell.hearing(self.wake))
        with self._watchdog.watching(PART):
            async with self._sender, loops.beside(*beside), asyncio.TaskGroup() as group:
                group.create_task(self._dispatch.run())
                group.create_task(self._deliver.run())

    async def _tick(self) -> None:
        """What the clock makes due: scheduled sends, links without an outcome, old bodies."""
        while self._until is None:
            try:
                found = await loops.whole(asyncio.to_thread(self._look))
            except AWAY as error:
                log.error("database_away", part="clock", error=type(error).__name__)
                found = 0
            except Exception:
                log.exception("clock_failed")
                found = 0
            if found:
                self.wake()
                self._wake_deliver()
            await asyncio.sleep(TICK)

    def _look(self) -> int:
        now = self._clock()
        with self._database.write() as tx:
            due = lanes.start_scheduled(tx, now, 200)
        with self._database.write() as tx:
            expired = expire_links(tx, now, self._settings.lease)
        keep = retention.Keep(self._settings.keep_payloads, self._settings.keep_events)
        with self._database.write() as tx:
            retention.prune(tx, keep, now)
        return due + expired


async def _outcome(thread: asyncio.Future[None]) -> None:
    """Raise what it raises. Who stops waiting does not stop it."""
    await asyncio.shield(thread)
