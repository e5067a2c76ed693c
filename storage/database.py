"""One database: connections, transactions, and the schema's state."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError, TimeoutError

from storage import dialects, postgres
from storage.dialects import Transaction

# What the database raises when it is away, locked or full: our fault, never the sender's.
AWAY = (DBAPIError, TimeoutError)

# What SQLite and PostgreSQL call it when a disk takes no more, or a quota does not.
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "53100")

# What they call a file whose bytes are not what they wrote.
_DAMAGED = ("SQLITE_CORRUPT", "XX001", "XX002")
TO_DO = (
    "it is damaged: stop Hookline, keep a copy of all its files, save what can still be read with"
    " `hookline export`, then put a backup in its place"
)

_WORTH = 20  # transactions before it is worth to fold the log
_PASSES = 4  # over the log, while it is written to
_REST = 256  # pages of it that may be moved while nobody writes

_MIGRATIONS = Path(__file__).parent / "migrations"


class NewerSchema(Exception):
    """The database was set up by a later program than this one, which must not touch it."""


def is_full(error: Exception) -> bool:
    """Whether the database has no room left on its disk: it does not mend that by itself."""
    return _name(error).startswith(_FULL)


def is_damaged(error: Exception) -> bool:
    """Whether something of the database can never be read again: a disk failed, or a copy did."""
    return _name(error).startswith(_DAMAGED)


def why(error: Exception) -> str:
    """What the database says of an error, in one line, and what to do where that is known."""
    lines = str(getattr(error, "orig", error)).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    return f"{reason}; {TO_DO}" if is_damaged(error) else reason


def _name(error: Exception) -> str:
    """What the database calls an error; "" for one that it did not raise."""
    reason = getattr(error, "orig", None)
    name = getattr(reason, "sqlite_errorname", None) or getattr(reason, "sqlstate", None)
    return name or ""


class Database:
    """Where everything is kept. Safe to share between threads; each transaction has one.

    pool_size: connections at most, so that one part of the process cannot starve another.
    """

    def __init__(self, url: str, pool_size: int = 5) -> None:
        self.url = url
        self.engine, self._transaction = dialects.connect(url, pool_size)
        self._writer = dialects.only_writer(url)
        self._written = 0  # transactions since the log was folded

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that may write: committed at the block's end, undone by an exception."""
        self._written += 1
        if self._writer is not None:
            with self._writer.transaction() as tx:
                yield tx
            return
        with self.engine.begin() as connection, postgres.pipeline(connection):
            yield self._transaction(connection)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that only reads."""
        with self.engine.connect() as connection, postgres.errors(connection):
            yield self._transaction(connection)

    def compact(self) -> bool:
        """Let nothing that was deleted linger: SQLite keeps it in free pages and in its log.

        Writes the whole file anew, while nobody else can write. False: others were using it, so
        that something may be left.
        """
        if self._writer is None:
            return True
        with self._writer.paused(), self.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            try:
                connection.exec_driver_sql("VACUUM")
                [row] = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except DBAPIError:
                return False
            finally:
                connection.exec_driver_sql("BEGIN")
        return not row[0]

    def fold(self) -> None:
        """Move what SQLite's log holds into the file, so that the log starts anew.

        Others go on writing meanwhile; they wait only for the little that is left at the end.
        """
        if self._writer is None or self._written < _WORTH:
            return
        self._written = 0
        with self.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            try:
                moved = 0
                for _ in range(_PASSES):
                    before, moved = moved, _folded(connection)
                    if moved - before < _REST:
                        break
                with self._writer.paused():
                    _folded(connection)
            finally:
                connection.exec_driver_sql("BEGIN")

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()
        if self._writer is not None:
            self._writer.close()

    def migrate(self) -> list[str]:
        """Bring the schema up to date; the revisions that were applied, oldest first."""
        before = set(self.pending())
        if before:
            with self.engine.begin() as connection:
                _lock_migrations(connection)
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        return sorted(before)

    def pending(self) -> list[str]:
        """The revisions that this program knows and the database has not, oldest first.

        Raises NewerSchema where the database has one that this program does not know.
        """
        script = ScriptDirectory.from_config(_config())
        with self.engine.connect() as connection:
            present = set(MigrationContext.configure(connection).get_current_heads())
        known = [revision.revision for revision in script.walk_revisions()][::-1]
        if not present:
            return known
        unknown = present - set(known)
        if unknown:
            raise NewerSchema(
                f"the database is newer than this program (revision {min(unknown)}): upgrade it"
            )
        return known[max(known.index(head) for head in present) + 1 :]

    def is_empty(self) -> bool:
        """Whether there is no table at all yet."""
        return not inspect(self.engine).get_table_names()

    def check(self) -> None:
        """Raise what the database raises when it does not answer."""
        with self.read() as tx:
            tx.run("SELECT 1")


def _folded(connection: Connection) -> int:
    """Move what the log holds by now; how many of its pages have been moved in all."""
    [(_, _, moved)] = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return int(moved)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _lock_migrations(connection: Connection) -> None:
    """Two processes that start at once: the second waits and finds nothing left to do."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4862093)")
