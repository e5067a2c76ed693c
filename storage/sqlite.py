"""What a transaction does on SQLite; see `dialects.Transaction`."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from storage.columns import Asked, names, overwrite
from storage.memory import Memory

_CHUNK = 256  # keys in one IN list
_NEW = re.compile(r"\bnew\.(\w+)")


@lru_cache(maxsize=256)
def _sql(sql: str) -> str:
    return sql.replace("numbers(?)", "json_each(?)").replace("FOR UPDATE SKIP LOCKED", "")


@lru_cache(maxsize=512)
def _among(table: str, columns: str, key: str, size: int) -> str:
    return f"SELECT {columns} FROM {table} WHERE {key} IN ({','.join('?' * size)})"


@lru_cache(maxsize=256)
def _insert(table: str, columns: str, tail: str = "", **computed: str) -> str:
    marks = {name: f"?{number}" for number, name in enumerate(names(columns), 1)}
    made = {name: _NEW.sub(lambda new: marks[new[1]], sql) for name, sql in computed.items()}
    return f"INSERT INTO {table} ({columns}) VALUES ({','.join((marks | made).values())}) {tail}"


@lru_cache(maxsize=256)
def _update(table: str, key: str, changing: str) -> str:
    marks = [f"{name} = ?{at}" for at, name in enumerate((*names(key), *names(changing)), 1)]
    at = len(names(key))
    return f"UPDATE {table} SET {', '.join(marks[at:])} WHERE {' AND '.join(marks[:at])}"


class Rows(sqlite3.Cursor):
    """The rows of one statement, read when they are asked for."""

    def __iter__(self) -> Any:
        """One by one."""
        return iter(self.fetchall())

    def fetchall(self) -> list[Any]:
        """All of them."""
        try:
            return super().fetchall()
        except sqlite3.Error as error:
            raise told("", error) from error

    def scalar_one(self) -> Any:
        """The only value."""
        [(value,)] = self.fetchall()
        return value


class Sqlite:
    """One writer at a time: who holds the transaction is alone, so nothing else needs a lock.

    What a batch has many of goes to the driver itself: SQLAlchemy's way to it, fast as it is,
    takes longer than most of these statements.
    """

    name = "sqlite"
    alone = True

    def __init__(self, driver: sqlite3.Connection, memory: Memory | None = None) -> None:
        self._driver = driver
        self.memory = Memory() if memory is None else memory

    def run(self, sql: str, *values: Any) -> Any:
        listed = tuple(json.dumps(v) if isinstance(v, list) else v for v in values)
        return self._run(_sql(sql), listed)

    def known(self, table: str, columns: str, key: str, keys: Iterable[Any]) -> list[Any]:
        wanted = list(dict.fromkeys(keys))
        found: list[Any] = []
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            size = 1 << (len(chunk) - 1).bit_length()  # so few sizes that all stay prepared
            chunk += chunk[-1:] * (size - len(chunk))
            found += self._fetch(_among(table, columns, key, size), chunk)
        return found

    def known_all(self, *asked: Asked) -> list[list[Any]]:
        return [self.known(*one) for one in asked]

    def update(self, table: str, key: str, changing: str, rows: Sequence[Any]) -> None:
        self._many(_update(table, key, changing), rows)

    def insert(self, table: str, columns: str, rows: Sequence[Any], **computed: str) -> None:
        self._many(_insert(table, columns, **computed), rows)

    def _many(self, sql: str, rows: Sequence[Any]) -> int:
        """How many rows it changed."""
        if not rows:
            return 0
        try:
            return self._driver.executemany(sql, rows).rowcount
        except sqlite3.Error as error:
            raise told(sql, error) from error

    def insert_new(
        self, table: str, columns: str, rows: Sequence[Any], unique: str
    ) -> Callable[[], set[Any]]:
        inserted = self._many(_insert(table, columns, f"ON CONFLICT ({unique}) DO NOTHING"), rows)
        if inserted == len(rows):  # nearly always
            at = names(columns).index(unique)
            new = {row[at] for row in rows}
        else:  # new ids are greater than all others
            latest = f"SELECT {unique} FROM {table} ORDER BY id DESC LIMIT ?"
            new = {row[0] for row in self._fetch(latest, (inserted,))}
        return lambda: new

    def upsert(
        self, table: str, columns: str, rows: Sequence[Any], key: str, only: str = ""
    ) -> None:
        self._many(_insert(table, columns, overwrite(columns, key, only)), rows)

    def ids(self, table: str, count: int) -> Sequence[int]:
        return self.ask_ids((table, count))()[0]

    def ask_ids(self, *wanted: tuple[str, int]) -> Callable[[], list[Sequence[int]]]:
        last = ", ".join(f"(SELECT coalesce(max(id), 0) FROM {table})" for table, _ in wanted)
        [greatest] = self._fetch(f"SELECT {last}")
        pairs = zip(greatest, wanted, strict=True)
        ids: list[Sequence[int]] = [range(n + 1, n + 1 + count) for n, (_, count) in pairs]
        return lambda: ids

    def lock_lanes(self, lanes: Iterable[int]) -> None:
        """Nothing to do: the transaction is the only writer."""

    def _fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._run(sql, values).fetchall()

    def _run(self, sql: str, values: Sequence[Any]) -> Rows:
        try:
            return self._driver.cursor(Rows).execute(sql, values)
        except sqlite3.Error as error:
            raise told(sql, error) from error


def told(sql: str, error: sqlite3.Error) -> BaseException:
    """The driver's error as SQLAlchemy's, of the same kind and without the values."""
    return DBAPIError.instance(sql, None, error, sqlite3.Error)


# A receiver folds the log by itself (`Database.fold`), before it has so many pages. The cache has
# room for the pages of the indexes that some thousand people's webhooks go to time and again.
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "secure_delete=FAST",
    "cache_size=-32768",
    "wal_autocheckpoint=32768",
    "journal_size_limit=134217728",
)
OPTIONS: dict[str, Any] = {"check_same_thread": False, "timeout": 5.0, "cached_statements": 512}


def prepare(connection: sqlite3.Connection) -> None:
    """What every connection is told first."""
    connection.isolation_level = None  # BEGIN is ours
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


# For each of these the driver looks in three places for what makes it another value, each time it
# binds one. What it finds in the first leaves it as it is, in half the time.
sqlite3.register_adapter(bytes, bytes.__bytes__)
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(type(None), lambda none: none)


def engine(url: URL, pool_size: int) -> Engine:
    """Connections to read by, that wait 5 s for the file, and lose nothing that was committed."""
    made = create_engine(
        url,
        poolclass=QueuePool,
        pool_use_lifo=True,
        hide_parameters=True,
        pool_size=pool_size,
        connect_args=OPTIONS,
    )

    @event.listens_for(made, "connect")
    def connected(connection: sqlite3.Connection, _: Any) -> None:
        prepare(connection)

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        Sqlite(_driver(connection)).run("BEGIN")

    return made


def of(connection: Connection) -> Sqlite:
    """What reads by this connection."""
    if not connection.in_transaction():
        connection.begin()  # which SQLAlchemy would do by itself at its first statement
    return Sqlite(_driver(connection))


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
