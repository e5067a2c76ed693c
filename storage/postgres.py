"""What a transaction does on PostgreSQL; see `dialects.Transaction`."""

import select
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlmodel import SQLModel

from storage import arrays
from storage.columns import Asked, names, overwrite
from storage.memory import Memory

SEQUENCE = "hookline_id"

_TABLES = SQLModel.metadata.tables
_NUMBERS = f"SELECT nextval('{SEQUENCE}') FROM generate_series(1, %s)"


@lru_cache(maxsize=256)
def _sql(sql: str) -> str:
    keyed = sql.replace("IN (SELECT value FROM numbers(?))", "= ANY(%b::bigint[])")
    return keyed.replace("numbers(?)", "unnest(%b::bigint[]) AS t(value)").replace("?", "%s")


class Rows(psycopg.Cursor[Any]):
    """The rows of one statement, asked for when they are read."""

    def scalar_one(self) -> Any:
        """The only value."""
        [(value,)] = self.fetchall()
        return value


class Postgres:
    """Any number of processes: rows are locked in the order of their keys, so none deadlocks."""

    name = "postgresql"
    alone = False

    def __init__(self, db: Connection) -> None:
        self._driver: Any = db.connection.driver_connection
        self.memory = Memory()

    def run(self, sql: str, *values: Any) -> Any:
        return self._run(_sql(sql), values)

    def _run(self, sql: str, values: Sequence[Any]) -> Rows:
        return Rows(self._driver).execute(sql, values)

    def known(self, table: str, columns: str, key: str, keys: Iterable[Any]) -> list[Any]:
        return self.known_all((table, columns, key, keys))[0]

    def known_all(self, *asked: Asked) -> list[list[Any]]:
        running = [self._known(*one) for one in asked]
        return [[] if rows is None else rows.fetchall() for rows in running]

    def _known(self, table: str, columns: str, key: str, keys: Iterable[Any]) -> Rows | None:
        wanted = list(dict.fromkeys(keys))
        array = _array(table, key)
        sql = f"SELECT {columns} FROM {table} WHERE {key} = ANY({arrays.mark(array)})"
        return self._run(sql, (arrays.written(array, wanted),)) if wanted else None

    def insert(self, table: str, columns: str, rows: Sequence[Any], **computed: str) -> None:
        self._bulk(_insert(table, columns, **computed), table, columns, rows)

    def _bulk(self, sql: str, table: str, columns: str, rows: Sequence[Any]) -> Rows | None:
        return self._run(sql, _arrays(table, columns, rows)) if rows else None

    def update(self, table: str, key: str, changing: str, rows: Sequence[Any]) -> None:
        columns = f"{key}, {changing}"
        self._bulk(_update(table, key, changing), table, columns, sorted(rows))

    def insert_new(
        self, table: str, columns: str, rows: Sequence[Any], unique: str
    ) -> Callable[[], set[Any]]:
        at = names(columns).index(unique)
        last = {row[at]: row for row in reversed(rows)}
        tail = f"ON CONFLICT ({unique}) DO NOTHING RETURNING {unique}"
        chosen = [last[key] for key in sorted(last)]
        found = self._bulk(_insert(table, columns, tail), table, columns, chosen)
        return lambda: set() if found is None else {row[0] for row in found.fetchall()}

    def upsert(
        self, table: str, columns: str, rows: Sequence[Any], key: str, only: str = ""
    ) -> None:
        at = [names(columns).index(name) for name in names(key)]
        last = {tuple(row[i] for i in at): row for row in rows}
        sql = _insert(table, columns, overwrite(columns, key, only))
        self._bulk(sql, table, columns, [last[k] for k in sorted(last)])

    def ids(self, table: str, count: int) -> Sequence[int]:
        return self.ask_ids((table, count))()[0]

    def ask_ids(self, *wanted: tuple[str, int]) -> Callable[[], list[Sequence[int]]]:
        made = self._run(_NUMBERS, (sum(count for _, count in wanted),))

        def told() -> list[Sequence[int]]:
            ids = iter(sorted(row[0] for row in made.fetchall()))  # one sequence for all tables
            return [list(islice(ids, count)) for _, count in wanted]

        return told

    def lock_lanes(self, lanes: Iterable[int]) -> None:
        wanted = sorted(set(lanes))
        if wanted:
            self._run(
                "SELECT pg_advisory_xact_lock(lane) FROM unnest(%b::bigint[]) AS lane", (wanted,)
            )  # the statements behind it wait until they are ours


