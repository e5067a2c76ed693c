"""
The short way of a webhook that is as it should be: it came in one piece, it is genuine, and it can
be stored. No task is made for it, nor anything else that an application needs, and its answer is
written when its transaction has ended.

ASGI costs more than verifying and reading a webhook does, so this is most of what the public
listener does under load. All else goes the usual way, through the application, which alone knows
what is wrong with a request and how to say so.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from receiver import edge
from receiver.endpoint import FAILED
from receiver.provider import Headers

_STORED = STATUS_LINE[200] + b"content-length: 0\r\n\r\n"
_STORED_LAST = STATUS_LINE[200] + b"content-length: 0\r\nconnection: close\r\n\r\n"

# Takes a POST (its target, headers and body) and says whether it did. The function that it is given
# is called later: None: it is on disk. An error: it is for the application, which is told of it.
Take = Callable[[bytes, Headers, bytes, Callable[[Exception | None], None]], bool]


def protocol(take: Take, header_timeout: timedelta, body_timeout: timedelta) -> type["Express"]:
    """The class for uvicorn's `http=`. The deadlines are those of `edge.protocol`."""
    limits = edge.limits(header_timeout, body_timeout)
    return type("ConfiguredExpress", (Express,), limits | {"take": staticmethod(take)})


class _Request(RequestResponseCycle):
    """A request on the short way: one of uvicorn's as far as the connection looks at it. `become`
    makes a whole one of it."""

    message_event = asyncio.Event()  # nobody waits for it
    disconnected = response_started = response_complete = False

    def __init__(self, version: str, target: bytes, headers: Headers, keep_alive: bool) -> None:
        self.version, self.target, self.headers = version, target, headers
        self.keep_alive = keep_alive
        self.pieces: list[bytes] = []

    def become(self, connection: "Express", error: Exception) -> None:
        """What uvicorn would have made of it, for the application to answer."""
        disconnected = self.disconnected
        super().__init__(
            scope=self._scope(connection, error),
            transport=connection.transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=connection.access_log,
            default_headers=connection.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=self.keep_alive,
            on_response=connection.on_response_complete,
        )
        self.disconnected, self.more_body = disconnected, False
        self.body += b"".join(self.pieces)
        self.message_event.set()

    def _scope(self, connection: "Express", error: Exception) -> Any:
        return {
            "type": "http",
            "asgi": {"version": connection.asgi_version, "spec_version": "2.3"},
            "http_version": self.version,
            "server": connection.server,
            "client": connection.client,
            "scheme": connection.scheme,
            "root_path": connection.root_path,
            "method": "POST",
            "path": self.target.decode("ascii"),
            "raw_path": self.target,
            "query_string": b"",
            "headers": self.headers,
            "state": connection.app_state.copy(),
            FAILED: error,
        }


class Express(edge.Edge):
    """One connection; `protocol` makes the class."""

    take: Take
    _held: _Request | None = None  # begun, and uvicorn has not been told of it yet

    def data_received(self, data: bytes) -> None:
        """What has not come whole by the end of it goes the usual way."""
        super().data_received(data)
        if self._held is not None:
            self._let_go(self._held)

    def _begin(self, version: str, target: bytes, headers: Headers) -> None:
        """A request begins: wait whether it is all there.

        Not if its target is no path: uvicorn may find fault with it, and has to do that now.
        """
        is_free = self.cycle is None or self.cycle.response_complete
        if is_free and target.startswith(b"/") and self.parser.get_method() == b"POST":
            keep_alive = version != "1.0" and self.parser.should_keep_alive()
            self._held = _Request(version, target, headers, keep_alive)
        else:
            super()._begin(version, target, headers)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held.pieces.append(body)

    def on_message_complete(self) -> None:
        """It came whole: try the short way."""
        request = self._held
        if request is not None:
            told = partial(self._told, request)
            if self.take(request.target, request.headers, b"".join(request.pieces), told):
                self._held, self.cycle = None, request
                self._end()
                return
            self._let_go(request)
        super().on_message_complete()

    def _refuse(self, status: int, reason: str) -> None:
        """The same for what is refused in the middle."""
        if self._held is not None:
            self._let_go(self._held)
        super()._refuse(status, reason)

    def _let_go(self, request: _Request) -> None:
        """Tell uvicorn of what came of it."""
        self._held = None
        super()._begin(request.version, request.target, request.headers)
        if request.pieces:
            super().on_body(b"".join(request.pieces))

    def _told(self, request: _Request, error: Exception | None) -> None:
        if error is not None:
            request.become(self, error)
            self._start_asgi_task(request, self.app)
        elif not request.disconnected:
            request.response_started = request.response_complete = True
            self.transport.write(_STORED if request.keep_alive else _STORED_LAST)
            if not request.keep_alive:
                self.transport.close()
            self.on_response_complete()
