"""A cable between a program and its database, which can be held still or cut at a certain word."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.parts.ports import free_port


class Cable:
    """Passes bytes both ways between its own port and another. `port`: where to connect.

    cut_before, cut_after: the next connection over which these bytes go towards the database is
    cut, once: before they get there, or when they were answered and the answer is still on its way.
    behind: they count only in a transaction in which these have come before.
    """

    def __init__(self, there: int) -> None:
        self.port = free_port()
        self.cut_before: bytes | None = None
        self.cut_after: bytes | None = None
        self.behind = b""
        self.cuts = 0
        self._there = there
        self._flowing = threading.Event()
        self._flowing.set()
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))

    def run(self) -> None:
        """Accept connections until `close`."""
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._there))
            self._ends += [near, far]
            muted = threading.Event()
            for pump in (self._towards, self._back):
                threading.Thread(target=pump, args=(near, far, muted), daemon=True).start()

    def hold(self) -> None:
        """Pass nothing on, and keep everything open: the database seems to think for long."""
        self._flowing.clear()

    def let_go(self) -> None:
        """Pass it on again, and what was held."""
        self._flowing.set()

    def close(self) -> None:
        """The end of all connections."""
        self._flowing.set()
        for end in (self._listener, *self._ends):
            _shut(end)
            end.close()

    def _towards(self, near: socket.socket, far: socket.socket, muted: threading.Event) -> None:
        armed = False
        while data := _received(near):
            self._flowing.wait()
            armed = armed or self.behind in data
            if armed and self.cut_before and self.cut_before in data:
                self.cut_before = None
                self._cut(near, far)
                return
            if armed and self.cut_after and self.cut_after in data:
                self.cut_after = None
                muted.set()
            armed = armed and b"COMMIT" not in data
            with suppress(OSError):
                far.sendall(data)
        _shut(far)

    def _back(self, near: socket.socket, far: socket.socket, muted: threading.Event) -> None:
        while data := _received(far):
            self._flowing.wait()
            if muted.is_set():
                self._cut(near, far)
                return
            with suppress(OSError):
                near.sendall(data)
        _shut(near)

    def _cut(self, *ends: socket.socket) -> None:
        self.cuts += 1
        for end in ends:
            _shut(end)


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except OSError:
        return b""


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cable(there: int) -> Iterator[Cable]:
    """One that works, gone afterwards."""
    made = Cable(there)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join(5)
