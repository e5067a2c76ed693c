"""
Where log lines go: to a file descriptor, by a thread of its own, so that whoever logs never waits.

A pipe that nobody reads, or a full disk, must not hold up webhooks. What does not fit into the
queue meanwhile is left out and counted; the count is the first line that gets through again.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from receiver.logs import get_logger

LIMIT = 4 * 1024 * 1024  # characters that may wait
PAUSE = 0.02  # seconds between two writes: what is logged meanwhile goes out together
LAST = 1.0  # seconds that the last lines get at the end

log = get_logger()


class Sink:
    """A text stream to log to, for any number of threads; `start` before, `stop` after.

    descriptor: what is written to; it stays open. limit: characters that may wait.
    """

    def __init__(self, descriptor: int, *, limit: int = LIMIT) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._lines: list[str] = []
        self._size = 0
        self._left_out = 0
        self._lock = threading.Lock()
        self._ready = threading.Event()  # something waits, or the end has come
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def write(self, text: str) -> int:
        """Have these lines written soon, or leave them out where too much waits already."""
        with self._lock:
            if self._size + len(text) > self._limit:
                self._left_out += text.count("\n")
            else:
                self._lines.append(text)
                self._size += len(text)
        if not self._ready.is_set():  # setting it again would cost more than the rest
            self._ready.set()
        return len(text)

    def flush(self) -> None:
        """Nothing: whoever logs does not wait."""

    def isatty(self) -> bool:
        """Whether a human is looking."""
        return os.isatty(self._descriptor)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end. What nobody reads within LAST is lost."""
        self._stopping.set()
        self._ready.set()
        self._thread.join(LAST)

    def _run(self) -> None:
        while not self._stopping.wait(PAUSE):
            self._ready.wait()
            self._ready.clear()
            if self._write(self._taken()):
                self._own_up()
        self._write(self._taken())

    def _taken(self) -> str:
        """All that waits."""
        with self._lock:
            lines, self._lines, self._size = self._lines, [], 0
        return "".join(lines)

    def _write(self, text: str) -> bool:
        """Whether it could be written. By the descriptor: a thread that is stuck inside a stream
        would have its lock when the process wants to end."""
        data = text.encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:  # nobody reads, or the disk is full
            with self._lock:
                self._left_out += text.count("\n")
            return False
        return True

    def _own_up(self) -> None:
        with self._lock:
            count, self._left_out = self._left_out, 0
        if count:
            log.warning("log_lines_left_out", lines=count)


@contextmanager
def sink(stream: TextIO) -> Iterator[TextIO]:
    """A stream that never waits, in place of this one; this one itself if it has no descriptor."""
    try:
        stream.flush()
        made = Sink(stream.fileno())
    except OSError:
        yield stream
        return
    made.start()
    try:
        yield cast(TextIO, made)
    finally:
        made.stop()
