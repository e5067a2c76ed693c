"""
What is done with a batch of deliveries: one transaction, or the spool while the database is away.

If a batch fails for a reason of its own (one bad row), its deliveries are tried one by one.

Where there is a spool, it has three states, by what the spool holds and whether it shrinks:

    direct    it is empty: batches go to the database. One that cannot, because the database is
              away, is the first in the spool.
    spooling  it holds something: every batch goes to the spool, so that nobody's later webhook
              overtakes an earlier one. `receiver.drain` keeps trying the oldest.
    draining  the same with the database back: a batch is added after each that is taken in, so
              that it gets shorter. The last one is taken in with nobody adding; then it is direct.

Without a spool all of a batch fails at once while the database is away, and is sent again.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from receiver.drain import AWAY as UNREACHABLE
from receiver.drain import Drain, alarm
from receiver.errors import Refused
from receiver.logs import get_logger
from receiver.spool import Spool
from storage import conflicts, inbox, nonces
from storage.conflicts import Conflict
from storage.database import Database
from storage.dialects import Transaction
from storage.inbox import Delivery
from storage.nonces import Verdict

log = get_logger()


class Full(Exception):
    """More is waiting than may wait: the sender is asked to come back."""


class NonceReused(Refused):
    """Another request came with the same once-only value, and this one is signed as well."""


class Stored(NamedTuple):
    """It is on disk.

    events:   how many it told; new: how many of them were not known.
    unparsed: why it told none.
    replayed: the very same request has been here before.
    spooled:  the disk is the spool's; it has not been read yet.
    """

    events: int = 0
    new: int = 0
    unparsed: str | None = None
    replayed: bool = False
    spooled: bool = False


Result = Stored | Exception

_SPOOLED = Stored(spooled=True)


class Ledger:
    """For any number of threads.

    spool: where deliveries go while the database is away, opened; None: nowhere.
    read:  gives a delivery its events. Many are read at a time, and not in the loop.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        spool: Spool | None = None,
        read: Callable[[Delivery], Delivery] = lambda delivery: delivery,
    ) -> None:
        self._database = database
        self._clock = clock
        self._spool = spool
        self._read = read
        self._taken_in: Callable[[], None] = lambda: None
        self._drain = Drain(spool, self._take_in) if spool is not None else None

    def start(self, taken_in: Callable[[], None]) -> None:
        """Begin to take in what is in the spool; `taken_in` is called after each batch of it, in
        the thread that did it."""
        self._taken_in = taken_in
        if self._drain is not None:
            self._drain.start()

    def stop(self) -> None:
        """Leave the rest in the spool."""
        if self._drain is not None:
            self._drain.stop()

    def write(self, batch: Sequence[Delivery]) -> list[Result]:
        """What became of each. What is not told as an exception is on disk when this returns."""
        if self._spool is not None and self._spool.holds:
            kept = self._append(self._spool, batch)
            if kept is not None:
                return kept
        try:
            return self._transact([self._read(delivery) for delivery in batch])
        except UNREACHABLE as error:
            alarm(error, waiting=len(batch))
            return self._without_database(batch, error)
        except Exception as error:
            if len(batch) == 1:
                alarm(error, waiting=1)
                return [error]
            return [result for one in batch for result in self.write([one])]

    def _transact(self, batch: Sequence[Delivery]) -> list[Result]:
        with self._database.write() as tx:
            verdicts, counts, odd = self._save(tx, batch, (Verdict.FRESH,))
        _tell_conflicts(odd)
        return list(map(_outcome, batch, verdicts, counts))

    def _save(
        self, tx: Transaction, batch: Sequence[Delivery], wanted: Collection[Verdict]
    ) -> tuple[list[Verdict], list[int], list[Conflict]]:
        """Of each the verdict, and how many of its events were new, if the verdict is a wanted one;
        and the conflicts among them."""
        judge = nonces.remember(tx, batch)
        met = inbox.meet(tx, batch)  # before the verdicts are read: one wait for both
        verdicts = judge()
        chosen = [number for number, verdict in enumerate(verdicts) if verdict in wanted]
        now = self._clock()
        counts = inbox.store(tx, met, chosen, now)
        odd = conflicts.keep(tx, [batch[n] for n in chosen], [counts[n] for n in chosen], now)
        return verdicts, counts, odd

    def _append(self, spool: Spool, batch: Sequence[Delivery]) -> list[Result] | None:
        """To the spool, behind what is there; None if it has just become empty."""
        assert self._drain is not None
        self._drain.pace()
        return _spooled(spool, batch, begin=False)

    def _without_database(self, batch: Sequence[Delivery], error: Exception) -> list[Result]:
        if self._spool is None:
            return [error] * len(batch)
        log.error("database_away", part="commit", error=type(error).__name__)
        return _spooled(self._spool, batch, begin=True) or [error] * len(batch)

    def _take_in(self, batch: Sequence[Delivery]) -> None:
        """Store what comes from the spool. It was answered 200, so a nonce that was used for
        something else, too, is told but keeps nothing out."""
        deliveries = [self._read(delivery) for delivery in batch]
        with self._database.write() as tx:
            wanted = (Verdict.FRESH, Verdict.REUSED)
            verdicts, counts, odd = self._save(tx, deliveries, wanted)
        for delivery, verdict in zip(deliveries, verdicts, strict=True):
            if verdict is Verdict.REUSED:
                log.critical("nonce_reused", account=delivery.account, stored=True)
        _tell_conflicts(odd)
        log.info("spool_taken_in", webhooks=len(batch), events=sum(counts))
        self._taken_in()


def _outcome(delivery: Delivery, verdict: Verdict, count: int) -> Result:
    match verdict:
        case Verdict.FRESH:
            return Stored(len(delivery.events), count, delivery.error)
        case Verdict.REPLAYED:
            return Stored(len(delivery.events), replayed=True)
        case Verdict.REUSED:
            return NonceReused("the nonce came before, with another body")


def _tell_conflicts(found: Sequence[Conflict]) -> None:
    """Somebody has to look: the provider contradicts itself, or another has its secret."""
    for one in found:
        log.critical(
            "event_conflict",
            account=one.account,
            event_id=one.event_id,
            conflict_id=one.conflict_id,
        )


def _spooled(spool: Spool, batch: Sequence[Delivery], *, begin: bool) -> list[Result] | None:
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
