"""Providers who send: each webhook until it is acknowledged, and some of those once more."""

import asyncio
import contextlib
import random
import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Self

from receiver.bench import bodies
from tests.parts.process import request as made
from tests.soak.processes import Hookline

WAIT = 20.0  # seconds for an answer: as long as Smooch waits
PAUSE = 0.02  # seconds until it is tried again
RECENT = 500  # acknowledged ones that may be sent once more
AGAIN = 0.05  # of the acknowledged ones are

PATIENCE = 60.0  # seconds until a start has failed

# What Hookline needs to take the webhooks of the bench.
ACCOUNTS = {
    name: {"provider": provider, "webhook_secrets": [bodies.SECRETS[name].decode()]}
    for name, provider in (("chat", "smooch"), ("texts", "sinch"))
}
_PROBE = made(method="GET", target="/webhooks/chat", length=None)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Connection:
    """One that is kept open, and opened again when it has ended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, request: bytes) -> int | None:
        """The status; None where nobody is there, or the connection ends without an answer."""
        try:
            async with asyncio.timeout(WAIT):
                return await self._ask(request)
        except (OSError, asyncio.IncompleteReadError):  # of which TimeoutError is one
            await self.close()
            return None

    async def _ask(self, request: bytes) -> int:
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._open
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if length := _LENGTH.search(head):
            await reader.readexactly(int(length[1]))
        if b"\r\nconnection: close" in head.lower():
            await self.close()
        return int(head[9:12])

    async def close(self) -> None:
        """Until the next request."""
        if self._open is not None:
            writer, self._open = self._open[1], None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def until_served(process: Hookline, port: int) -> None:
    """Wait until it answers. Raises TimeoutError."""
    until = time.monotonic() + PATIENCE
    async with Connection(port) as connection:
        while await connection.ask(_PROBE) != 200:
            if time.monotonic() > until:
                raise TimeoutError(f"it does not start: {process.log.read_text()[-500:]}")
            await asyncio.sleep(0.005)


@dataclass
class Providers:
    """All connections together.

    acked:    the numbers of the webhooks that were answered 200: whoever sent them forgets them.
    statuses: of all answers; None: nobody was there, or the connection ended without one.
    again:    requests that were acknowledged before, and were sent once more.
    """

    port: int
    users: int
    chance: random.Random
    acked: set[int] = field(default_factory=set)
    statuses: Counter[int | None] = field(default_factory=Counter)
    again: int = 0
    stopping: bool = False
    _number: int = 0
    _recent: deque[bytes] = field(default_factory=lambda: deque(maxlen=RECENT))

    async def run(self, connections: int) -> None:
        """Send until `stopping`; then end when all that was begun is acknowledged."""
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._talk())

    async def again_at_the_end(self) -> None:
        """Send the last ones once more, all of them."""
        async with Connection(self.port) as connection:
            for request in list(self._recent):
                self.again += 1
                self.statuses[await connection.ask(request)] += 1

    async def _talk(self) -> None:
        async with Connection(self.port) as connection:
            while not self.stopping:
                number, self._number = self._number, self._number + 1
                [hook] = bodies.hooks(1, self.users, start=number)
                request = hook.request()
                await self._until_acked(connection, request)
                self.acked.add(number)
                self._recent.append(request)
                if self.chance.random() < AGAIN:
                    self.again += 1
                    await self._is_acked(connection, self.chance.choice(self._recent))

    async def _until_acked(self, connection: Connection, request: bytes) -> None:
        while True:
            if await self._is_acked(connection, request):
                return
            await asyncio.sleep(PAUSE)

    async def _is_acked(self, connection: Connection, request: bytes) -> bool:
        status = await connection.ask(request)
        self.statuses[status] += 1
        return status == 200
