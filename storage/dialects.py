"""
All that differs between SQLite and PostgreSQL: how to connect, lock, number and insert in bulk.

Bulk statements go to the driver directly, with tuples: below the ORM, where a batch costs a tenth.
"""

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from sqlmodel import SQLModel

SEQUENCE = "hookline_id"
_CHUNK = 400  # keys in one SQLite IN list

_TABLES = SQLModel.metadata.tables


class Transaction(Protocol):
    """One open transaction, and what storage needs of a database beyond SQL that both understand.

    known:      the rows of `table` whose `key` is among `keys`, as tuples of `columns`.
    insert:     all rows. insert_new: those whose `unique` column is not there yet; returns the
                values of that column that were new.
    upsert:     insert, or overwrite all columns but the key.
    ids:        `count` new ids, ascending; later callers get larger ones.
    lock_lanes: until the transaction ends nobody else works on these lanes.
    run:        one statement with `?` for its values; `numbers(?)` is a table with one column,
                `value`, made of a list of integers, and `SKIP LOCKED` stands for itself.
    alone:      whoever writes is the only writer, so what was read stays true.
    """

    name: str
    alone: bool

    def run(self, sql: str, *values: Any) -> Any: ...
    def known(self, table: str, columns: str, key: str, keys: Iterable[Any]) -> list[Any]: ...
    def insert(self, table: str, columns: str, rows: Sequence[Any]) -> None: ...
    def insert_new(
        self, table: str, columns: str, rows: Sequence[Any], unique: str
    ) -> set[Any]: ...
    def upsert(self, table: str, columns: str, rows: Sequence[Any], key: str) -> None: ...
    def ids(self, table: str, count: int) -> Sequence[int]: ...
    def lock_lanes(self, lanes: Iterable[int]) -> None: ...


def _names(columns: str) -> list[str]:
    return [name.strip() for name in columns.split(",")]


@lru_cache(maxsize=256)
def _overwrite(columns: str, key: str) -> str:
    keys = _names(key)
    changes = [f"{name} = excluded.{name}" for name in _names(columns) if name not in keys]
    return f"ON CONFLICT ({key}) DO UPDATE SET {', '.join(changes)}"


@lru_cache(maxsize=256)
def _sqlite_sql(sql: str) -> str:
    return sql.replace("numbers(?)", "json_each(?)").replace("FOR UPDATE SKIP LOCKED", "")


@lru_cache(maxsize=256)
def _postgres_sql(sql: str) -> str:
    return sql.replace("numbers(?)", "unnest(?::bigint[]) AS t(value)").replace("?", "%s")


class Sqlite:
    """One writer at a time: who holds the transaction is alone, so nothing else needs a lock.

    What a batch has many of goes to the driver itself: SQLAlchemy's way to it, fast as it is,
    takes longer than most of these statements.
    """

    name = "sqlite"
    alone = True

    def __init__(self, db: Connection) -> None:
        self.db = db
        self._driver: Any = db.connection.driver_connection
        if not db.in_transaction():
            db.begin()  # which SQLAlchemy would do by itself at its first statement

    def run(self, sql: str, *values: Any) -> Any:
        listed = tuple(json.dumps(v) if isinstance(v, list) else v for v in values)
        return self.db.exec_driver_sql(_sqlite_sql(sql), listed)

    def known(self, table: str, columns: str, key: str, keys: Iterable[Any]) -> list[Any]:
        wanted = list(dict.fromkeys(keys))
        found: list[Any] = []
        for start in range(0, len(wanted), _CHUNK):
            chunk = tuple(wanted[start : start + _CHUNK])
            marks = ",".join("?" * len(chunk))
            sql = f"SELECT {columns} FROM {table} WHERE {key} IN ({marks})"
            found += self._fetch(sql, chunk)
        return found

    def insert(self, table: str, columns: str, rows: Sequence[Any], tail: str = "") -> None:
        if rows:
            marks = ",".join("?" * len(_names(columns)))
            sql = f"INSERT INTO {table} ({columns}) VALUES ({marks}) {tail}"
            try:
                self._driver.executemany(sql, rows)
            except sqlite3.Error as error:
                raise _told(sql, error) from error

    def insert_new(self, table: str, columns: str, rows: Sequence[Any], unique: str) -> set[Any]:
        at = _names(columns).index(unique)
        there = {row[0] for row in self.known(table, unique, unique, (row[at] for row in rows))}
        fresh = {row[at]: row for row in reversed(rows) if row[at] not in there}
        self.insert(table, columns, [row for row in rows if fresh.get(row[at]) is row])
        return set(fresh)

    def upsert(self, table: str, columns: str, rows: Sequence[Any], key: str) -> None:
        self.insert(table, columns, rows, _overwrite(columns, key))

    def ids(self, table: str, count: int) -> Sequence[int]:
        sql = f"SELECT coalesce(max(id), 0) FROM {table}"
        [(last,)] = self._fetch(sql)
        return range(last + 1, last + 1 + count)

    def lock_lanes(self, lanes: Iterable[int]) -> None:
        """Nothing to do: the transaction is the only writer."""

    def _fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return list(self._driver.execute(sql, values))
        except sqlite3.Error as error:
            raise _told(sql, error) from error


