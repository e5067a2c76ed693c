"""Kinds of settings: what is checked, and mended, as it is read."""

import ipaddress
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, StringConstraints


def _url(url: SecretStr) -> SecretStr:
    """The URL as SQLAlchemy wants it, with psycopg as the driver for PostgreSQL."""
    scheme, found, rest = url.get_secret_value().partition("://")
    if scheme in ("postgresql", "postgresql+psycopg") and rest:
        return SecretStr(f"postgresql+psycopg://{rest}")
    if scheme != "sqlite" or not found:
        raise ValueError("should begin with sqlite:/// or postgresql://")
    if not rest.startswith("/") or rest in ("/", "/:memory:"):
        raise ValueError("keeps nothing without a file: sqlite:///hookline.db")
    return url


def _network(address: str) -> str:
    try:
        ipaddress.ip_network(address, strict=False)
    except ValueError:
        raise ValueError("should be an address or a network such as 10.0.0.0/8") from None
    return address


def _positive(delay: timedelta) -> timedelta:
    if delay <= timedelta(0):
        raise ValueError("should be more than nothing")
    return delay


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=160)]
Port = Annotated[int, Field(ge=0, le=65535)]
Delay = Annotated[timedelta, AfterValidator(_positive)]
Database = Annotated[SecretStr, AfterValidator(_url)]
Peer = Annotated[str, AfterValidator(_network)]
