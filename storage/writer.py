"""How a process writes to an SQLite file: by one connection, for which its threads queue."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL

from storage.memory import Memory
from storage.sqlite import OPTIONS, Sqlite, prepare, told


class Writer:
    """The one connection by which this process writes to a file; who needs it queues for it.

    It goes on knowing what it has read of the file, which another's writing would make it forget:
    several connections that write in turn read most of their pages again each time.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._driver: sqlite3.Connection | None = None
        self._memory = Memory()
        self._version = 0  # of the file, which is another one when another process has written

    @contextmanager
    def transaction(self) -> Iterator[Sqlite]:
        """Committed at the block's end, undone by an exception."""
        with self._lock:
            driver = self._opened()
            try:
                tx = self._begun(driver)
                yield tx
                tx.run("COMMIT")
                self._memory.settle()
            except BaseException:
                self._undo(driver)
                raise

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nobody in this process writes meanwhile."""
        with self._lock:
            yield

    def close(self) -> None:
        """Give the connection back; the next transaction opens another one."""
        with self._lock:
            self._drop()

    def _begun(self, driver: sqlite3.Connection) -> Sqlite:
        tx = Sqlite(driver, self._memory)
        tx.run("BEGIN IMMEDIATE")
        version = tx.run("PRAGMA data_version").scalar_one()
        if version != self._version:
            self._version = version
            self._memory.forget()
        return tx

    def _opened(self) -> sqlite3.Connection:
        if self._driver is None:
            try:
                self._driver = sqlite3.connect(self._path, **OPTIONS)
                prepare(self._driver)
            except sqlite3.Error as error:
                self._drop()
                raise told("", error) from error
        return self._driver

    def _undo(self, driver: sqlite3.Connection) -> None:
        self._memory.forget()
        try:
            driver.rollback()
        except sqlite3.Error:  # the file's own trouble has been told already
            self._drop()

    def _drop(self) -> None:
        driver, self._driver = self._driver, None
        self._memory.forget()
        if driver is not None:
            driver.close()


_WRITERS: dict[str, Writer] = {}


def of(url: URL) -> Writer:
    """The process's writer to this file."""
    path = str(url.database)
    return _WRITERS.setdefault(path, Writer(path))
