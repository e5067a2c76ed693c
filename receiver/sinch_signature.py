"""
How Sinch signs a callback, the same for the Conversation API and for SMS:

    signature = base64(HMAC-SHA256(secret, body + "." + nonce + "." + timestamp))

The secret is used as it is, not decoded; the body is the raw one. Why a signature fails is
guessed in `receiver.sinch_diagnosis`.
https://developers.sinch.com/docs/conversation/callbacks#validating-callbacks
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from receiver.errors import Refused
from receiver.provider import Headers, Proof, only

SIGNATURE = b"x-sinch-webhook-signature"
NONCE = SIGNATURE + b"-nonce"
TIMESTAMP = SIGNATURE + b"-timestamp"
ALGORITHM = SIGNATURE + b"-algorithm"

# The headers that `verify` reads; none of them is a secret.
PROOFS = dict.fromkeys((SIGNATURE, NONCE, TIMESTAMP, ALGORITHM), False)

_NONCE = re.compile(rb"[A-Za-z0-9_-]{1,128}")
_TIMESTAMP = re.compile(rb"[0-9]{1,12}")
_LAST = 253_402_300_799  # the last second of the year 9999, beyond which there is no datetime


class Window(Protocol):
    """How old a signed timestamp may be, and how far in the future. At the bound is inside."""

    @property
    def max_age(self) -> timedelta: ...
    @property
    def max_skew(self) -> timedelta: ...


class Claim(NamedTuple):
    """What a request says of its own signature, each part well-formed but nothing proved."""

    signature: bytes
    nonce: bytes
    timestamp: bytes

    @property
    def signed_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.timestamp), UTC)


def verify(
    headers: Headers, body: bytes, secrets: Sequence[bytes], now: datetime, options: Window
) -> Proof:
    """Which secret signed this request, and when. Raises Refused if none did, or not lately.

    The signature is checked before the age, so that the reason told is the true one. Nonces are
    remembered by whoever stores the request, until the proof expires.
    """
    if not any(secrets):
        raise Refused("no secret is configured to check the signature with")
    claim = read(headers)
    signer = matching(claim, body, secrets)
    if signer is None:
        raise Refused("the signature was made with none of the configured secrets")
    signed_at = claim.signed_at
    check_age(signed_at, now, options)
    return Proof(signer, claim.nonce.decode(), signed_at, _end(signed_at, options))


def _end(signed_at: datetime, window: Window) -> datetime:
    """When it is too old for any clock that was right enough to accept it."""
    try:
        return signed_at + window.max_age + window.max_skew
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def sign(body: bytes, secret: bytes, now: datetime, nonce: str) -> dict[str, str]:
    """The four headers with which Sinch would send `body`."""
    timestamp = str(int(now.timestamp())).encode()
    signature = b64encode(mac(secret, body, nonce.encode(), timestamp))
    sent = {SIGNATURE: signature, NONCE: nonce.encode(), TIMESTAMP: timestamp}
    return {name.decode(): value.decode() for name, value in sent.items()} | {
        ALGORITHM.decode(): "HmacSHA256"
    }


def read(headers: Headers) -> Claim:
    """The claim in the headers. Raises Refused if one is missing, doubled or malformed."""
    own = [field for field in headers if field[0] in PROOFS]  # few, so each is soon found
    check_algorithm(own)
    return Claim(only(own, SIGNATURE), read_nonce(own), read_timestamp(own))


def check_algorithm(headers: Headers) -> bool:
    """Whether an algorithm is named; Refused if it is another one. It is told, not negotiated."""
    if ALGORITHM not in dict(headers):
        return False
    if only(headers, ALGORITHM).lower() != b"hmacsha256":
        raise Refused("the algorithm is not HmacSHA256")
    return True


def read_nonce(headers: Headers) -> bytes:
    """The nonce. It holds no dot: else text could move between the body, the nonce and the time."""
    nonce = only(headers, NONCE)
    if not _NONCE.fullmatch(nonce):
        raise Refused("the nonce is not 1 to 128 letters, digits, '_' or '-'")
    return nonce


def read_timestamp(headers: Headers) -> bytes:
    """The time of signing, as sent: unix seconds in ASCII digits."""
    timestamp = only(headers, TIMESTAMP)
    if not _TIMESTAMP.fullmatch(timestamp) or int(timestamp) > _LAST:
        raise Refused("the timestamp is not a unix time in whole seconds")
    return timestamp


def matching(claim: Claim, body: bytes, secrets: Sequence[bytes]) -> int | None:
    """The index of the first secret that made the signature.

    All are tried whatever comes, and digests are compared, so that time tells neither which one
    matched nor how much of the signature was right.
    """
    found = None
    given = hashlib.sha256(claim.signature).digest()
    for index, secret in enumerate(secrets):
        made = b64encode(mac(secret, body, claim.nonce, claim.timestamp))
        same = hmac.compare_digest(hashlib.sha256(made).digest(), given)
        if same and secret and found is None:
            found = index
    return found


def check_age(signed_at: datetime, now: datetime, window: Window) -> None:
    """Raises Refused if the request was signed too long ago, or later than now."""
    age = now - signed_at
    if age > window.max_age:
        raise Refused(f"signed {ago(age)}, which is more than {window.max_age} (max_age)")
    if -age > window.max_skew:
        raise Refused(
            f"signed {ago(age)}, which is more than {window.max_skew} (max_skew): is a clock wrong?"
        )


def ago(age: timedelta) -> str:
    """The age in words: "3 days ago", "2 minutes in the future"."""
    seconds = int(abs(age).total_seconds())
    units = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
    unit, length = next((u for u in units if seconds >= u[1]), units[-1])
    count = seconds // length
    when = "ago" if age >= timedelta(0) else "in the future"
    return f"{count} {unit}{'' if count == 1 else 's'} {when}"


def mac(secret: bytes, body: bytes, nonce: bytes, timestamp: bytes) -> bytes:
    """The raw digest that is sent base64-encoded."""
    return hmac.digest(secret, b".".join((body, nonce, timestamp)), "sha256")
