"""This machine: the handlers, the database, and the file it is in."""

import os
from collections.abc import Iterator
from pathlib import Path

from receiver.doctor.finding import Finding, bad, ok, warning
from receiver.plugins import BadHandler, load_handlers
from receiver.settings import Settings
from storage.database import AWAY, Database, NewerSchema

MOUNTS = Path("/proc/self/mounts")  # Linux; elsewhere nothing is known of mounts

# File systems on which SQLite's locks are not to be trusted. https://www.sqlite.org/useovernet.html
_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "fuse.sshfs", "ncp")


def examine(settings: Settings) -> list[Finding]:
    """All there is to say without asking anybody else."""
    return [*_handlers(settings), *_database(settings)]


def _handlers(settings: Settings) -> Iterator[Finding]:
    if not settings.handlers:
        yield warning("handlers", "there are none: events are only stored", "set handlers")
        return
    try:
        load_handlers(settings.handlers)
    except BadHandler as error:
        yield bad("handlers", str(error), "`hookline serve` will not start like this")
    else:
        yield ok("handlers", ", ".join(settings.handlers))


def _database(settings: Settings) -> Iterator[Finding]:
    url = settings.database_url.get_secret_value()
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        yield from sqlite_file(file, _mounts())
        if not file.exists():
            return
    yield _schema(url)


def _schema(url: str) -> Finding:
    database = Database(url, pool_size=1)
    try:
        database.check()
        pending = database.pending()
    except AWAY as error:
        return bad("database", f"does not answer ({type(error).__name__})", "see database_url")
    except NewerSchema as error:
        return bad("database", str(error), "install the newer hookline")
    finally:
        database.close()
    if pending:
        todo = "back it up, then run `hookline migrate`"
        return bad("database", f"its schema is older: {', '.join(pending)} to come", todo)
    return ok("database", "answers, and its schema is up to date")


def sqlite_file(file: Path, mounts: str) -> Iterator[Finding]:
    """Whether the file, or the one to come, can be written and locked.

    mounts: what /proc/self/mounts holds; empty where there is none.
    """
    folder = file.absolute().parent
    if not os.access(folder, os.W_OK):
        yield bad("database file", f"{folder} cannot be written", "SQLite writes beside its file")
    elif file.exists() and not os.access(file, os.W_OK):
        yield bad("database file", f"{file} cannot be written", "give it to the user who serves")
    elif not file.exists():
        yield warning("database file", f"{file} is not there yet", "`hookline serve` will make it")
    else:
        yield ok("database file", f"{file} can be written")
    kind = file_system(folder, mounts)
    if kind.startswith(_NETWORK):
        todo = "use a local disk, or PostgreSQL"
        yield bad("database file", f"it is on a network file system ({kind})", todo)


def file_system(folder: Path, mounts: str) -> str:
    """The type of the file system that `folder` is on; "" if it is not known."""
    found = ("", "")
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        point = point.replace("\\040", " ")
        if folder.is_relative_to(point or "?") and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]


def _mounts() -> str:
    return MOUNTS.read_text("utf-8", "replace") if MOUNTS.exists() else ""
