"""
Group commit: requests that arrive together share one transaction, and each waits for it.

The batch is whatever came while the last commit ran, and what still comes in one turn of the loop
after the other; there is no timer. A request that goes away does not take its row back.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from receiver.ledger import Full, Ledger, Result, Stored
from storage.inbox import Delivery

BATCH = 256  # deliveries in one transaction
DEADLINE = 5.0  # seconds until one is told to come again; Smooch gives up waiting after 20
LOOK = 0.25  # seconds between two looks at who has waited too long


class _Waiter:
    """A delivery, and who is told what became of it: once, at the latest at `due` (loop time)."""

    __slots__ = ("delivery", "due", "tell", "told")

    def __init__(self, delivery: Delivery, tell: Callable[[Result], None], due: float) -> None:
        self.delivery, self.tell, self.due = delivery, tell, due
        self.told = False


class GroupCommit:
    """The one way in. `start` before, `stop` after; safe for one event loop.

    limit: deliveries that may wait.
    writers: transactions at a time; more than one only where the database has many writers.
    committed: called in the loop after each batch that brought something new.
    deadline: seconds after which nobody is kept waiting any longer.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        limit: int = 1000,
        writers: int = 1,
        committed: Callable[[], None] = lambda: None,
        deadline: float = DEADLINE,
    ) -> None:
        self._ledger = ledger
        self._limit = limit
        self._committed = committed
        self._deadline = deadline
        self._waiting: list[_Waiter] = []
        self._seen = 0  # of them, a turn of the loop ago
        self._is_coming = False  # a batch will soon be handed over
        self._free = writers
        self._batches: SimpleQueue[list[_Waiter]] = SimpleQueue()  # an empty one is the end
        self._unanswered: deque[_Waiter] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [
            threading.Thread(target=self._write, name=f"commit-{number}", daemon=True)
            for number in range(writers)
        ]

    def start(self) -> None:
        """Begin to write, for the running event loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        self._ledger.start(lambda: self._in_loop(self._committed))

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._stopping = True
        for start in range(0, len(self._waiting), BATCH):
            self._batches.put(self._waiting[start : start + BATCH])
        self._waiting = []
        for _ in self._threads:
            self._batches.put([])
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        await asyncio.to_thread(self._ledger.stop)
        if self._watch is not None:
            self._watch.cancel()

    async def save(self, delivery: Delivery) -> Stored:
        """What became of it. When this returns, it is on disk. Raises what `submit` tells."""
        assert self._loop is not None
        future: asyncio.Future[Stored] = self._loop.create_future()
        self.submit(delivery, partial(_resolve, future))
        return await future

    def submit(self, delivery: Delivery, tell: Callable[[Result], None]) -> None:
        """Have it stored; `tell` is called in the loop with what became of it. Raises Full.

        It is told NonceReused, TimeoutError, Full or what the database raised; then nothing is
        stored, or it is stored all the same (it took too long, or the connection broke in the
        commit itself) and the repeated delivery will be a duplicate.
        """
        assert self._loop is not None
        if len(self._waiting) >= self._limit or self._stopping:
            raise Full
        waiter = _Waiter(delivery, tell, self._loop.time() + self._deadline)
        self._waiting.append(waiter)
        self._begin()
        self._unanswered.append(waiter)
        if self._watch is None:
            self._watch = self._loop.call_later(LOOK, self._look)

    def _begin(self) -> None:
        """See to it that what waits is handed over, if there is somebody to take it."""
        assert self._loop is not None
        if self._free and self._waiting and not self._is_coming:
            self._is_coming = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        """Have what waits written, once a turn of the loop has brought nothing more.

        A crowd is read turn by turn. Were its first ones written at once, the thread would take
        the core from the others, and each of many small transactions costs as much as a large one.
        """
        assert self._loop is not None
        seen, self._seen = self._seen, len(self._waiting)
        if seen < self._seen < BATCH:
            self._loop.call_soon(self._hand_over)
            return
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._seen, self._is_coming = 0, False
        if batch:  # else it was written at the stop
            self._free -= 1
            self._batches.put(batch)
        self._begin()

    def _look(self) -> None:
        """One timer for all, since one for each would cost as much as storing it."""
        assert self._loop is not None
        waiting, now = self._unanswered, self._loop.time()
        while waiting and (waiting[0].told or waiting[0].due <= now):
            late = TimeoutError(f"not stored within {self._deadline:g} s")
            _tell(waiting.popleft(), late)
        self._watch = self._loop.call_later(LOOK, self._look) if waiting else None

    def _write(self) -> None:
        while batch := self._batches.get():
            results = self._ledger.write([waiter.delivery for waiter in batch])
            self._in_loop(self._tell_all, batch, results)

    def _in_loop(self, function: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _tell_all(self, batch: list[_Waiter], results: list[Result]) -> None:
        self._free += 1
        self._begin()
        for waiter, result in zip(batch, results, strict=True):
            _tell(waiter, result)
        while self._unanswered and self._unanswered[0].told:  # or their bodies would fill the cache
            self._unanswered.popleft()
        if any(isinstance(result, Stored) and result.new for result in results):
            self._committed()


def _tell(waiter: _Waiter, result: Result) -> None:
    if not waiter.told:
        waiter.told = True
        waiter.tell(result)


def _resolve(future: "asyncio.Future[Stored]", result: Result) -> None:
    if future.done():  # whoever waited has gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
