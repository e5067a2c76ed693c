"""
What can go wrong between us and a provider, one fault for one request.

A fault is an ASGI app around the stand-in: it decides whether the work is done, and what of the
answer arrives.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import httpx
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Fault(Protocol):
    """Answers one request in place of `app`, or by it."""

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """Nothing is done; this is the answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        response = Response(self.body, self.status, self.headers)
        await response(scope, receive, send)


def throttled(retry_after: str | None = None) -> Answer:
    """429, with this Retry-After."""
    return Answer(429, headers={} if retry_after is None else {"Retry-After": retry_after})


@dataclass(frozen=True, slots=True)
class Slow:
    """The work is done after so many seconds."""

    seconds: float

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(self.seconds)
        await app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection drops before anything is done."""

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await _drop(receive, send)


@dataclass(frozen=True, slots=True)
class Lost:
    """The work is done, and the connection drops before the answer."""

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _swallow)
        await _drop(receive, send)


@dataclass(frozen=True, slots=True)
class Garbage:
    """The work is done, and the answer is something else."""

    body: bytes = b"<html>It works!</html>"

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _swallow)
        await Response(self.body, 200, media_type="text/html")(scope, receive, send)


class Faults:
    """The script: which requests go wrong, in order."""

    def __init__(self) -> None:
        self._script: deque[tuple[str, Fault | None]] = deque()

    def next(self, *faults: Fault | None, times: int = 1, on: str = "") -> None:
        """The next requests whose path contains `on` meet these faults; None lets one through."""
        self._script.extend((on, fault) for _ in range(times) for fault in faults)

    def take(self, path: str) -> Fault | None:
        """The fault for this request, which is struck off the script."""
        for entry in self._script:
            if entry[0] in path:
                self._script.remove(entry)
                return entry[1]
        return None


async def _swallow(message: Message) -> None:
    """The answer that never leaves."""


async def _drop(receive: Receive, send: Send) -> None:
    """Cut the connection. Inside one process, where there is none, raise what a client would."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise httpx.ReadError("the connection was reset")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
