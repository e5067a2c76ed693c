"""
The engine under dispatch and delivery: claims as much as it has room for, works on all of it side
by side, and settles what has ended together with the next claim, in one transaction.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from receiver.logs import get_logger
from storage.database import AWAY

Item = TypeVar("Item")
Result = TypeVar("Result")

POLL = 1.0  # seconds; the safety net where no wake-up comes
PAUSE = 1.0  # seconds, after the database did not answer

log = get_logger()


class Engine(Generic[Item, Result]):
    """One loop. `step(results, room)` settles and claims (in a thread); `work(item)` never raises.

    room: how many items may be under way at once.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[Sequence[Result], int], Sequence[Item]],
        work: Callable[[Item], Awaitable[Result]],
        room: int,
    ) -> None:
        self._name = name
        self._step = step
        self._work = work
        self._room = room
        self._wake = asyncio.Event()
        self._ended: list[Result] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def wake(self) -> None:
        """There may be work: look now. From the loop's own thread."""
        self._wake.set()

    async def run(self) -> None:
        """Until `stop`: then what is under way is ended and settled, and nothing new is claimed."""
        while not (self._stopping and not self._tasks and not self._ended):
            claimed = await self._turn()
            if not claimed and not self._ended:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL)
            self._wake.clear()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping = True
        self._wake.set()

    async def idle(self) -> bool:
        """Whether nothing is under way and nothing waits to be settled."""
        return not self._tasks and not self._ended

    async def _turn(self) -> int:
        results, self._ended = self._ended, []
        room = 0 if self._stopping else self._room - len(self._tasks)
        if not results and room <= 0:
            return 0
        try:
            items = await asyncio.to_thread(self._step, results, room)
        except AWAY as error:
            self._ended = results + self._ended
            log.error("database_away", part=self._name, error=type(error).__name__)
            await asyncio.sleep(PAUSE)
            return 0
        for item in items:
            task = asyncio.create_task(self._do(item))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(items)

    async def _do(self, item: Item) -> None:
        self._ended.append(await self._work(item))
        self._wake.set()
