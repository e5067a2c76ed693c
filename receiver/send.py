"""
The one place from which requests go out: it carries out a provider's `Exchange`.

Nothing a provider answers can hold it longer than DEADLINE or make it read more than LIMIT, and no
answer can send it, or a credential, to another host. What went wrong is told as a SendError:
Uncertain where a request that changes something was on its way and no answer was read, otherwise
Unavailable.
"""

import asyncio
import socket
import ssl
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from handlers.actions import Action
from receiver.connections import Connections, Given
from receiver.errors import SendError, Unavailable, Uncertain
from receiver.provider import Calls, Provider, Recipient, Sent

T = TypeVar("T")

DEADLINE = 15.0  # seconds, for a whole exchange
TIMEOUT = httpx.Timeout(DEADLINE, connect=5.0)
LIMIT = 256 * 1024  # bytes of an answer, decompressed

# What can be done again without harm, RFC 9110 section 9.2.2.
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

# Raised before the first byte of a request is written.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class Sender:
    """Holds one client, and for each account what its credentials need (a token, say).

    An asynchronous context manager; safe for many sends at once.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        deadline: float = DEADLINE,
    ) -> None:
        """transport: in place of the network. deadline: in seconds."""
        self._clock = clock
        self._deadline = deadline
        self._auths: dict[str, httpx.Auth | None] = {}
        connections = Connections() if transport is None else Given(transport)
        self._client = httpx.AsyncClient(
            transport=_Bounded(connections),
            timeout=TIMEOUT,
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def send(
        self, account: str, provider: Provider, options: Any, action: Action, recipient: Recipient
    ) -> Sent:
        """Carry out the action and tell what the provider answered.

        Raises SendError: the provider's refusal as its adapter reads it, or that nothing or
        nobody knows what was done. Anything else that is raised is a bug of the adapter.
        """
        exchange = provider.outbound.carry_out(action, recipient, options)
        return await self.call(account, provider, options, exchange)

    async def call(self, account: str, provider: Provider, options: Any, exchange: Calls[T]) -> T:
        """Make the calls of any exchange with the account's credentials; raises as `send` does."""
        if account not in self._auths:
            self._auths[account] = provider.outbound.auth(options, self._clock)
        attempt = _Attempt()
        try:
            async with asyncio.timeout(self._deadline):
                return await self._carry_out(exchange, self._auths[account], attempt)
        except (TimeoutError, httpx.TransportError) as error:
            raise attempt.failed(error) from error
        finally:
            exchange.close()

    async def _carry_out(
        self, exchange: Calls[T], auth: httpx.Auth | None, attempt: "_Attempt"
    ) -> T:
        response: httpx.Response | None = None
        while True:
            try:
                request = next(exchange) if response is None else exchange.send(response)
            except StopIteration as done:
                result: T = done.value
                return result
            attempt.begin(request)
            response = await self._client.send(request, auth=auth)


class _Attempt:
    """How far one request of an exchange got, so that its failure can be judged.

    It travels with the request, and not with those that fetch a token for it.
    """

    def __init__(self) -> None:
        self._request: httpx.Request | None = None
        self.on_the_wire = False

    def begin(self, request: httpx.Request) -> None:
        self._request = request
        self.on_the_wire = False
        request.headers.setdefault("User-Agent", "hookline")
        request.headers["Accept-Encoding"] = "gzip"
        request.extensions = {**request.extensions, "attempt": self, "trace": self._trace}

    async def _trace(self, name: str, info: dict[str, Any]) -> None:
        """What the connection pool tells. https://www.encode.io/httpcore/extensions/#trace"""
        if name.startswith("connection."):
            self.on_the_wire = False
        elif name.endswith("send_request_headers.started"):
            self.on_the_wire = True

    def failed(self, error: Exception) -> SendError:
        """The same failure with the decision it carries. Names the host, not the path."""
        code = _cause(error)
        failed = error.request if isinstance(error, httpx.RequestError) else self._request
        host = failed.url.host if failed else "the provider"
        perhaps = self.on_the_wire and not isinstance(error, _NOT_SENT)
        if perhaps and self._request and self._request.method not in REPEATABLE:
            return Uncertain(f"{code}: the answer of {host} was lost", code=code)
        return Unavailable(f"{code}: no answer from {host}", code=code)


def _cause(error: BaseException) -> str:
    """One word for it: timeout, dns, tls, connection, response_too_large or bad_response."""
    if isinstance(error, _BadAnswer):
        return error.code
    for reason in _chain(error):
        if isinstance(reason, TimeoutError | httpx.TimeoutException):
            return "timeout"
        if isinstance(reason, socket.gaierror):
            return "dns"
        if isinstance(reason, ssl.SSLError):
            return "tls"
    return "bad_response" if isinstance(error, httpx.RemoteProtocolError) else "connection"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class _BadAnswer(httpx.TransportError):
    """An answer that is not taken; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Bounded(httpx.AsyncBaseTransport):
    """A transport whose answers are read at once, never more than LIMIT bytes of them.

    It unpacks them itself: httpx unpacks a piece whole before anybody could count.
    """

    def __init__(self, connections: Connections | Given) -> None:
        self._connections = connections

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        attempt = request.extensions.get("attempt")
        async with self._connections.taken(request.url) as connection:
            if attempt:
                attempt.on_the_wire = True
            response = await connection.handle_async_request(request)
            try:
                content = await _read(response)
            finally:
                await response.aclose()
        if attempt and response.status_code == httpx.codes.UNAUTHORIZED:
            attempt.on_the_wire = False  # refused: nothing was done, whatever happens next
        kept = [(k, v) for k, v in response.headers.raw if k.lower() not in _ABOUT_LENGTH]
        return httpx.Response(
            response.status_code, headers=kept, content=content, extensions=response.extensions
        )

    async def aclose(self) -> None:
        await self._connections.aclose()


_ABOUT_LENGTH = {b"content-encoding", b"content-length", b"transfer-encoding"}


async def _read(response: httpx.Response) -> bytes:
    packed = response.headers.get("content-encoding", "").lower() in ("gzip", "x-gzip")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if packed else None
    content = bytearray()
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for piece in response.stream:
        content += _unpacked(unpack, piece, LIMIT + 1 - len(content)) if unpack else piece
        if len(content) > LIMIT:
            raise _BadAnswer("response_too_large")
    return bytes(content)


def _unpacked(unpack: Any, piece: bytes, most: int) -> bytes:
    try:
        unpacked: bytes = unpack.decompress(piece, most)
    except zlib.error:
        raise _BadAnswer("bad_response") from None
    return unpacked
