"""
Sees an event loop that stands still. Whatever runs in one has to give it back within a moment; a
handler that does not (`time.sleep`, a long computation) holds up all that runs beside it.
"""

import asyncio
import contextlib
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from receiver.calling import under_way
from receiver.logs import get_logger

INTERVAL = 0.1  # seconds between two looks
LIMIT = 1.0  # seconds without a sign of life after which a loop is blocked
WINDOW = 60.0  # seconds of which the longest lag is kept
FRAMES = 4  # of the stack, the innermost

log = get_logger()


class Watchdog:
    """Asks each loop for a sign of life again and again, from a thread of its own.

    interval: between two looks; limit: how late a sign may come. Both in seconds.
    """

    def __init__(self, *, interval: float = INTERVAL, limit: float = LIMIT) -> None:
        self._interval, self._limit = interval, limit
        self._pulses: dict[str, _Pulse] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @contextmanager
    def watching(self, part: str) -> Iterator[None]:
        """Watch the loop that runs here, under this name, until the block ends."""
        kept = round(WINDOW / self._interval)
        self._pulses[part] = _Pulse(asyncio.get_running_loop(), threading.get_ident(), kept)
        try:
            yield
        finally:
            del self._pulses[part]

    def lags(self) -> dict[str, dict[str, float]]:
        """For each loop how many seconds it lets others wait: now, and at most in the last minute.

        What is small is how busy it is; while it is blocked, "now" is since when.
        """
        return {part: pulse.lags() for part, pulse in self._copy()}

    def tell(self, event: str, part: str, **fields: Any) -> None:
        """Log a warning about a loop: with what it is at, by file and line and never by value, and
        the handler that it runs, if it does."""
        pulse = self._pulses.get(part)
        if pulse is None:
            log.warning(event, part=part, **fields)
            return
        found = under_way(asyncio.current_task(pulse.loop))
        name, its_log = found or (None, log)
        its_log.warning(event, part=part, handler=name, at=_at(pulse.thread), **fields)

    def _copy(self) -> list[tuple[str, "_Pulse"]]:
        return list(self._pulses.items())

    def _run(self) -> None:
        due = time.monotonic() + self._interval
        while not self._over.wait(self._interval):
            now = time.monotonic()
            if now - due > self._limit:  # code that does not let go of the interpreter, or no CPU
                log.warning("process_stalled", seconds=round(now - due, 1))
            for part, pulse in self._copy():
                self._look(part, pulse, now)
            due = time.monotonic() + self._interval

    def _look(self, part: str, pulse: "_Pulse", now: float) -> None:
        lag = pulse.take(now)
        if pulse.is_alive:
            if pulse.is_told:
                log.warning("loop_unblocked", part=part, seconds=round(lag, 1))
            pulse.is_told = False
            pulse.ask(now)
        elif lag > self._limit and not pulse.is_told:
            pulse.is_told = True
            self.tell("loop_blocked", part, seconds=round(lag, 1))


class _Pulse:
    """The signs of life of one loop. thread: the ident of its thread. kept: how many lags."""

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: int, kept: int) -> None:
        self.loop = loop
        self.thread = thread
        self.is_alive = True
        self.is_told = False
        self._asked = self._answered = time.monotonic()
        self._lags = deque([0.0], kept)

    def ask(self, now: float) -> None:
        """Ask for the next sign."""
        self._asked, self.is_alive = now, False
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self._answer)

    def take(self, now: float) -> float:
        """How long the last sign took, in seconds, or has taken until now."""
        lag = (self._answered if self.is_alive else now) - self._asked
        self._lags.append(lag)
        return lag

    def lags(self) -> dict[str, float]:
        """In seconds."""
        kept = list(self._lags)
        return {"now": round(kept[-1], 3), "last_minute": round(max(kept), 3)}

    def _answer(self) -> None:
        self._answered = time.monotonic()
        self.is_alive = True


def _at(thread: int) -> str | None:
    """Where a thread is at this moment: "file.py:12 function > ...", the innermost last."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return None
    found = [
        f"{Path(inner.f_code.co_filename).name}:{line} {inner.f_code.co_name}"
        for inner, line in islice(traceback.walk_stack(frame), FRAMES)
    ]
    return " > ".join(reversed(found))
