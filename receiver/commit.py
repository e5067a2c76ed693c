"""
Group commit: requests that arrive together share one transaction, and each waits for it.

The batch is whatever came while the last commit ran; there is no timer. A request that goes away
does not take its row back. If a batch fails for a reason of its own (one bad row), its deliveries
are tried one by one.

Where there is a spool, it has three states, by what the spool holds and whether it shrinks:

    direct    it is empty: batches go to the database. One that cannot, because the database is
              away, is the first in the spool.
    spooling  it holds something: every batch goes to the spool, so that nobody's later webhook
              overtakes an earlier one. `receiver.drain` keeps trying the oldest.
    draining  the same with the database back: a batch is added after each that is taken in, so
              that it gets shorter. The last one is taken in with nobody adding; then it is direct.

Without a spool all of a batch fails at once while the database is away, and is sent again.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from receiver.drain import AWAY as UNREACHABLE
from receiver.drain import Drain
from receiver.errors import Refused
from receiver.logs import get_logger
from receiver.spool import Spool
from storage import inbox, nonces
from storage.database import AWAY, Database
from storage.inbox import Delivery
from storage.nonces import Verdict

BATCH = 256  # deliveries in one transaction

log = get_logger()


class Full(Exception):
    """More is waiting than may wait: the sender is asked to come back."""


class NonceReused(Refused):
    """Another request came with the same once-only value, and this one is signed as well."""


@dataclass(frozen=True, slots=True)
class Stored:
    """It is on disk. new: events that were not known. replayed: the very same request has been
    here before. spooled: the disk is the spool's; what is new will be known later."""

    new: int = 0
    replayed: bool = False
    spooled: bool = False


_Waiting = tuple[Delivery, "asyncio.Future[Stored]"]
_SPOOLED = Stored(spooled=True)
_REPLAYED = Stored(replayed=True)


class GroupCommit:
    """The one way in. `start` before, `stop` after; safe for one event loop.

    limit: deliveries that may wait. writers: transactions side by side (PostgreSQL only).
    committed: called in the loop after each batch that brought something new.
    spool: where deliveries go while the database is away, opened; None: nowhere.
    reread: gives a delivery from the spool its events.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        limit: int = 1000,
        writers: int = 1,
        committed: Callable[[], None] = lambda: None,
        spool: Spool | None = None,
        reread: Callable[[Delivery], Delivery] = lambda delivery: delivery,
    ) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit
        self._committed = committed
        self._spool = spool
        self._reread = reread
        self._drain = Drain(spool, self._take_in) if spool is not None else None
        self._waiting: deque[_Waiting] = deque()
        self._ready = threading.Condition()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [
            threading.Thread(target=self._write, name=f"commit-{n}", daemon=True)
            for n in range(writers)
        ]

    def start(self) -> None:
        """Begin to write, for the running event loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        if self._drain is not None:
            self._drain.start()

    async def stop(self) -> None:
        """Write what waits, then end."""
        with self._ready:
            self._stopping = True
            self._ready.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        if self._drain is not None:
            await asyncio.to_thread(self._drain.stop)

    async def save(self, delivery: Delivery) -> Stored:
        """What became of it. When this returns, it is on disk.

        Raises Full, NonceReused, or what the database raised; then nothing is stored, or, where
        the connection broke in the commit itself, it is stored and the repeated delivery will be
        a duplicate.
        """
        assert self._loop is not None
        if len(self._waiting) >= self._limit or self._stopping:
            raise Full
        future: asyncio.Future[Stored] = self._loop.create_future()
        with self._ready:
            self._waiting.append((delivery, future))
            self._ready.notify()
        return await asyncio.shield(future)

    def _write(self) -> None:
        while batch := self._next():
            self._settle(batch, self._save([delivery for delivery, _ in batch]))

    def _next(self) -> list[_Waiting]:
        with self._ready:
            while not self._waiting and not self._stopping:
                self._ready.wait()
            size = min(len(self._waiting), BATCH)
            return [self._waiting.popleft() for _ in range(size)]

    def _save(self, batch: Sequence[Delivery]) -> list[Stored | Exception]:
        if self._spool is not None and self._spool.holds:
            kept = self._append(self._spool, batch)
            if kept is not None:
                return kept
        try:
            return self._transact(batch)
        except UNREACHABLE as error:
            return self._without_database(batch, error)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            return [result for one in batch for result in self._save([one])]

    def _transact(self, batch: Sequence[Delivery]) -> list[Stored | Exception]:
        with self._database.write() as tx:
            verdicts = nonces.remember(tx, batch)
            fresh = [
                delivery
                for delivery, verdict in zip(batch, verdicts, strict=True)
                if verdict is Verdict.FRESH
            ]
            counts = iter(inbox.save(tx, fresh, self._clock()) if fresh else ())
        outcomes: dict[Verdict, Callable[[], Stored | Exception]] = {
            Verdict.FRESH: lambda: Stored(next(counts)),
            Verdict.REPLAYED: lambda: _REPLAYED,
            Verdict.REUSED: lambda: NonceReused("the nonce came before, with another body"),
        }
        return [outcomes[verdict]() for verdict in verdicts]

    def _append(self, spool: Spool, batch: Sequence[Delivery]) -> list[Stored | Exception] | None:
        """To the spool, behind what is there; None if it has just become empty."""
        assert self._drain is not None
        self._drain.pace()
        return _spooled(spool, batch, begin=False)

    def _without_database(
        self, batch: Sequence[Delivery], error: Exception
    ) -> list[Stored | Exception]:
        if self._spool is None:
            return [error] * len(batch)
        log.error("database_away", part="commit", error=type(error).__name__)
        return _spooled(self._spool, batch, begin=True) or [error] * len(batch)

    def _take_in(self, batch: Sequence[Delivery]) -> None:
        """Store what comes from the spool. It was answered 200, so a nonce that was used for
        something else, too, is told but keeps nothing out."""
        deliveries = [self._reread(delivery) for delivery in batch]
        with self._database.write() as tx:
            verdicts = nonces.remember(tx, deliveries)
            wanted = [
                delivery
                for delivery, verdict in zip(deliveries, verdicts, strict=True)
                if verdict is not Verdict.REPLAYED
            ]
            new = sum(inbox.save(tx, wanted, self._clock()) if wanted else ())
        for delivery, verdict in zip(deliveries, verdicts, strict=True):
            if verdict is Verdict.REUSED:
                log.critical("nonce_reused", account=delivery.account, stored=True)
        log.info("spool_taken_in", webhooks=len(batch), events=new)
        self._in_loop(self._committed)

    def _settle(self, batch: list[_Waiting], results: list[Stored | Exception]) -> None:
        self._in_loop(self._tell, batch, results)

    def _in_loop(self, function: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _tell(self, batch: list[_Waiting], results: list[Stored | Exception]) -> None:
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        if any(isinstance(result, Stored) and result.new for result in results):
            self._committed()


def _spooled(
    spool: Spool, batch: Sequence[Delivery], *, begin: bool
) -> list[Stored | Exception] | None:
    """What became of each; None if an empty spool takes nothing."""
    try:
        count = spool.append(batch, begin=begin)
    except OSError as error:
        log.critical("spool_broken", error=error.strerror)
        return [Full() for _ in batch]
    if count is None:
        return None
    if count < len(batch):
        log.critical("spool_full", bytes=spool.size)
    return [_SPOOLED] * count + [Full() for _ in batch[count:]]


__all__ = ["AWAY", "Full", "GroupCommit", "NonceReused", "Stored"]