def _told(sql: str, error: sqlite3.Error) -> BaseException:
    """The driver's error as SQLAlchemy's, of the same kind and without the values."""
    return DBAPIError.instance(sql, None, error, sqlite3.Error)


class Postgres:
    """Any number of processes: rows are locked in the order of their keys, so none deadlocks."""

    name = "postgresql"
    alone = False

    def __init__(self, db: Connection) -> None:
        self.db = db

    def run(self, sql: str, *values: Any) -> Any:
        return self.db.exec_driver_sql(_postgres_sql(sql), values)

    def known(self, table: str, columns: str, key: str, keys: Iterable[Any]) -> list[Any]:
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return []
        cast = _array(table, key)
        sql = f"SELECT {columns} FROM {table} WHERE {key} = ANY(%s::{cast})"
        return list(self.db.exec_driver_sql(sql, (wanted,)).fetchall())

    def insert(self, table: str, columns: str, rows: Sequence[Any]) -> None:
        self._insert(table, columns, rows, "")

    def _insert(self, table: str, columns: str, rows: Sequence[Any], tail: str) -> list[Any]:
        if not rows:
            return []
        arrays = ", ".join(f"%s::{_array(table, name)}" for name in _names(columns))
        sql = f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) {tail}"
        result = self.db.exec_driver_sql(
            sql, tuple(list(column) for column in zip(*rows, strict=True))
        )
        return list(result.fetchall()) if result.returns_rows else []

    def insert_new(self, table: str, columns: str, rows: Sequence[Any], unique: str) -> set[Any]:
        at = _names(columns).index(unique)
        tail = f"ON CONFLICT ({unique}) DO NOTHING RETURNING {unique}"
        last = {row[at]: row for row in reversed(rows)}
        found = self._insert(table, columns, [last[key] for key in sorted(last)], tail)
        return {row[0] for row in found}

    def upsert(self, table: str, columns: str, rows: Sequence[Any], key: str) -> None:
        at = [_names(columns).index(name) for name in _names(key)]
        last = {tuple(row[i] for i in at): row for row in rows}
        self._insert(table, columns, [last[k] for k in sorted(last)], _overwrite(columns, key))

    def ids(self, table: str, count: int) -> Sequence[int]:
        sql = f"SELECT nextval('{SEQUENCE}') FROM generate_series(1, %s)"
        return sorted(row[0] for row in self.db.exec_driver_sql(sql, (count,)))

    def lock_lanes(self, lanes: Iterable[int]) -> None:
        wanted = sorted(set(lanes))
        if wanted:
            self.db.exec_driver_sql(
                "SELECT pg_advisory_xact_lock(lane) FROM unnest(%s::bigint[]) AS lane", (wanted,)
            )


@lru_cache(maxsize=256)
def _array(table: str, column: str) -> str:
    """The PostgreSQL array type of a column."""
    kind = _TABLES[table].c[column].type.compile(dialect=_pg())
    return f"{kind}[]".lower()


@lru_cache(maxsize=1)
def _pg() -> Any:
    from sqlalchemy.dialects import postgresql

    return postgresql.dialect()  # type: ignore[no-untyped-call]


def connect(url: str, pool_size: int) -> tuple[Engine, Callable[[Connection], Transaction]]:
    """An engine for `sqlite:///path` or `postgresql://...`, and what makes its transactions.

    Raises ValueError on any other kind of URL.
    """
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed, pool_size), Sqlite
        case "postgresql":
            return _postgres(parsed, pool_size), Postgres
        case other:
            raise ValueError(f"database_url: {other} is neither sqlite nor postgresql")


def _sqlite(url: URL, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        hide_parameters=True,
        pool_size=pool_size,
        connect_args={"check_same_thread": False, "timeout": 5.0, "cached_statements": 512},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=FAST"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("hookline_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: URL, pool_size: int) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=5,
        connect_args={
            "connect_timeout": 5,  # seconds
            "tcp_user_timeout": 5000,  # milliseconds: a server that vanished is known to be away
            "application_name": "hookline",
        },
    )


# What a server says that has understood us: trying again would not help.
_FINAL = re.compile(r"authentication failed|no pg_hba\.conf entry|does not exist")


def may_come_back(error: Exception) -> bool:
    """Whether the database could not be reached, but may be later: PostgreSQL's server is away."""
    reason = getattr(error, "orig", error)
    return not isinstance(reason, sqlite3.Error) and not _FINAL.search(str(reason))


_WRITERS: dict[str, threading.Lock] = {}


def writer_lock(url: str) -> "threading.Lock | None":
    """What the threads of one process queue for before they write to one SQLite file.

    SQLite itself would let them poll; None where the database has many writers.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    return _WRITERS.setdefault(str(parsed.database), threading.Lock())


def has_bell(url: str) -> bool:
    """Whether processes over this database can wake each other (`storage.bell`)."""
    return make_url(url).get_backend_name() == "postgresql"
