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

from storage import dialects
from storage.dialects import Transaction

# What the database raises when it is away, locked or full: our fault, never the sender's.
AWAY = (DBAPIError, TimeoutError)

_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """Where everything is kept. Safe to share between threads; each transaction has one.

    pool_size: connections at most, so that one part of the process cannot starve another.
    """

    def __init__(self, url: str, pool_size: int = 5) -> None:
        self.url = url
        self.engine, self._transaction = dialects.connect(url, pool_size)
        self._lock = dialects.writer_lock(url)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that may write: committed at the block's end, undone by an exception."""
        if self._lock is None:
            with self.engine.begin() as connection:
                yield self._transaction(connection)
            return
        with self._lock, self.engine.connect() as connection:
            connection.execution_options(hookline_write=True)
            with connection.begin():
                yield self._transaction(connection)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that only reads."""
        with self.engine.connect() as connection:
            yield self._transaction(connection)

    def compact(self) -> None:
        """Let nothing that was deleted linger: SQLite keeps it in its log until it is folded in."""
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as connection:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.exec_driver_sql("BEGIN")

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

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
        """The revisions that this program knows and the database has not, oldest first."""
        script = ScriptDirectory.from_config(_config())
        with self.engine.connect() as connection:
            present = set(MigrationContext.configure(connection).get_current_heads())
        known = [revision.revision for revision in script.walk_revisions()][::-1]
        if not present:
            return known
        unknown = present - set(known)
        if unknown:
            raise RuntimeError(
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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _lock_migrations(connection: Connection) -> None:
    """Two processes that start at once: the second waits and finds nothing left to do."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4862093)")
