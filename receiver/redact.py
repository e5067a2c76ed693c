"""Values without what must not be seen: for `hookline config`, for the logs, for the inspector."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from receiver.sources import written

HIDDEN = "**********"


def shown(value: Any) -> Any:
    """The value as JSON can hold it: secrets and passwords as stars, times as they are written."""
    match value:
        case dict():
            return {key: shown(inner) for key, inner in value.items()}
        case list() | tuple():
            return [shown(inner) for inner in value]
        case SecretStr():
            return HIDDEN
        case timedelta():
            return written(value)
        case datetime():
            return value.isoformat()
        case str():
            return hide_password(value)
        case _:
            return value


def hide_password(url: str) -> str:
    """The URL without the passwords that its user part or its query may hold."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    user, at, host = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    host = re.sub(r"([?&][^=&]*(?:password|secret|token)=)[^&]*", rf"\g<1>{HIDDEN}", host)
    return f"{scheme}://{name}{colon}{HIDDEN if colon else ''}{at}{host}"


def password_in(url: str) -> list[str]:
    """The password of the URL's user part, as it stands there and decoded; empty without one."""
    user = url.partition("://")[2].rpartition("@")[0]
    password = user.partition(":")[2]
    return [form for form in dict.fromkeys((password, unquote(password))) if form]


def secrets_in(value: Any) -> Iterator[str]:
    """Every secret text in nested values."""
    match value:
        case dict():
            for inner in value.values():
                yield from secrets_in(inner)
        case list() | tuple():
            for inner in value:
                yield from secrets_in(inner)
        case SecretStr():
            yield value.get_secret_value()
