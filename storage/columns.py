"""What both databases' bulk statements are made of."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

# (table, columns, key, keys), as `Transaction.known` takes them.
Asked = tuple[str, str, str, Iterable[Any]]


@lru_cache(maxsize=256)
def names(columns: str) -> tuple[str, ...]:
    """The columns' names, one by one."""
    return tuple(name.strip() for name in columns.split(","))


@lru_cache(maxsize=256)
def overwrite(columns: str, key: str, only: str) -> str:
    """How an insert goes on where its key is there: it overwrites all else, if `only` holds."""
    keys = names(key)
    changes = [f"{name} = excluded.{name}" for name in names(columns) if name not in keys]
    where = f" WHERE {only}" if only else ""
    return f"ON CONFLICT ({key}) DO UPDATE SET {', '.join(changes)}{where}"
