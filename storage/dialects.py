"""
What storage needs of a database, whichever it is. All that differs between SQLite and PostgreSQL
is in the modules of their names: how to connect, lock, number and insert in bulk.

Bulk statements go to the driver directly, with tuples: below the ORM, where a batch costs a tenth.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, make_url

from storage import postgres, sqlite, writer
from storage.columns import Asked
from storage.memory import Memory
from storage.writer import Writer


class Transaction(Protocol):
    """One open transaction, and what storage needs of a database beyond SQL that both understand.

    known:      the rows of `table` whose `key` is among `keys`, as tuples of `columns`.
    known_all:  the same for several (table, columns, key, keys) at once: one question, not many.
    update:     write the `changing` columns of rows that are there; each of `rows` holds the `key`
                columns' values first.
    insert:     all rows. A value in `computed` is SQL for the column of its name; what it says of
                new.x is that column of the row to be inserted. Where `id` is not among the
                columns, each row gets the next one.
    insert_new: the rows whose `unique` column is not there yet. Returns a function that waits for
                the answer: the values of that column that were new. The table has an `id`, and
                those given are new ones.
    upsert:     insert, or overwrite all columns but the key; where `only` is given, if that holds:
                SQL in which excluded.x is a column of the new row, and table.x of the one there.
    ids:        `count` new ids, ascending; later callers get larger ones. ask_ids: the same for
                several (table, count); returns a function that waits for the answer.
    lock_lanes: until the transaction ends nobody else works on these lanes. They are ours as soon
                as anything is read that was asked for later.
    run:        one statement with `?` for its values; `numbers(?)` is a table with one column,
                `value`, made of a list of integers, and `SKIP LOCKED` stands for itself.
    alone:      whoever writes is the only writer, so what was read stays true.
    memory:     what is known of people; see there.
    """

    name: str
    alone: bool
    memory: Memory

    def run(self, sql: str, *values: Any) -> Any: ...
    def known(self, table: str, columns: str, key: str, keys: Iterable[Any]) -> list[Any]: ...
    def known_all(self, *asked: Asked) -> list[list[Any]]: ...
    def update(self, table: str, key: str, changing: str, rows: Sequence[Any]) -> None: ...
    def insert(self, table: str, columns: str, rows: Sequence[Any], **computed: str) -> None: ...
    def insert_new(
        self, table: str, columns: str, rows: Sequence[Any], unique: str
    ) -> Callable[[], set[Any]]: ...
    def upsert(
        self, table: str, columns: str, rows: Sequence[Any], key: str, only: str = ""
    ) -> None: ...
    def ids(self, table: str, count: int) -> Sequence[int]: ...
    def ask_ids(self, *wanted: tuple[str, int]) -> Callable[[], list[Sequence[int]]]: ...
    def lock_lanes(self, lanes: Iterable[int]) -> None: ...


def connect(url: str, pool_size: int) -> tuple[Engine, Callable[[Connection], Transaction]]:
    """An engine for `sqlite:///path` or `postgresql://...`, and what makes its transactions.

    Raises ValueError on any other kind of URL.
    """
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return sqlite.engine(parsed, pool_size), sqlite.of
        case "postgresql":
            return postgres.engine(parsed, pool_size), postgres.Postgres
        case other:
            raise ValueError(f"database_url: {other} is neither sqlite nor postgresql")


def only_writer(url: str) -> Writer | None:
    """By whom this process writes to an SQLite file; None where the database has many writers."""
    parsed = make_url(url)
    return writer.of(parsed) if parsed.get_backend_name() == "sqlite" else None


# What a server says that has understood us: trying again would not help.
_FINAL = re.compile(r"authentication failed|no pg_hba\.conf entry|does not exist")


def may_come_back(error: Exception) -> bool:
    """Whether the database could not be reached, but may be later: PostgreSQL's server is away."""
    reason = getattr(error, "orig", error)
    return not isinstance(reason, sqlite3.Error) and not _FINAL.search(str(reason))


def writers(url: str) -> int:
    """How many transactions of one receiver are best under way at a time: while PostgreSQL works on
    one, the next is prepared."""
    return 2 if make_url(url).get_backend_name() == "postgresql" else 1


def has_bell(url: str) -> bool:
    """Whether processes over this database can wake each other (`storage.bell`)."""
    return make_url(url).get_backend_name() == "postgresql"
