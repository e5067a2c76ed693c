"""Keys that are derived, not looked up: 128-bit digests of what makes a row the one it is."""

import re
from functools import lru_cache
from hashlib import blake2b
from struct import Struct

from handlers.people import PHONE_CHANNELS, ChannelIdentity, comparable
from storage.tables import Queue

NOWHERE = b""  # the key of no place

# The seconds of an ObjectId, or the milliseconds of a ULID, as a word of its own.
_TIMED = re.compile(
    r"(?<![0-9A-Za-z])(?:([0-9a-f]{8})[0-9a-f]{16}|([0-7][0-9A-HJKMNP-TV-Z]{9})[0-9A-HJKMNP-TV-Z]{16})"
    r"(?![0-9A-Za-z])"
)
_BEGINNING = Struct(">q")
_CROCKFORD = bytes.maketrans(b"ABCDEFGHJKMNPQRSTVWXYZ", b"abcdefghijklmnopqrstuv")

RECENT = 4096  # keys remembered: one webhook asks for the same one several times


def digest(*parts: str) -> bytes:
    """16 bytes for these texts in this order. None of them holds a NUL, so the list is clear."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def event(account: str, event_id: str) -> bytes:
    """The dedup key of an event.

    Where its id tells a time, as Smooch's (ObjectId) and Sinch's (ULID) do, the key begins with it:
    events of one time are neighbours in the index, of which a page is written for each that is not.

    https://www.mongodb.com/docs/manual/reference/bson-types/#objectid, https://github.com/ulid/spec
    """
    made = _events_of(account).copy()
    made.update(event_id.encode("utf-8", "surrogatepass"))
    key, timed = made.digest(), _TIMED.search(event_id)
    if timed is None:
        return key
    seconds, milliseconds = timed.groups()
    if seconds is not None:
        return bytes.fromhex(seconds) + key[4:]
    passed = int(milliseconds.encode().translate(_CROCKFORD), 32) // 1000
    return (passed % (1 << 32)).to_bytes(4, "big") + key[4:]


@lru_cache(maxsize=RECENT)
def _events_of(account: str) -> blake2b:
    """What the digests of all of an account's events begin with, to go on from."""
    return blake2b(f"event\0{account}\0".encode("utf-8", "surrogatepass"), digest_size=16)


def of_bytes(content: bytes) -> bytes:
    """16 bytes for exactly this content."""
    return blake2b(content, digest_size=16).digest()


@lru_cache(maxsize=RECENT)
def user(account: str, user_id: str) -> bytes:
    """The key of a person in one account."""
    return digest("user", account, user_id)


def address(account: str, identity: ChannelIdentity) -> bytes:
    """The key of an identity by its address; NOWHERE if that is not known."""
    return places(account, identity)[0]


def places(account: str, identity: ChannelIdentity) -> tuple[bytes, bytes]:
    """The keys of an identity by its address and by its client; NOWHERE for what is not known."""
    i = identity
    return _places(account, i.channel, i.identity, i.client_id, i.app_id)


@lru_cache(maxsize=RECENT)
def _places(
    account: str, channel: str, address: str | None, client_id: str | None, app_id: str | None
) -> tuple[bytes, bytes]:
    # A phone number is nobody's scope, though some callbacks carry an app's id beside it.
    scope = "" if channel in PHONE_CHANNELS else app_id or ""
    by_address = by_client = NOWHERE
    if address is not None:
        by_address = digest("address", account, channel, comparable(channel, address), scope)
    if client_id is not None:
        by_client = digest("client", account, client_id)
    return by_address, by_client


def lane(queue: Queue, user_key: bytes | None) -> int | None:
    """The lane of a person's jobs in one queue; None where there is no person, so no order."""
    if user_key is None:
        return None
    (number,) = _BEGINNING.unpack_from(user_key)
    return int(number) ^ queue