@contextmanager
def errors(connection: Connection) -> Iterator[None]:
    """Let what psycopg raises come out as SQLAlchemy's, without the values."""
    try:
        yield
    except psycopg.Error as error:
        driver: Any = connection.connection.driver_connection
        if driver.closed:
            connection.invalidate()
        raise DBAPIError.instance("", None, error, psycopg.Error) from error


@contextmanager
def pipeline(connection: Connection) -> Iterator[None]:
    """Let statements go to PostgreSQL one behind the other, without a wait for each one's answer:
    what goes wrong is told by the next answer that is read, or at the end. Ends with the commit.

    https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html
    """
    driver: Any = connection.connection.driver_connection
    with errors(connection), driver.pipeline():
        yield
        driver.commit()


def _arrays(table: str, columns: str, rows: Sequence[Any]) -> list[Any]:
    """One array for each column of these rows."""
    turned = zip(names(columns), zip(*rows, strict=True), strict=True)
    return [arrays.written(_array(table, name), column) for name, column in turned]


@lru_cache(maxsize=256)
def _insert(table: str, columns: str, tail: str = "", **computed: str) -> str:
    values = {name: f"new.{name}" for name in names(columns)} | computed
    if "id" not in values and "id" in _TABLES[table].c:
        values = {"id": f"nextval('{SEQUENCE}')", **values}
    into, new = ",".join(values), f"{_columns(table, columns)} AS new({columns})"
    return f"INSERT INTO {table} ({into}) SELECT {','.join(values.values())} FROM {new} {tail}"


@lru_cache(maxsize=256)
def _update(table: str, key: str, changing: str) -> str:
    new = f"{_columns(table, f'{key}, {changing}')} AS new({key}, {changing})"
    changes = ", ".join(f"{name} = new.{name}" for name in names(changing))
    same = " AND ".join(f"{table}.{name} = new.{name}" for name in names(key))
    return f"UPDATE {table} SET {changes} FROM {new} WHERE {same}"


@lru_cache(maxsize=256)
def _columns(table: str, columns: str) -> str:
    """A table made of one array for each column."""
    marks = [arrays.mark(_array(table, name)) for name in names(columns)]
    return f"unnest({', '.join(marks)})"


@lru_cache(maxsize=256)
def _array(table: str, column: str) -> str:
    """The PostgreSQL array type of a column."""
    kind = _TABLES[table].c[column].type.compile(dialect=_pg())
    return f"{kind}[]".lower()


@lru_cache(maxsize=1)
def _pg() -> Any:
    from sqlalchemy.dialects import postgresql

    return postgresql.dialect()  # type: ignore[no-untyped-call]


def engine(url: URL, pool_size: int) -> Engine:
    """At most so many connections; a server that does not answer is known to be away in 5 s."""
    made = create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        connect_args={
            "connect_timeout": 5,  # seconds
            # A server that vanished is known to be away: milliseconds until what was sent must be
            # acknowledged, seconds until somebody who only waits for an answer begins to ask.
            "tcp_user_timeout": 5000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "application_name": "hookline",
        },
    )

    @event.listens_for(made, "connect")
    def prepare(connection: psycopg.Connection[Any], _: Any) -> None:
        # A plan that was made while a table was empty is kept when it has grown, and the cheapest
        # way to an empty table is to read all of it. What is read often here goes by an index.
        connection.execute("SET enable_seqscan = off; SET jit = off")
        connection.commit()

    @event.listens_for(made, "checkout")
    def taken(connection: psycopg.Connection[Any], *_: Any) -> None:
        if _has_news(connection):
            try:
                connection.execute("SELECT 1")
                connection.rollback()
            except psycopg.Error as error:
                raise DisconnectionError from error  # the pool makes another one

    return made


def _has_news(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server sent something unasked: mostly that this connection has ended.

    To ask it each time (SQLAlchemy's pre_ping) takes as long as a tenth of a transaction.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
