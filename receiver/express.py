"""
The short way of a webhook that is as it should be: it came in one piece, it is genuine, and it can
be stored. No task is made for it, and its answer is written when its transaction has ended.

ASGI costs more than verifying and reading a webhook does, so this is most of what the public
listener does under load. All else goes the usual way, through the application, which alone knows
what is wrong with a request and how to say so.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from receiver import edge

_STORED = STATUS_LINE[200] + b"content-length: 0\r\n\r\n"
_STORED_LAST = STATUS_LINE[200] + b"content-length: 0\r\nconnection: close\r\n\r\n"

# Takes a request (scope and body) and says whether it did. The function that it is given is called
# later: True: it is on disk. False: it is for the application, with what the scope holds now.
Take = Callable[[Scope, bytes, Callable[[bool], None]], bool]


def protocol(take: Take, header_timeout: timedelta, body_timeout: timedelta) -> type["Express"]:
    """The class for uvicorn's `http=`. The deadlines are those of `edge.protocol`."""
    limits = edge.limits(header_timeout, body_timeout)
    return type("ConfiguredExpress", (Express,), limits | {"take": staticmethod(take)})


class Express(edge.Edge):
    """One connection; `protocol` makes the class."""

    take: Take
    _held: RequestResponseCycle | None = None  # begun, and not given to the application yet

    def data_received(self, data: bytes) -> None:
        """What has not come whole by now goes the usual way."""
        super().data_received(data)
        if self._held is not None:
            self._give(self._held)

    def on_message_complete(self) -> None:
        """It came whole: try the short way."""
        super().on_message_complete()
        cycle = self._held
        if cycle is None:
            return
        self._held = None
        scope = cast(Scope, cycle.scope)
        if not self.take(scope, bytes(cycle.body), partial(self._told, cycle)):
            self._give(cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """A request begins: wait whether it is all there."""
        if cycle is self.cycle and cycle.more_body and not cycle.waiting_for_100_continue:
            self._held = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def _give(self, cycle: RequestResponseCycle) -> None:
        self._held = None
        super()._start_asgi_task(cycle, self.app)

    def _told(self, cycle: RequestResponseCycle, is_stored: bool) -> None:
        if not is_stored:
            self._give(cycle)
        elif not cycle.disconnected:
            cycle.response_started = cycle.response_complete = True
            self.transport.write(_STORED if cycle.keep_alive else _STORED_LAST)
            if not cycle.keep_alive:
                self.transport.close()
            cycle.on_response()
