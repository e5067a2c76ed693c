"""
Group commit: requests that arrive together share one transaction, and each waits for it.

The batch is whatever came while the last commit ran; there is no timer. A request that goes away
does not take its row back. If a batch fails for a reason of its own (one bad row), its deliveries
are tried one by one; if the database is away, all of them fail at once and are sent again.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import OperationalError, TimeoutError

from storage import inbox
from storage.database import AWAY, Database
from storage.inbox import Delivery

BATCH = 256  # deliveries in one transaction

_Waiting = tuple[Delivery, "asyncio.Future[int]"]


class Full(Exception):
    """More is waiting than may wait: the sender is asked to come back."""


class GroupCommit:
    """The one way in. `start` before, `stop` after; safe for one event loop.

    limit: deliveries that may wait. writers: transactions side by side (PostgreSQL only).
    committed: called in the loop after each batch that brought something new.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        limit: int = 1000,
        writers: int = 1,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit
        self._committed = committed
        self._waiting: deque[_Waiting] = deque()
        self._ready = threading.Condition()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [
            threading.Thread(target=self._write, name=f"commit-{n}", daemon=True)
            for n in range(writers)
        ]

    def start(self) -> None:
        """Begin to write, for the running event loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def stop(self) -> None:
        """Write what waits, then end."""
        with self._ready:
            self._stopping = True
            self._ready.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def save(self, delivery: Delivery) -> int:
        """How many of its events were new. When this returns, all of them are on disk.

        Raises Full, or what the database raised; then nothing is stored, or, where the connection
        broke in the commit itself, it is stored and the repeated delivery will be a duplicate.
        """
        assert self._loop is not None
        if len(self._waiting) >= self._limit or self._stopping:
            raise Full
        future: asyncio.Future[int] = self._loop.create_future()
        with self._ready:
            self._waiting.append((delivery, future))
            self._ready.notify()
        return await asyncio.shield(future)

    def _write(self) -> None:
        while batch := self._next():
            self._settle(batch, self._save(batch))

    def _next(self) -> list[_Waiting]:
        with self._ready:
            while not self._waiting and not self._stopping:
                self._ready.wait()
            size = min(len(self._waiting), BATCH)
            return [self._waiting.popleft() for _ in range(size)]

    def _save(self, batch: list[_Waiting]) -> list[int | Exception]:
        try:
            return list(self._transact([delivery for delivery, _ in batch]))
        except (OperationalError, TimeoutError) as error:
            return [error] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            return [result for one in batch for result in self._save([one])]

    def _transact(self, deliveries: list[Delivery]) -> list[int]:
        with self._database.write() as tx:
            return inbox.save(tx, deliveries, self._clock())

    def _settle(self, batch: list[_Waiting], results: list[int | Exception]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._tell, batch, results)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _tell(self, batch: list[_Waiting], results: list[int | Exception]) -> None:
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        if any(isinstance(result, int) and result for result in results):
            self._committed()


__all__ = ["AWAY", "Full", "GroupCommit"]
