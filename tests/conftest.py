"""What tests of all kinds share: the databases, a fixed clock, and no way off this machine."""

import itertools
import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlmodel import SQLModel

from storage.database import Database
from storage.postgres import SEQUENCE
from tests.parts import postgres
from tests.parts.postgres import Server

STRICT = os.environ.get("HOOKLINE_TEST_STRICT") == "1"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_numbers = itertools.count()


def missing(part: str) -> None:
    """A real part is not there: a failure in strict mode, else a skip."""
    if STRICT:
        pytest.fail(f"strict mode: {part}")
    pytest.skip(part)


@pytest.fixture
def now() -> datetime:
    """A fixed moment."""
    return NOW


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that talks to another machine fails."""
    connect = socket.socket.connect

    def checked(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            host = str(address[0])
            if not host.startswith("127.") and host not in ("::1", "localhost"):
                raise AssertionError(f"a test tried to reach {host}")
        return connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL that may create databases."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    try:
        with postgres.server() as running:
            yield running.url
    except FileNotFoundError as error:
        missing(str(error))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """A database with the schema, to be copied for each test."""
    name = f"hookline_template_{os.getpid()}"
    url = postgres.create_database(postgres_server, name)
    database = Database(url)
    database.migrate()
    database.close()
    yield name
    postgres.drop_database(postgres_server, name)


@pytest.fixture(scope="session")
def postgres_spares(postgres_server: str) -> Iterator[list[str]]:
    """Databases that a test is done with, emptied: a hundred times faster than new ones."""
    spares: list[str] = []
    yield spares
    for url in spares:
        postgres.drop_database(postgres_server, str(make_url(url).database))


@pytest.fixture
def postgres_url(
    postgres_server: str, postgres_template: str, postgres_spares: list[str]
) -> Iterator[str]:
    """A PostgreSQL database of this test's own, migrated and empty."""
    name = f"hookline_{os.getpid()}_{next(_numbers)}"
    url = (
        postgres_spares.pop()
        if postgres_spares
        else postgres.create_database(postgres_server, name, postgres_template)
    )
    yield url
    if postgres.emptied(url, [*SQLModel.metadata.tables], SEQUENCE):
        postgres_spares.append(url)
    else:
        postgres.drop_database(postgres_server, str(make_url(url).database))


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A PostgreSQL that is stopped and started, without any table."""
    try:
        with postgres.server() as running:
            yield running
    except FileNotFoundError as error:
        missing(str(error))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite database of this test's own, migrated."""
    url = f"sqlite:///{tmp_path}/hookline.db"
    database = Database(url)
    database.migrate()
    database.close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The same test on each database."""
    return str(request.getfixturevalue({"sqlite": "sqlite_url"}.get(request.param, "postgres_url")))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def databases(database_url: str) -> Iterator[Callable[[], Database]]:
    """As many connections' owners to one database as a test wants: processes, in effect."""
    opened: list[Database] = []

    def another() -> Database:
        opened.append(Database(database_url))
        return opened[-1]

    yield another
    for one in opened:
        one.close()
