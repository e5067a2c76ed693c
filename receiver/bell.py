"""
How a receiver wakes the workers of other processes: a NOTIFY after its commits, on a connection of
its own, so that no commit waits for it. A ring that is lost costs a second: the engines poll.
"""

import asyncio
from collections.abc import Callable

from receiver.logs import get_logger
from storage import bell

PAUSE = 1.0  # seconds between two attempts to connect

log = get_logger()


class Bell:
    """Rings and hears rings, each as a task that runs until it is cancelled, and reconnects."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wanted = asyncio.Event()

    def ring(self) -> None:
        """Wake the others soon; once for many calls. From the loop's own thread."""
        self._wanted.set()

    async def ringing(self) -> None:
        """Do what `ring` asks for."""
        while True:
            await self._wanted.wait()
            try:
                async with bell.connected(self._url) as connection:
                    while await self._wanted.wait():
                        self._wanted.clear()
                        await bell.ring(connection)
            except ConnectionError as error:
                await self._pause(error)

    async def hearing(self, woken: Callable[[], None]) -> None:
        """Call `woken` at each ring, and when rings may have been missed."""
        while True:
            try:
                async with bell.connected(self._url) as connection:
                    async for _ in bell.rings(connection):
                        woken()
            except ConnectionError as error:
                await self._pause(error)

    async def _pause(self, error: ConnectionError) -> None:
        log.warning("bell_lost", error=str(error))
        await asyncio.sleep(PAUSE)
