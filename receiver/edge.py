"""
The public listener's edge: uvicorn's httptools protocol, with the limits that it lacks.

A head is at most 16 KiB and 100 fields, and has a deadline; so has a body. What two parsers could
read in two ways is refused, not guessed at: a missing or doubled Host, a target that names another
host, a Transfer-Encoding other than "chunked", an upgrade. The rest of that (Content-Length twice,
or beside Transfer-Encoding, bare line feeds, folded lines) llhttp refuses by itself.

A connection has one timer, which looks at what is due; a request only moves the moment.

uvicorn is told of a request when its head is complete and good, all at once: a subclass may keep
one to itself, and then nothing of what an application needs is made for it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from enum import Enum, auto
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from receiver.logs import get_logger
from receiver.provider import Headers

MAX_HEAD = 16 * 1024  # bytes: the request line and all header fields
MAX_FIELDS = 100
MAX_AHEAD = 20  # requests that may wait on a connection for the answer to an earlier one
SLACK = 0.5  # seconds over the endpoint's own deadline for a body, which knows the account
DRAIN = 3.0  # seconds that a body may still take once the process is to stop
LINGER = 1.0  # seconds that a body may still take once it is of no use, so that the answer is read

READ = 256 * 1024  # bytes that uvloop and asyncio read at most at once

_PER_FIELD = len(": \r\n")

log = get_logger()


class BadHead(Exception):
    """This request is not passed on; `status` says how to answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _Stage(Enum):
    """What the parser is reading."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


def protocol(header_timeout: timedelta, body_timeout: timedelta) -> type["Edge"]:
    """The class for uvicorn's `http=`.

    header_timeout: from the first byte of a request, and from the connection for the first one.
    body_timeout: for a whole body. The endpoint answers then if part of it came; else we do.
    """
    return type("ConfiguredEdge", (Edge,), limits(header_timeout, body_timeout))


def limits(header_timeout: timedelta, body_timeout: timedelta) -> dict[str, Any]:
    """The attributes of a class of Edge."""
    head, body = header_timeout.total_seconds(), body_timeout.total_seconds() + SLACK
    return {"header_timeout": head, "body_timeout": body, "tick": min(head, body)}


class Edge(HttpToolsProtocol):
    """One connection; `protocol` makes the class with its limits, in seconds."""

    header_timeout: float
    body_timeout: float
    tick: float

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch it."""
        super().connection_made(transport)
        self._stage = _Stage.NOTHING
        self._now = self.loop.time()  # when something came last
        self._chunk = 0  # bytes that came last
        self._fed = (
            0  # bytes since the request or the last piece of its body, and what came with it
        )
        self._bad: BadHead | None = None
        self._refused = False
        self._stopping = False
        self._due: float | None = self._now + self.header_timeout
        self._watch = self.loop.call_later(self.tick, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of it."""
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; refuse what is no HTTP, or a head that grows too long before it is complete."""
        if self._refused:
            return
        self._now = self.loop.time()
        if self._due is None:
            self._due = self._now + self.header_timeout
        self._chunk = len(data)
        self._fed += self._chunk
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            bad = self._bad or BadHead(400, "no valid HTTP")
            self._refuse(bad.status, bad.reason)
            return
        if self._fed > MAX_HEAD + READ and self._stage is not _Stage.NOTHING:
            self._refuse(431, "a head, a trailer or a chunk's extension without end")

    def on_message_begin(self) -> None:
        """A request's first byte. The first request's time has run since it connected."""
        self.url = b""
        self.headers = []
        self._stage = _Stage.HEAD
        self._fed = self._chunk
        if self.cycle is not None:
            self._due = self._now + self.header_timeout

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of a trailer."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Pass the request on, or end the parsing: httptools turns what is raised into its own."""
        try:
            if self.parser.should_upgrade():  # the parser would drop the body
                raise BadHead(501, "asks for another protocol")
            if len(self.pipeline) >= MAX_AHEAD:
                raise BadHead(400, "too many requests ahead")
            if self._fed > MAX_HEAD:
                check_size(self.url, self.headers)
            version = self.parser.get_http_version()
            check(version, self.url, self.headers)
        except BadHead as bad:
            self._bad = bad
            raise
        self._begin(version, self.url, self.headers)
        self.headers = []  # where trailers go: they are no headers of the request's
        self._stage = _Stage.BODY
        self._due = self._now + self.body_timeout

    def _begin(self, version: str, target: bytes, headers: Headers) -> None:
        """Tell uvicorn of the request whose head was read last."""
        super().on_message_begin()
        super().on_url(target)
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        super().on_body(body)
        self._fed = 0

    def on_message_complete(self) -> None:
        """The request is all there. It may have been answered before that."""
        super().on_message_complete()
        self._end()

    def _end(self) -> None:
        self._stage = _Stage.NOTHING
        answered = self.cycle.response_complete
        self._due = self._now + self.timeout_keep_alive if answered else None

    def on_response_complete(self) -> None:
        """Answered: now the next one, or nothing for a while. A body that is still coming is
        thrown away, but not for ever. All that uvicorn does, without a timer for each."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._stage is _Stage.BODY:
            self._hurry(LINGER)
        elif self._stage is _Stage.NOTHING:
            self._due = self.loop.time() + self.timeout_keep_alive

    def shutdown(self) -> None:
        """An answer may still be given; a body may not hold the process up."""
        super().shutdown()
        if self._stage is _Stage.BODY and not self.transport.is_closing():
            self._stopping = True
            self._hurry(DRAIN)

    def _hurry(self, seconds: float) -> None:
        self._due = self.loop.time() + seconds
        self._watch.cancel()
        self._watch = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """See what is due. A peer that does not read what it is sent is dropped."""
        if self.transport.is_closing() or self.flow.write_paused:
            self.transport.abort()
            return
        left = self.tick if self._due is None else self._due - self.loop.time()
        if left <= 0 and not self.flow.read_paused:  # paused: it is we who keep it waiting
            self._late()
            left = self.tick
        self._watch = self.loop.call_later(max(0.05, min(left, self.tick)), self._look)

    def _late(self) -> None:
        match self._stage:
            case _Stage.NOTHING:
                self.transport.close()
            case _ if self._refused:
                self.transport.close()
            case _Stage.BODY if self.cycle.response_complete:
                self.transport.close()
            case _Stage.HEAD:
                self._refuse(408, "no complete head in time")
            case _Stage.BODY if self._stopping:
                self._refuse(503, "stopping, and its body has not come")
            case _Stage.BODY:
                self._refuse(408, "no complete body in time")

    def _refuse(self, status: int, reason: str) -> None:
        """Answer and close; where earlier answers are still to come, the last of them closes."""
        client = self.client[0] if self.client else None
        log.warning("request_refused", status=status, reason=reason, client=client)
        self._refused = True
        if self._stage is not _Stage.BODY and not self._may_answer():
            self.cycle.keep_alive = False
            return
        if self._may_answer():
            self.transport.write(_ANSWERS[status])
        self.transport.close()

    def _may_answer(self) -> bool:
        if self._stage is _Stage.BODY:
            return not self.pipeline and not self.cycle.response_started
        return self.cycle is None or self.cycle.response_complete


def check_size(target: bytes, headers: Headers) -> None:
    """Whether a head is short enough. Raises BadHead."""
    size = sum(len(name) + len(value) + _PER_FIELD for name, value in headers)
    if len(target) + size > MAX_HEAD:
        raise BadHead(431, "the head is too long")


def check(version: str, target: bytes, headers: Headers) -> None:
    """Whether a head has few enough fields and means one thing only. Raises BadHead.

    https://www.rfc-editor.org/rfc/rfc9112#section-3.2
    """
    if len(headers) > MAX_FIELDS:
        raise BadHead(431, "the head has too many fields")
    if version not in ("1.1", "1.0"):
        raise BadHead(505, "neither HTTP/1.1 nor HTTP/1.0")
    hosts: list[bytes] = []
    codings: list[bytes] = []
    for name, value in headers:
        if name == b"host":
            hosts.append(value.lower())
        elif name == b"transfer-encoding":
            codings.append(value)
    if len(hosts) > 1 or (version == "1.1" and not hosts):
        raise BadHead(400, "not exactly one Host")
    if not target.startswith(b"/") and _authority(target).lower() not in hosts:
        raise BadHead(400, "the target is not on this host")
    if codings:
        _check_coding(version, codings)


def _authority(target: bytes) -> bytes:
    """The host and port of an absolute target, as written."""
    return target.partition(b"://")[2].partition(b"/")[0]


def _check_coding(version: str, codings: Sequence[bytes]) -> None:
    if version == "1.0":
        raise BadHead(400, "a Transfer-Encoding in HTTP/1.0")
    if [coding.strip().lower() for coding in codings] != [b"chunked"]:
        raise BadHead(501, "a Transfer-Encoding other than chunked")


def _answer(status: int) -> bytes:
    again = b"retry-after: 5\r\n" if status == 503 else b""
    return STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n" + again + b"\r\n"


_ANSWERS = {status: _answer(status) for status in (400, 408, 431, 501, 503, 505)}
