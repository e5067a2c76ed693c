"""The webhooks that a stand-in sends: signed, in order, and tried again as a provider does."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

TRIES = 5
FIRST_PAUSE = 0.1  # seconds; doubled each time


@dataclass(frozen=True, slots=True)
class Fired:
    """One webhook. `status`: of the last answer; None where there was no target or no answer."""

    body: dict[str, Any]
    status: int | None


class Hooks:
    """Sends to `target` if there is one, and remembers all in `fired`.

    sign:      the headers for a body at a time.
    final:     statuses after which the provider gives up at once.
    transport: in place of the network.
    """

    def __init__(
        self,
        sign: Callable[[bytes, datetime], dict[str, str]],
        clock: Callable[[], datetime],
        *,
        target: str | None = None,
        final: Callable[[int], bool] = lambda status: False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.target = target
        self.transport = transport
        self.fired: list[Fired] = []
        self._sign = sign
        self._clock = clock
        self._final = final
        self._last: asyncio.Task[None] | None = None
        self._twice = 0
        self._backwards = 0
        self._held: list[dict[str, Any]] = []

    def duplicate(self, times: int = 1) -> None:
        """The next so many webhooks are sent twice, although they were taken the first time."""
        self._twice += times

    def reorder(self, count: int = 2) -> None:
        """The next so many webhooks wait for each other, and are sent the last one first."""
        self._backwards += count

    def fire(self, *bodies: dict[str, Any]) -> None:
        """Send these, one after the other, after all that were fired before. Needs a loop."""
        for body in bodies:
            self._fire([body, body] if self._twice else [body])
            self._twice = max(0, self._twice - 1)

    def _fire(self, copies: list[dict[str, Any]]) -> None:
        if not self._backwards:
            return self._start(copies)
        self._held = copies + self._held
        self._backwards -= 1
        if not self._backwards:
            self._release()

    def _release(self) -> None:
        held, self._held, self._backwards = self._held, [], 0
        self._start(held)

    def _start(self, bodies: list[dict[str, Any]]) -> None:
        self._last = asyncio.get_running_loop().create_task(self._send(self._last, bodies))

    async def settled(self) -> None:
        """Wait until everything fired so far has been sent or given up.

        What still waits to be sent in another order waits no longer.
        """
        if self._held:
            self._release()
        while (last := self._last) is not None and not last.done():
            await asyncio.shield(last)

    async def _send(self, before: asyncio.Task[None] | None, bodies: list[dict[str, Any]]) -> None:
        if before is not None:
            await asyncio.wait([before])
        async with httpx.AsyncClient(transport=self.transport, timeout=20) as client:
            for body in bodies:
                status = await self._deliver(client, body) if self.target else None
                self.fired.append(Fired(body, status))

    async def _deliver(self, client: httpx.AsyncClient, body: dict[str, Any]) -> int | None:
        content = json.dumps(body).encode()
        status = None
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(FIRST_PAUSE * 2**attempt)
            headers = {"Content-Type": "application/json"} | self._sign(content, self._clock())
            try:
                response = await client.post(self.target or "", content=content, headers=headers)
            except httpx.TransportError:
                continue
            status = response.status_code
            if response.is_success or self._final(status):
                break
        return status
