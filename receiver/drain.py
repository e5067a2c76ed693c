"""
Taking in what the spool holds, once the database is back: in order, in batches, one thread.

Trying to store the oldest batch is the probe. What the database does not take for a reason of its
own is set aside in a file, so that it does not hold up the rest.
"""

import threading
from collections.abc import Callable, Sequence
from zlib import crc32

from sqlalchemy.exc import (
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    TimeoutError,
)

from receiver.logs import get_logger
from receiver.records import encode
from receiver.spool import Spool, Unreadable
from storage.database import TO_DO, is_damaged, is_full
from storage.inbox import Delivery

BATCH = 1024  # deliveries in one transaction; more than may be added while it runs
FIRST, LONGEST = 0.2, 5.0  # seconds between two tries while the database is away
LITTLE = 256 * 1024  # bytes that are left when the last step is taken with nobody adding
PACE = 0.25  # seconds that an addition waits for a step at most
REMIND = 60.0  # seconds between two log lines that say how much is waiting

# The database cannot be reached, or is not ready for us (read-only, not migrated): it will be.
AWAY = (OperationalError, InterfaceError, InternalError, TimeoutError)
UNREADY = (*AWAY, ProgrammingError)

log = get_logger()


class Drain:
    """From the spool into the database. store: in one transaction, or it raises."""

    def __init__(self, spool: Spool, store: Callable[[Sequence[Delivery]], None]) -> None:
        self._spool = spool
        self._store = store
        self._stopping = threading.Event()
        self._stepped = threading.Condition()
        self._steps = 0
        self._flowing = False
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        """Begin; what was left over by an earlier process goes first."""
        if self._spool.holds:
            log.warning("spool_left_over", bytes=self._spool.size)
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is under way. What is left waits for the next start."""
        self._stopping.set()
        self._thread.join()
        if self._spool.holds:
            log.warning("spool_kept", bytes=self._spool.size)

    def pace(self) -> None:
        """Before something is added: let one step go first, so that the spool ever gets empty.

        Does not wait while the database is away.
        """
        with self._stepped:
            seen = self._steps
            self._stepped.wait_for(lambda: self._steps != seen or not self._flowing, PACE)

    def _run(self) -> None:
        pause, quiet = FIRST, 0.0
        while not self._stopping.is_set():
            if not self._spool.wait(FIRST):
                continue
            error = self._try()
            self._tell(flowing=error is None and self._spool.holds)
            if error is None:
                pause, quiet = FIRST, 0.0
                continue
            if quiet <= 0:
                self._log(error)
                quiet = REMIND
            self._stopping.wait(pause)
            quiet -= pause
            pause = min(pause * 2, LONGEST)

    def _try(self) -> Exception | None:
        try:
            self._step()
        except Exception as error:
            return error
        return None

    def _log(self, error: Exception) -> None:
        """Say what is wrong: a bug or a broken disk with its traceback, an absence without."""
        size = self._spool.size
        alarm(error, waiting=size)
        if isinstance(error, UNREADY):
            log.error("database_away", part="spool", error=type(error).__name__, waiting=size)
        else:
            log.error("cannot_drain", waiting=size, exc_info=error)

    def _tell(self, *, flowing: bool) -> None:
        with self._stepped:
            self._steps += 1
            self._flowing = flowing
            self._stepped.notify_all()

    def _step(self) -> None:
        """One batch. Where more comes as fast as it goes, the last one needs a moment's quiet."""
        if self._flowing and self._spool.size <= LITTLE:
            with self._spool.still():
                self._batch()
        else:
            self._batch()

    def _batch(self) -> None:
        deliveries, unreadable = self._spool.read(BATCH)
        for odd in unreadable:
            _tell_unreadable(odd)
        if deliveries:
            self._take_in(deliveries)
        self._spool.drop()
        if self._spool.finish():
            log.info("spool_empty")

    def _take_in(self, deliveries: Sequence[Delivery]) -> None:
        try:
            self._store(deliveries)
        except UNREADY:
            raise
        except Exception as error:
            if len(deliveries) == 1:
                self._set_aside(deliveries[0], error)
                return
            for delivery in deliveries:
                self._take_in([delivery])

    def _set_aside(self, delivery: Delivery, error: Exception) -> None:
        record = encode(delivery)
        place = self._spool.set_aside(f"refused-{crc32(record):08x}", record)
        log.error("spool_set_aside", file=place, error=type(error).__name__)


def alarm(error: Exception, *, waiting: int) -> None:
    """Say what does not mend by itself, for a human to act. waiting: webhooks, or bytes of them."""
    if is_full(error):
        log.critical("database_full", waiting=waiting)
    if is_damaged(error):
        log.critical("database_damaged", waiting=waiting, todo=TO_DO)


def _tell_unreadable(odd: Unreadable) -> None:
    if odd.torn:  # what a crash cut off in the middle was never acknowledged
        log.warning("spool_torn", file=odd.aside, bytes=odd.size)
    else:
        log.error("spool_corrupt", file=odd.aside, bytes=odd.size)
