"""
Webhooks to measure with: distinct, signed, 1.3 kB on average, from Smooch and Sinch in equal parts.

Each is the sample of an inbound SMS (`receiver.samples`) with its own ids, person, time and text.
Its number is in the last eight digits of its message id.
"""

import json
import random
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from receiver import samples
from receiver.registry import PROVIDERS

SECRETS = {"chat": b"a secret of the bench, smooch", "texts": b"a secret of the bench, sinch"}
SIZES = range(900, 1700)  # bytes of a body; evenly spread

_WORDS = ("my", "order", "has", "not", "come", "yet", "where", "is", "it", "please", "thank", "you")

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

# What differs between two webhooks, where it stands in a sample, by our own marks.
_SMOOCH_V1 = {
    "messages.0._id": "@number@",
    "messages.0.text": "@text@",
    "messages.0.received": "@unix@",
    "messages.0.authorId": "@user@",
    "appUser._id": "@user@",
    "appUser.userId": "@user@@example.com",
    "conversation._id": "@user@",
    "client._id": "c@user@",
    "client.id": "c@user@",
    "client.externalId": "+@phone@",
    "client.info.phoneNumber": "+@phone@",
    "client.raw.From": "+@phone@",
}
_V2_MESSAGE = {
    "id": "@number@",
    "received": "@time@",
    "content.text": "@text@",
    "author.userId": "@user@",
    "author.user.id": "@user@",
    "author.user.externalId": "@user@@example.com",
    "source.client.id": "c@user@",
    "source.client.externalId": "+@phone@",
    "source.client.info.phoneNumber": "+@phone@",
    "source.client.raw.From": "+@phone@",
}
_SMOOCH_V2 = {
    "events.0.id": "@event@",
    "events.0.createdAt": "@time@",
    "events.0.payload.conversation.id": "@user@",
    **{f"events.0.payload.message.{path}": mark for path, mark in _V2_MESSAGE.items()},
}
_SINCH = {
    "accepted_time": "@time@",
    "event_time": "@time@",
    "message.accept_time": "@time@",
    "message.id": "@ulid@",
    "message.contact_message.text_message.text": "@text@",
    "message.channel_identity.identity": "@phone@",
    "message.conversation_id": "01@user@",
    "message.contact_id": "02@user@",
}


@dataclass(frozen=True, slots=True)
class _Kind:
    account: str
    provider: str
    version: str | None
    sample: str
    marks: dict[str, str]


_KINDS = (
    _Kind("chat", "smooch", "v1.1", "message:appUser/sms", _SMOOCH_V1),
    _Kind("texts", "sinch", None, "MESSAGE_INBOUND", _SINCH),
    _Kind("chat", "smooch", "v2", "conversation:message/sms", _SMOOCH_V2),
    _Kind("texts", "sinch", None, "MESSAGE_INBOUND", _SINCH),
)


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook. headers: its signature."""

    account: str
    body: bytes
    headers: dict[str, str]

    def fields(self) -> list[tuple[bytes, bytes]]:
        """The signature as a server is given it."""
        return [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]

    def request(self) -> bytes:
        """As it goes over the wire."""
        named = {
            "Host": "127.0.0.1",
            "User-Agent": "hookline-bench",
            "Accept": "*/*",
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(self.body)),
            **self.headers,
        }
        lines = "\r\n".join(f"{name}: {value}" for name, value in named.items())
        return f"POST /webhooks/{self.account} HTTP/1.1\r\n{lines}\r\n\r\n".encode() + self.body


def hooks(count: int, users: int, start: int = 0) -> Iterator[Hook]:
    """`count` webhooks, numbered from `start`, of `users` persons in turn."""
    now = datetime.now(UTC)
    for number in range(start, start + count):
        person = number % users
        index = person % len(_KINDS)
        kind = _KINDS[index]
        body = _body(index, number, person, now + timedelta(milliseconds=number - start - count))
        signature = _sign(kind.provider)(body, SECRETS[kind.account], now, f"n{number}")
        yield Hook(kind.account, body, signature)


def number_of(message_id: str) -> int:
    """Which webhook a message id is from."""
    return int(message_id[-8:], 16)


@cache
def _sign(provider: str) -> Callable[[bytes, bytes, datetime, str], dict[str, str]]:
    inbound = PROVIDERS[provider].inbound
    assert inbound is not None
    return inbound.sign


def _body(kind: int, number: int, person: int, when: datetime) -> bytes:
    made, seconds = _template(kind), f"{int(when.timestamp()):08x}"
    values = {
        "@number@": f"{seconds}{number:016x}",
        "@event@": f"{seconds}e{number:015x}",
        "@ulid@": _ulid(when, number),
        "@user@": f"{person:024x}",
        "@phone@": f"1514{person:07d}",
        "@time@": when.isoformat(),
        '"@unix@"': f"{when.timestamp():.3f}",
    }
    for mark, value in values.items():
        made = made.replace(mark, value)
    length = SIZES[number * 7919 % len(SIZES)] - len(made)
    return made.replace("@text@", _prose(number % 97)[: max(length, 10)]).encode()


def _ulid(when: datetime, number: int) -> str:
    """As Sinch names its messages: milliseconds, then 16 digits, all of Crockford's."""
    milliseconds = int(when.timestamp() * 1000)
    time = "".join(_CROCKFORD[milliseconds >> 5 * place & 31] for place in range(9, -1, -1))
    return f"{time}{number:016X}"


@cache
def _prose(seed: int) -> str:
    return " ".join(random.Random(seed).choices(_WORDS, k=400))  # noqa: S311


@cache
def _template(index: int) -> str:
    kind, now = _KINDS[index], datetime.now(UTC)
    made = samples.make(kind.provider, kind.sample, seed="bench", now=now, version=kind.version)
    for path, mark in kind.marks.items():
        _put(made, path, mark)
    return json.dumps(made)


def _put(value: Any, path: str, mark: str) -> None:
    *steps, last = path.split(".")
    for step in steps:
        value = value[int(step)] if isinstance(value, list) else value[step]
    value[last] = mark


def write(requests: Iterator[bytes], file: Path) -> Path:
    """Put requests into a file, one after the other, and where each ends beside it."""
    ends, end = array("Q"), 0
    with file.open("wb") as out:
        for request in requests:
            end += out.write(request)
            ends.append(end)
    file.with_suffix(".ends").write_bytes(ends.tobytes())
    return file
