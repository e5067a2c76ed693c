"""The body of a webhook: all of it, within bounds, and never unpacked."""

import asyncio
from collections import Counter
from typing import Any

from starlette.types import Receive

from receiver.provider import Headers

PACKED = "a content encoding"
ROOM = 32 * 1024 * 1024  # bytes of bodies that are still coming, of all requests together
SHARE = 4  # one sender may have a fourth of it


class BadBody(Exception):
    """The body did not come as it should; `status` says how to answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Packed(Exception):
    """It is packed, as no provider packs it; the body as it came."""

    def __init__(self, body: bytes) -> None:
        super().__init__(PACKED)
        self.body = body


class Gone(Exception):
    """The client went away before its body was complete."""


class Reader:
    """Reads bodies. max_body: bytes of one. timeout: seconds for all of it.

    room: bytes that may have come of bodies that are not complete. Whoever sends many long bodies
    slowly is told to come again, and takes no more than a sender's share of it from the others; a
    body that comes in one piece, as nearly all do, needs none.
    """

    def __init__(self, max_body: int, timeout: float, room: int = ROOM) -> None:
        self._max_body = max_body
        self._timeout = timeout
        self._room = max(room, max_body)
        self._share = max(room // SHARE, max_body)
        self._coming: Counter[str] = Counter()  # bytes by sender

    async def read(self, headers: Headers, receive: Receive, peer: str | None) -> bytes:
        """The body. Raises Packed with a body that came whole, and BadBody or Gone else.

        peer: who sends it; None: a proxy on a Unix socket that does not say.
        """
        packed = _is_packed(headers)
        try:
            body = await self._body(headers, receive, peer)
        except BadBody:
            if packed:
                raise BadBody(415, PACKED) from None
            raise
        if packed:
            raise Packed(body)
        return body

    def check(self, headers: Headers, body: bytes) -> None:
        """Whether a body that came whole may be taken. Raises Packed or BadBody."""
        if _is_packed(headers):
            raise Packed(body)
        self._checked(body)

    async def _body(self, headers: Headers, receive: Receive, peer: str | None) -> bytes:
        """The whole body. Raises BadBody (413, 408, 503) or Gone."""
        for key, value in headers:
            if key == b"content-length" and value.isdigit() and int(value[:20]) > self._max_body:
                raise BadBody(413, f"over {self._max_body} bytes")
        message = await receive()  # nearly always all of it; if none comes, the edge ends this
        if message["type"] == "http.request" and not message.get("more_body"):
            return self._checked(message.get("body", b""))
        try:
            async with asyncio.timeout(self._timeout):  # costs more than all before it
                return await self._rest(message, receive, peer)
        except TimeoutError:
            raise BadBody(408, f"no complete body within {self._timeout:g} s") from None

    async def _rest(self, message: Any, receive: Receive, peer: str | None) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                if message["type"] != "http.request":
                    raise Gone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                self._take(peer, len(parts[-1]))
                if size > self._max_body or not message.get("more_body"):
                    return self._checked(b"".join(parts))
                if self._room < 0 or self._coming[peer or ""] > self._share:
                    raise BadBody(503, "too many long bodies at once")
                message = await receive()
        finally:
            self._take(peer, -size)

    def _take(self, peer: str | None, size: int) -> None:
        """So many bytes have come, or are gone again where it is less than none."""
        self._room -= size
        if peer is not None:
            self._coming[peer] += size
            if not self._coming[peer]:
                del self._coming[peer]

    def _checked(self, body: bytes) -> bytes:
        if len(body) > self._max_body:
            raise BadBody(413, f"over {self._max_body} bytes")
        return body


def _is_packed(headers: Headers) -> bool:
    """No provider compresses webhooks; nothing is ever unpacked before it is verified."""
    for key, value in headers:
        if key == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            return True
    return False
