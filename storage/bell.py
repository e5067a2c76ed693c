"""LISTEN and NOTIFY: how processes over one PostgreSQL wake each other (`dialects.has_bell`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy import make_url

_CHANNEL = "hookline"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection of its own, to `ring` and `rings` with. Raises ConnectionError if it is lost."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connect = psycopg.AsyncConnection.connect
        async with await connect(plain, autocommit=True, connect_timeout=5) as connection:
            yield connection
    except psycopg.Error as error:
        raise ConnectionError(type(error).__name__) from None


async def ring(connection: psycopg.AsyncConnection[Any]) -> None:
    """Wake who hears it."""
    await connection.execute(f"NOTIFY {_CHANNEL}")


async def rings(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    """Yields once when it begins to hear, and then at each ring."""
    await connection.execute(f"LISTEN {_CHANNEL}")
    yield
    async for _ in connection.notifies():
        yield
