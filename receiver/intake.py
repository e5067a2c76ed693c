"""The receiving half of a process: what a webhook passes through, from its bytes to the disk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from receiver.accounts import Account
from receiver.commit import GroupCommit
from receiver.endpoint import WebhookEndpoint
from receiver.ledger import Ledger
from receiver.logs import get_logger
from receiver.notebook import Notebook
from receiver.receive import read
from receiver.settings import Settings
from receiver.spool import Spool
from storage import dialects
from storage.database import AWAY, Database
from storage.quarantine import Bounds

SPOOL = "hookline-spool"  # the folder, where none is set and one is of use
FOLD = 0.5  # seconds between two looks at SQLite's log
_SHARE = 10  # one sender may have a tenth of the quarantine

log = get_logger()


@asynccontextmanager
async def intake(
    settings: Settings,
    accounts: Mapping[str, Account],
    clock: Callable[[], datetime],
    committed: Callable[[], None],
    spool: Spool | None,
) -> AsyncIterator[WebhookEndpoint]:
    """From here webhooks are taken; afterwards everything that was taken is on disk.

    committed: called in the loop when something new is stored. spool: opened; None: there is none.
    """
    url = settings.database_url.get_secret_value()
    database = Database(url, pool_size=4)  # its own, so that no worker can starve it
    try:
        commit = GroupCommit(
            Ledger(database, clock, spool, lambda delivery: read(accounts, delivery)),
            limit=settings.queue_limit,
            writers=dialects.writers(url),
            committed=committed,
        )
        notebook = Notebook(database, accounts, clock, _bounds(settings))
        noting = asyncio.create_task(notebook.run())
        stopping = asyncio.Event()
        folding = asyncio.create_task(_fold(database, stopping))
        commit.start()
        try:
            yield WebhookEndpoint(
                accounts,
                commit,
                notebook,
                clock,
                max_body=settings.max_body_bytes,
                body_timeout=settings.body_timeout.total_seconds(),
            )
        finally:
            await commit.stop()
            notebook.stop()
            await noting
            stopping.set()
            await folding
    finally:
        database.close()


def spool_folder(settings: Settings) -> Path | None:
    """Where webhooks wait while the database is away; None: nowhere."""
    folder = settings.spool_dir
    if folder is None and dialects.has_bell(settings.database_url.get_secret_value()):
        folder = SPOOL  # an SQLite file is on this disk as well, so there it is no help
    return Path(folder) if folder else None


@contextmanager
def spooling(settings: Settings) -> Iterator[Spool | None]:
    """The spool that the settings name, opened; None where there is none. Raises spool.Unusable."""
    folder = spool_folder(settings)
    if folder is None:
        yield None
        return
    spool = Spool(folder, settings.spool_max_bytes)
    spool.open()
    try:
        yield spool
    finally:
        spool.close()


async def _fold(database: Database, stopping: asyncio.Event) -> None:
    """Keep SQLite's log short, beside the transactions instead of in one of them."""
    while not stopping.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), FOLD)
        try:
            await asyncio.to_thread(database.fold)
        except AWAY as error:
            log.error("database_away", part="fold", error=type(error).__name__)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        requests=settings.quarantine_requests,
        bytes=settings.quarantine_bytes,
        age=settings.quarantine_age,
        per_peer=max(1, settings.quarantine_requests // _SHARE),
    )
