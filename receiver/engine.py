"""
The engine under dispatch and delivery: claims as much as it has room for, works on all of it side
by side, and settles what has ended together with the next claim, in one transaction.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from sqlalchemy.exc import DataError, IntegrityError

from receiver.logs import frames, get_logger
from storage.database import AWAY

Item = TypeVar("Item")
Result = TypeVar("Result")

POLL = 1.0  # seconds; the safety net where no wake-up comes
PAUSE = 1.0  # seconds, after the database did not answer
GRACE = 8.0  # seconds that work under way gets at the end

# The database raises these as well, but because of what it was given: it is not away.
SPOILT = (DataError, IntegrityError)

log = get_logger()


class Engine(Generic[Item, Result]):
    """`step(results, room)` settles and claims, in a thread of its own; `work` runs in the loop.

    work:   what to do with one item; a failure of the work is a result, too.
    spoilt: what is settled in place of a result that the database does not take, such as a text
            with a NUL in it; it holds nothing but the failure.
    room:   how many items may be under way at once.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[Sequence[Result], int], Sequence[Item]],
        work: Callable[[Item], Awaitable[Result]],
        spoilt: Callable[[Result], Result],
        room: int,
        *,
        poll: float = POLL,
        pause: float = PAUSE,
        grace: float = GRACE,
    ) -> None:
        """poll, pause, grace: in seconds."""
        self._name = name
        self._step = step
        self._work = work
        self._spoilt = spoilt
        self._room = room
        self._poll, self._pause, self._grace = poll, pause, grace
        self._wake = asyncio.Event()
        self._ended: list[Result] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # None: not running yet
        self._give_up: float | None = None  # as time.monotonic() has it; None: not stopping
        # Not the loop's own threads: whoever fills those must not keep us from settling.
        self._thread = ThreadPoolExecutor(1, f"engine-{name}")

    @property
    def unsettled(self) -> int:
        """How many items are under way, or done and not stored yet."""
        return len(self._tasks) + len(self._ended)

    def wake(self) -> None:
        """There may be work: look now. From any thread."""
        if self._loop is None or self._wake.is_set():  # it will look anyway
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Until `stop`: then what is under way is ended and settled, and nothing new is claimed.

        What has not ended within `grace` is cut short, and what the database does not take within
        it is left: their leases give both to whoever works next.
        """
        self._loop = asyncio.get_running_loop()
        try:
            while not self._is_over():
                claimed = await self._turn()
                if not claimed and not self._ended:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), self._within_grace(self._poll))
                self._wake.clear()
        finally:
            self._thread.shutdown(wait=False)
            for task in self._tasks:
                task.cancel()

    def stop(self) -> None:
        """Claim nothing more. From any thread; the grace counts from the first call."""
        if self._give_up is None:
            self._give_up = time.monotonic() + self._grace
        self.wake()

    def _is_over(self) -> bool:
        if self._give_up is None:
            return False
        left, late = self.unsettled, time.monotonic() > self._give_up
        if left and late:
            log.warning("stopped_early", part=self._name, unsettled=left)
        return not left or late

    def _within_grace(self, seconds: float) -> float:
        """So long, or until just after the end of the grace."""
        if self._give_up is None:
            return seconds
        return min(seconds, max(self._give_up - time.monotonic(), 0) + 0.01)

    async def _turn(self) -> int:
        """Settle and claim once; how many were claimed."""
        results, self._ended = self._ended, []
        room = 0 if self._give_up is not None else self._room - len(self._tasks)
        if not results and room <= 0:
            return 0
        try:
            items = await self._in_thread(results, room)
        except Exception as error:
            await self._after(error, results)
            return 0
        for item in items:
            task = asyncio.create_task(self._do(item))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(items)

    async def _in_thread(self, results: Sequence[Result], room: int) -> Sequence[Item]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._step, results, room)

    async def _after(self, error: Exception, results: list[Result]) -> None:
        """A step failed. While the database is away the results are kept; otherwise one of them
        is at fault, and they are settled one by one."""
        if _is_away(error):
            log.error("database_away", part=self._name, error=type(error).__name__)
            self._ended = results + self._ended
            await asyncio.sleep(self._within_grace(self._pause))
        elif results:
            for result in results:
                await self._settle_alone(result)
        else:
            log.error("cannot_claim", part=self._name, exc_info=error)
            await asyncio.sleep(self._within_grace(self._pause))

    async def _settle_alone(self, result: Result) -> None:
        try:
            await self._in_thread([result], 0)
        except Exception as error:
            if _is_away(error):
                self._ended.append(result)
                return
            log.exception("unsettled", part=self._name)
            with contextlib.suppress(Exception):  # what even so cannot be settled, its lease frees
                await self._in_thread([self._spoilt(result)], 0)

    async def _do(self, item: Item) -> None:
        try:
            result = await self._work(item)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            log.error("engine_bug", part=self._name, **frames(error))  # its lease frees it
        else:
            self._ended.append(result)
            self._wake.set()


def _is_away(error: Exception) -> bool:
    return isinstance(error, AWAY) and not isinstance(error, SPOILT)
