"""The longest bodies that are taken, made of as many small things as possible: read in one go."""

import pytest

from receiver.errors import Unparsed
from receiver.registry import PROVIDERS
from receiver.settings import Settings

MOST = Settings().max_body_bytes
RECEIVING = [name for name, provider in PROVIDERS.items() if provider.inbound is not None]


def listed(begin: bytes, element: bytes, end: bytes) -> bytes:
    """As many elements as fit."""
    count = (MOST - len(begin) - len(end)) // (len(element) + 1)
    return begin + b",".join([element] * count) + end


BODIES = {
    "keys": b'{"a":{' + b",".join(b'"k%d":1' % n for n in range(MOST // 12)) + b"}}",
    "the same key": listed(b'{"a":{', b'"k":1', b"}}"),
    "events": listed(b'{"events":[', b"{}", b"]}"),
    "odd events": listed(b'{"webhook":{},"events":[', b"1", b"]}"),
    "messages": listed(b'{"trigger":"message:appUser","messages":[', b"{}", b"]}"),
    "clients": listed(b'{"trigger":"client:add","clients":[', b"{}", b"]}"),
    "empty lists": listed(b'{"a":[', b"[]", b"]}"),
    "empty texts": listed(b'{"a":[', b'""', b"]}"),
    "escapes": b'{"a":"' + b'\\"' * (MOST // 2 - 10) + b'"}',
    "blanks": b'{"a":1}'.ljust(MOST),
    "an open text": b'{"a":"' + b"x" * (MOST - 6),
}
DEEP = {
    "objects": b'{"a":' * (MOST // 5),
    "lists": b"[" * MOST,
    "closed again": b'{"a":' * (MOST // 6) + b"1" + b"}" * (MOST // 6),
    "after a long text": b'{"a":"' + b"[" * (MOST // 2) + b'","b":' + b"[" * (MOST // 3),
}


@pytest.mark.timeout(60)  # what takes time with the square of its length takes many minutes
@pytest.mark.parametrize("provider", RECEIVING)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_very_many_parts_is_read_or_refused(name: str, provider: str) -> None:
    body = BODIES[name]
    assert MOST - 400_000 < len(body) <= MOST
    inbound = PROVIDERS[provider].inbound
    assert inbound is not None
    try:
        found = inbound.parse(body)
    except Unparsed:
        return
    assert found
    assert len({event.id for event in found}) == len(found)


@pytest.mark.parametrize("provider", RECEIVING)
@pytest.mark.parametrize("name", DEEP)
def test_what_is_nested_too_deep_is_refused_before_it_is_read(name: str, provider: str) -> None:
    inbound = PROVIDERS[provider].inbound
    assert inbound is not None
    with pytest.raises(Unparsed, match="deep"):
        inbound.parse(DEEP[name])
