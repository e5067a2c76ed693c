"""
Sample webhooks, by the provider's own trigger: for `hookline simulate`, the demo and tests.

`samples/<provider>[-<version>].json` maps a trigger, or `trigger/variant`, to a body. In it a text
"$id:name", "$uuid:name" or "$ulid:name" stands for an id made from the seed, the same for the same
name; "$iso" and "$unix" stand for the time. People, conversations and numbers stay what they are,
so that several samples are about one person.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

_FOLDER = "samples"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def triggers(provider: str, version: str | None = None) -> list[str]:
    """What there are samples for, those of the wanted API version first."""
    return list(_samples(provider, version))


def make(
    provider: str, trigger: str, *, seed: str, now: datetime, version: str | None = None
) -> dict[str, Any]:
    """The sample's body. Another seed makes it another event, the same one the same event.

    version: which API version's sample to prefer ("v1", "v1.1", "v2") where several have the
    trigger. Raises KeyError if there is no such sample.
    """
    made: dict[str, Any] = _filled(_samples(provider, version)[trigger], seed, now)
    return made


def _samples(provider: str, version: str | None) -> dict[str, Any]:
    own = _read(f"{provider}-{version}")
    return {**own, **{k: v for k, v in _all(provider).items() if k not in own}}


@cache
def _all(provider: str) -> dict[str, Any]:
    """Every sample of a provider, of the newest version where several have the trigger."""
    found: dict[str, Any] = {}
    for file in sorted(f.name.removesuffix(".json") for f in _folder().iterdir()):
        if file == provider or file.startswith(f"{provider}-"):
            found |= _read(file)
    return found


@cache
def _read(name: str) -> dict[str, Any]:
    file = _folder() / f"{name}.json"
    return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def _folder() -> Any:
    return files("receiver") / _FOLDER


def _filled(value: Any, seed: str, now: datetime) -> Any:
    match value:
        case dict():
            return {key: _filled(inner, seed, now) for key, inner in value.items()}
        case list():
            return [_filled(inner, seed, now) for inner in value]
        case "$iso":
            return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case "$unix":
            return round(now.timestamp(), 3)
        case str() if value.startswith("$"):
            kind, _, name = value[1:].partition(":")
            return _IDS[kind](hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest())
        case _:
            return value


def _uuid(digest: bytes) -> str:
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def _ulid(digest: bytes) -> str:
    return "01" + "".join(_CROCKFORD[byte % 32] for byte in digest + digest[:8])


_IDS: dict[str, Callable[[bytes], str]] = {
    "id": lambda digest: digest.hex()[:24],
    "uuid": _uuid,
    "ulid": _ulid,
}
