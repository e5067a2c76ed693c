"""
A long fuzz run of verify and parse: `python -m tests.fuzz --inputs 1000000`.

Every payload fixture of every provider is damaged in the ways that networks, proxies and attackers
damage it, signed or with odd headers, and taken through verify and parse. Only Refused and Unparsed
may come out, and what is parsed must have keys and times that a database can hold.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.progress import Progress

from handlers import codec
from receiver.errors import Refused, Unparsed
from receiver.provider import Provider
from receiver.registry import PROVIDERS

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = b"fuzz-secret"
# fmt: off
ODD: list[Any] = [
    None, "", " ", 0, -1, 1e300, 10**30, True, [], {}, [[]], [{}], {"a": {}}, "\ud800", "\0x",
    "\u202e", "x" * 2000, "NaN", "2026-13-45T99:99:99Z", "9" * 400, 1e15, [None], {"_id": []},
    "+1 (xxx) xxx",
]
HEADERS = [
    b"", b" ", b"\xff\xfe", b"fuzz-secret", b"Fuzz-Secret", b"null", b"=" * 44, b"a" * 9000, b"1",
    b"-1", b"1e9", b"1.5", b"01FJA8B4A7BM43YGWSG9GBV067", b"a.b", b"HmacSHA1", b"none", b"\xc3\xa9",
    b"\0",
]
# fmt: on


def bodies(provider: str) -> list[bytes]:
    """The provider's payload fixtures."""
    folder = Path(__file__).parent / "providers" / provider / "payloads"
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    keys: Any = value if isinstance(value, dict) else ()
    for key in range(len(value)) if isinstance(value, list) else keys:
        yield (*path, key)
        yield from places(value[key], (*path, key))


def replaced(body: bytes, chance: random.Random) -> bytes:
    """The body with one or two of its values replaced, or a key taken away."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    for _ in range(chance.randint(1, 2)):
        found = list(places(value))
        if not found:
            break
        *path, last = chance.choice(found)
        holder = value
        for step in path:
            holder = holder[step]
        if chance.random() < 0.2:
            del holder[last]
        else:
            holder[last] = deepcopy(chance.choice(ODD))
    return json.dumps(value).encode()


def bruised(body: bytes, chance: random.Random) -> bytes:
    """The body with bytes cut, changed, doubled or put in."""
    at = chance.randrange(len(body) + 1)
    match chance.randrange(5):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
        case 2:
            return body[:at] + chance.randbytes(chance.randint(1, 8)) + body[at:]
        case 3:
            return body[:at] + body[at : at + 40] * 2 + body[at + 40 :]
        case _:
            return chance.randbytes(chance.randint(0, 60))


def headers(provider: Provider, body: bytes, chance: random.Random) -> list[tuple[bytes, bytes]]:
    """Genuine headers, or damaged ones."""
    assert provider.inbound is not None
    signed = provider.inbound.sign(body, SECRET, NOW, "01FJA8B4A7BM43YGWSG9GBV067")
    pairs = [(name.lower().encode(), value.encode()) for name, value in signed.items()]
    if chance.random() < 0.5:
        return pairs
    number = chance.randrange(len(pairs))
    name = pairs[number][0]
    match chance.randrange(3):
        case 0:
            pairs[number] = (name, chance.choice(HEADERS))
        case 1:
            pairs.append((name, chance.choice(HEADERS)))
        case _:
            del pairs[number]
    return pairs


def once(provider: Provider, options: Any, body: bytes, chance: random.Random) -> str:
    """One input through both; what came of it. Raises whatever should not have come out."""
    assert provider.inbound is not None
    try:
        provider.inbound.verify(headers(provider, body, chance), body, [SECRET], NOW, options)
        outcome = "genuine"
    except Refused:
        outcome = "refused"
    try:
        events = provider.inbound.parse(body)
    except Unparsed:
        return f"{outcome}, unparsed"
    assert events, "a body that is parsed says something"
    for event in events:
        assert 0 < len(event.id) <= 2048, "a key that can be kept"
        codec.internal_json(event)
    return f"{outcome}, parsed"


def main() -> None:
    """Run it. Exit 1 with the seed and the input of the first failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    wanted = parser.parse_args()
    chance, counts, began = random.Random(wanted.seed), Counter[str](), time.monotonic()
    chosen = [provider for provider in PROVIDERS.values() if provider.inbound is not None]
    samples = {provider.name: bodies(provider.name) for provider in chosen}
    options = {p.name: p.options.model_validate({"provider": p.name}) for p in chosen}
    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("fuzzing", total=wanted.inputs)
        for number in range(wanted.inputs):
            provider = chance.choice(chosen)
            body = chance.choice(samples[provider.name])
            body = chance.choice((replaced, replaced, bruised))(body, chance)
            try:
                outcome = once(provider, options[provider.name], body, chance)
            except Exception as error:
                print(f"seed {wanted.seed}, input {number}: {provider.name} {error!r}\n{body!r}")
                raise SystemExit(1) from error
            counts[f"{provider.name}: {outcome}"] += 1
            progress.advance(task)
    for name, count in sorted(counts.items()):
        print(f"{count:>9}  {name}")
    spent = time.monotonic() - began
    print(
        f"{wanted.inputs} inputs, seed {wanted.seed}, {spent:.0f} s, no exception but the declared"
    )


if __name__ == "__main__":
    main()
