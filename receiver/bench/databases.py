"""A database for one measurement: a file in a temporary folder, or another one of a PostgreSQL."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from receiver.bench.processes import Failed

_numbers = itertools.count(1)


def kind(database: str) -> str:
    """ "sqlite" or "postgresql". Raises Failed for anything else."""
    name = database.partition(":")[0].partition("+")[0]
    if name not in ("sqlite", "postgresql"):
        raise Failed("--database is sqlite, or a URL postgresql://...")
    return name


@contextmanager
def temporary(database: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database, gone afterwards.

    database: "sqlite", or the URL of a PostgreSQL in which databases may be created; the one that
    the URL names is not touched. Raises Failed.
    """
    name = f"hookline_bench_{os.getpid()}_{next(_numbers)}"
    if kind(database) == "sqlite":
        place = folder / name
        place.mkdir()
        yield f"sqlite:///{place}/hookline.db"
        for file in place.iterdir():
            file.unlink()
        return
    _execute(database, f"CREATE DATABASE {name}")
    try:
        url = make_url(database).set(database=name, drivername="postgresql")
        yield url.render_as_string(hide_password=False)
    finally:
        _execute(database, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def facts(database: str) -> dict[str, Any]:
    """What decides how durable and how fast it is."""
    if kind(database) == "sqlite":
        return {"database": "sqlite", "synchronous": "FULL"}
    version, fsync, commit = _execute(
        database,
        "SELECT current_setting('server_version'), current_setting('fsync'),"
        " current_setting('synchronous_commit')",
    )
    return {"database": f"postgresql {version}", "fsync": fsync, "synchronous_commit": commit}


def _execute(database: str, sql: str) -> Any:
    """The first row, if there is any."""
    url = make_url(database).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            result = connection.exec_driver_sql(sql)
            return result.fetchone() if result.returns_rows else None
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise Failed(f"the database cannot be used: {reason}") from None
    finally:
        engine.dispose()
