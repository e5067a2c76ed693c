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

    def fire(self, *bodies: dict[str, Any]) -> None:
        """Send these, one after the other, after all that were fired before. Needs a loop."""
        self._last = asyncio.get_running_loop().create_task(self._send(self._last, bodies))

    async def settled(self) -> None:
        """Wait until everything fired so far has been sent or given up."""
        while (last := self._last) is not None and not last.done():
            await asyncio.shield(last)

    async def _send(
        self, before: asyncio.Task[None] | None, bodies: tuple[dict[str, Any], ...]
    ) -> None:
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
