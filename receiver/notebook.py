"""
What is noted beside the hot path, and written by a task of its own: refused requests, and which
secret proved the others. It also forgets, when the time has come: nonces and old refusals.

Whoever wants can send what is refused. So few may wait here, fewer of one sender, and they are
written at a steady pace; what is more than that is only counted.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256

from receiver.accounts import Account
from receiver.logs import get_logger
from storage import nonces, quarantine, uses
from storage.database import AWAY, Database
from storage.quarantine import Bounds, Refusal
from storage.uses import Use

PAUSE = 0.5  # seconds between two writings
FORGET = 10.0  # seconds between two looks at what has expired
ROUNDS = 200  # batches of nonces that are forgotten at one look
WAITING = 1000  # refused requests
WAITING_BYTES = 8 * 1024 * 1024
WAITING_PER_PEER = 250
BATCH = 256  # refused requests in one transaction
BATCH_BYTES = 2 * 1024 * 1024

log = get_logger()


def fingerprint(account: str, secret: bytes) -> str:
    """What a secret is known by where it is shown: 8 hex digits, in each account others."""
    return sha256(account.encode() + b"\0" + secret).hexdigest()[:8]


class Notebook:
    """For one event loop: `refused` and `used` are called in it and never wait; `run` is its task.

    bounds: what is kept of refused requests.
    """

    def __init__(
        self,
        database: Database,
        accounts: Mapping[str, Account],
        clock: Callable[[], datetime],
        bounds: Bounds,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._clock = clock
        self._bounds = bounds
        self._refusals: deque[Refusal] = deque()
        self._by_peer: Counter[str | None] = Counter()
        self._bytes = 0
        self._left_out = 0
        self._uses: Counter[tuple[str, int]] = Counter()
        self._stopping = asyncio.Event()

    def refused(self, refusal: Refusal) -> None:
        """Keep it, or where too many wait already only count it."""
        if (
            len(self._refusals) >= WAITING
            or self._bytes + refusal.size > WAITING_BYTES
            or self._by_peer[refusal.peer] >= WAITING_PER_PEER
        ):
            self._left_out += 1
            return
        self._refusals.append(refusal)
        self._by_peer[refusal.peer] += 1
        self._bytes += refusal.size

    def used(self, account: str, secret: int | None) -> None:
        """This secret has proved a request."""
        if secret is not None:
            self._uses[account, secret] += 1

    async def run(self) -> None:
        """Write down what there is, again and again, until `stop`; then once more."""
        away, quiet = False, 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), PAUSE)
            last = self._stopping.is_set()
            quiet += PAUSE
            try:
                while await self._write() and last:
                    pass
                if quiet >= FORGET:
                    quiet = 0.0
                    await asyncio.to_thread(self._forget)
            except AWAY as error:
                if not away:
                    log.error("database_away", part="notebook", error=type(error).__name__)
                away = True
            except Exception:
                log.exception("notebook_failed")
            else:
                away = False
            if last:
                return

    def stop(self) -> None:
        """End soon."""
        self._stopping.set()

    async def _write(self) -> int:
        """Write one batch; how many refused requests that were. What fails is tried again."""
        if self._left_out:
            log.warning("quarantine_overflow", left_out=self._left_out)
            self._left_out = 0
        batch, counted = self._batch(), self._uses
        if not batch and not counted:
            return 0
        self._uses = Counter()
        try:
            await asyncio.to_thread(self._store, batch, counted)
        except BaseException:
            self._uses += counted
            raise
        for refusal in batch:
            self._refusals.popleft()
            self._bytes -= refusal.size
        self._by_peer = Counter(refusal.peer for refusal in self._refusals)
        return len(batch)

    def _batch(self) -> list[Refusal]:
        found: list[Refusal] = []
        size = 0
        for refusal in self._refusals:
            size += refusal.size
            if found and (size > BATCH_BYTES or len(found) >= BATCH):
                break
            found.append(refusal)
        return found

    def _store(self, refusals: list[Refusal], counted: Counter[tuple[str, int]]) -> None:
        now = self._clock()
        with self._database.write() as tx:
            if refusals:
                quarantine.add(tx, refusals)
                quarantine.evict(tx, self._bounds, now)
            uses.add(tx, (self._use(*key, count, now) for key, count in counted.items()))

    def _use(self, account: str, secret: int, count: int, now: datetime) -> Use:
        value = self._accounts[account].secrets[secret]
        return Use(account, fingerprint(account, value), count, now, now)

    def _forget(self) -> None:
        """What has expired, in small transactions."""
        now = self._clock()
        with self._database.write() as tx:
            quarantine.evict(tx, self._bounds, now)
        for _ in range(ROUNDS):
            with self._database.write() as tx:
                if nonces.prune(tx, now) < nonces.BATCH:
                    return
