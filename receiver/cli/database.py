"""The configured database, for one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from receiver.cli.app import Failure, load_settings

if TYPE_CHECKING:
    from storage.database import Database


@contextmanager
def opened(*, migrated: bool = True) -> Iterator["Database"]:
    """The database that the settings name. Raises Failure where it cannot be used.

    migrated: whether its schema must be up to date.
    """
    from receiver.redact import hide_password
    from storage.database import AWAY, Database, NewerSchema, why

    url = load_settings().database_url.get_secret_value()
    database = Database(url, pool_size=2)
    try:
        if migrated and database.pending():
            raise Failure("the database's schema is not up to date: run `hookline migrate`")
        yield database
    except AWAY as error:
        where = hide_password(url)
        raise Failure(f"the database {where} cannot be used: {why(error)}") from None
    except NewerSchema as newer:
        raise Failure(str(newer)) from None
    finally:
        database.close()
