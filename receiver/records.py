"""
One webhook as a record in a file.

    record  = MAGIC, length, CRC-32 of the payload (4 bytes each, big endian), payload
    payload = {"account", "received_at", ...} as JSON on one line, a line feed, the body

The magic bytes let a reader find the next record after one that is damaged.
"""

import json
import struct
import zlib
from typing import Any, BinaryIO

from storage.inbox import Delivery
from storage.tables import micros, moment

MAGIC = b"\x9dHL1"
HEAD = struct.Struct(">4sII")


def encode(delivery: Delivery) -> bytes:
    """One record."""
    head = {
        "account": delivery.account,
        "received_at": micros(delivery.received_at),
        "nonce": delivery.nonce,
        "expires_at": None if delivery.expires_at is None else micros(delivery.expires_at),
    }
    payload = json.dumps(head).encode() + b"\n" + delivery.body
    return HEAD.pack(MAGIC, len(payload), zlib.crc32(payload)) + payload


def decode(payload: bytes) -> Delivery | None:
    """The delivery in a record, without its events; None where it is none of ours."""
    line, found, body = payload.partition(b"\n")
    try:
        head: dict[str, Any] = json.loads(line) if found else {}
        end = head["expires_at"]
        return Delivery(
            head["account"],
            body,
            (),
            moment(head["received_at"]),
            nonce=head["nonce"],
            expires_at=None if end is None else moment(end),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def payload_at(file: BinaryIO, left: int) -> bytes | None:
    """The payload of the record that begins here; None where there is no whole one.

    left: the bytes that belong to the file, from here on.
    """
    head = file.read(HEAD.size)
    if min(len(head), left) < HEAD.size:
        return None
    magic, length, check = HEAD.unpack(head)
    if magic != MAGIC or length > left - HEAD.size:
        return None
    payload = file.read(length)
    return payload if len(payload) == length and zlib.crc32(payload) == check else None


def next_record(data: bytes) -> int | None:
    """Where the next whole record begins, after the first byte; None where none does."""
    at = data.find(MAGIC, 1)
    while at > 0 and not _is_record(data, at):
        at = data.find(MAGIC, at + 1)
    return at if at > 0 else None


def _is_record(data: bytes, at: int) -> bool:
    """Whether a whole record stands at this place."""
    if len(data) < at + HEAD.size:
        return False
    _, length, check = HEAD.unpack_from(data, at)
    start = at + HEAD.size
    return bool(len(data) >= start + length and zlib.crc32(data[start : start + length]) == check)
