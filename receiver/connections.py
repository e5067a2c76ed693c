"""
Connections to providers, kept open for the next request.

httpcore's connections without its pool, which looks at all of them whenever one is taken or given
back: with twenty requests under way this costs several times what the requests do.
"""

import asyncio
import contextlib
import importlib.util
import ssl
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpcore
import httpx

MOST = 100  # at once: twice what the outbox sends, for what is asked between
# Seconds. Shorter than the 5 s after which many servers close a connection that says nothing.
KEEP = 4.0

# httpcore asks for sniffio several times in each request, and does without it. A search of all
# folders that finds nothing costs a quarter of a millisecond; this answer costs nothing.
if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]

_Origin = tuple[str, str, int | None]


class Connections:
    """At most MOST; the last used is the first to be used again, the others end after KEEP."""

    def __init__(self) -> None:
        self._context = httpx.create_ssl_context(trust_env=False)
        self._free = asyncio.Semaphore(MOST)
        self._idle: dict[_Origin, deque[tuple[float, httpx.AsyncBaseTransport]]] = {}

    @asynccontextmanager
    async def taken(self, url: httpx.URL) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """What one request to `url` goes by; waits where MOST are under way.

        The answer is to be read and closed within the block. A block that fails has its connection
        closed: nobody knows what would still come by it.
        """
        if url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"nothing can be sent by {url.scheme}")
        async with self._free:
            idle = self._idle.setdefault((url.scheme, url.host, url.port), deque())
            connection = idle.pop()[1] if idle else _Connection(url, self._context)
            try:
                yield connection
            except BaseException:
                with contextlib.suppress(OSError):
                    await connection.aclose()
                raise
            idle.append((time.monotonic(), connection))
            await self._end(time.monotonic() - KEEP)

    async def _end(self, unused_since: float) -> None:
        for idle in self._idle.values():
            while idle and idle[0][0] <= unused_since:
                await idle.popleft()[1].aclose()

    async def aclose(self) -> None:
        """Close those that are not in use."""
        await self._end(time.monotonic())


class _Connection(httpx.AsyncBaseTransport):
    """Connects when it is first used, and again where the server has hung up meanwhile."""

    def __init__(self, url: httpx.URL, context: ssl.SSLContext) -> None:
        self._origin = _target(url).origin
        self._context = context
        self._wire: httpcore.AsyncHTTPConnection | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, to be read and closed."""
        with _as_httpx():
            wire = await self._usable()
            assert isinstance(request.stream, httpx.AsyncByteStream)
            answer = await wire.handle_async_request(
                httpcore.Request(
                    request.method,
                    _target(request.url),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        stream, headers, more = _Stream(answer.stream), answer.headers, answer.extensions
        return httpx.Response(answer.status, headers=headers, stream=stream, extensions=more)

    async def _usable(self) -> httpcore.AsyncHTTPConnection:
        if self._wire is None or not self._wire.is_idle() or self._wire.has_expired():
            await self.aclose()
            self._wire = httpcore.AsyncHTTPConnection(
                self._origin, ssl_context=self._context, keepalive_expiry=KEEP
            )
        return self._wire

    async def aclose(self) -> None:
        """Hang up."""
        if self._wire is not None:
            await self._wire.aclose()


def _target(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


class _Stream(httpx.AsyncByteStream):
    """The body of an answer; closing it lets the connection be used again."""

    def __init__(self, body: Any) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for piece in self._body:
                yield piece

    async def aclose(self) -> None:
        await self._body.aclose()


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Let httpcore's errors come out as httpx's, which have the same names."""
    try:
        yield
    except _ERRORS as error:
        names = (kind.__name__ for kind in type(error).__mro__)
        known = (getattr(httpx, name, None) for name in names)
        raise next(kind for kind in known if kind)(str(error)) from error


_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


class Given:
    """A transport of somebody else's in place of the network."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    @asynccontextmanager
    async def taken(self, url: httpx.URL) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """The same for all."""
        yield self._transport

    async def aclose(self) -> None:
        """Close it."""
        await self._transport.aclose()
