"""
Is this Sinch request genuine, and if not, why not: the steps of `verify`, each with its outcome.

A signature that does not match is tried again in the ways in which it usually goes wrong. Only
the cause is told, never a secret or the right signature.
"""

import binascii
import hmac
import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from receiver import sinch_signature
from receiver.errors import Refused, Unparsed
from receiver.fields import load
from receiver.provider import Headers, Step, only
from receiver.sinch_signature import Claim, Window, ago, mac

DRIFT = 300  # seconds by which a changed timestamp is looked for, either way

_LOST = (
    "no configured secret made this signature: wrong secret, or body, nonce or timestamp "
    "changed on the way"
)


def explain(
    headers: Headers, body: bytes, secrets: Sequence[bytes], now: datetime, options: Window
) -> list[Step]:
    """What `verify` checks, step by step; every step is not False if, and only if, it would pass.

    The age is judged against `now`, but only told: a stored request is always old.
    """
    steps = [
        _check("signature header", lambda: only(headers, sinch_signature.SIGNATURE), "is there"),
        _check("nonce", lambda: sinch_signature.read_nonce(headers), "well-formed"),
        _check("timestamp", lambda: sinch_signature.read_timestamp(headers), "well-formed"),
        _algorithm(headers),
    ]
    if not any(secrets):
        return [*steps, Step("signature", False, "no secret is configured to check it with")]
    try:
        claim = sinch_signature.read(headers)
    except Refused:
        return [*steps, Step("signature", False, "not checked: a header is missing or malformed")]
    return [*steps, _signature(claim, body, secrets), _age(claim, now, options)]


def _check(name: str, check: Callable[[], object], good: str) -> Step:
    try:
        check()
    except Refused as error:
        return Step(name, False, str(error))
    return Step(name, True, good)


def _algorithm(headers: Headers) -> Step:
    try:
        named = sinch_signature.check_algorithm(headers)
    except Refused as error:
        return Step("algorithm", False, str(error))
    return Step("algorithm", True, "HmacSHA256" if named else "not named, so HmacSHA256")


def _signature(claim: Claim, body: bytes, secrets: Sequence[bytes]) -> Step:
    signer = sinch_signature.matching(claim, body, secrets)
    if signer is not None:
        return Step("signature", True, f"made with secret {signer + 1} of {len(secrets)}")
    return Step("signature", False, _cause(claim, body, [secret for secret in secrets if secret]))


def _age(claim: Claim, now: datetime, window: Window) -> Step:
    told = f"signed {ago(now - claim.signed_at)}"
    try:
        sinch_signature.check_age(claim.signed_at, now, window)
    except Refused:
        bound = "max_age" if now > claim.signed_at else "max_skew"
        apart = "old" if now > claim.signed_at else "far in the future"
        return Step("age", None, f"{told}; a live request this {apart} is refused ({bound})")
    return Step("age", None, told)


def _cause(claim: Claim, body: bytes, secrets: Sequence[bytes]) -> str:
    """The first usual mistake that would make this very signature."""
    tries = (_encoding, _space, _reserialised, _decoded_secret, _trimmed_secret, _shifted_time)
    for secret in secrets:
        for attempt in tries:
            cause = attempt(claim, body, secret)
            if cause is not None:
                return cause
    return _LOST


def _encoding(claim: Claim, body: bytes, secret: bytes) -> str | None:
    digest = mac(secret, body, claim.nonce, claim.timestamp)
    padded = b64encode(digest)
    forms = {
        digest.hex().encode(): "it is the right signature in hexadecimal, not in base64",
        digest.hex().upper().encode(): "it is the right signature in hexadecimal, not in base64",
        padded.rstrip(b"="): "it is the right signature without its '=' padding",
        urlsafe_b64encode(digest): "it is the right signature in URL-safe base64",
        urlsafe_b64encode(digest).rstrip(b"="): "it is the right signature in URL-safe base64",
    }
    if claim.signature.strip() == padded:
        return "it is the right signature with white space around it"
    return forms.get(claim.signature)


def _space(claim: Claim, body: bytes, secret: bytes) -> str | None:
    bare = body.strip()
    bodies = (bare, bare + b"\n", bare + b"\r\n", body.rstrip(), body + b"\n", body + b"\r\n")
    ends = (body.replace(b"\r\n", b"\n"), body.replace(b"\n", b"\r\n"))
    if any(_made(claim, secret, variant) for variant in bodies):
        return "white space was added to or taken from the body, such as a newline at its end"
    if any(_made(claim, secret, variant) for variant in ends):
        return "the line ends of the body were changed"
    return None


def _reserialised(claim: Claim, body: bytes, secret: bytes) -> str | None:
    try:
        value = load(body)
    except Unparsed:
        return None
    if any(_made(claim, secret, variant) for variant in _spellings(value)):
        return "the body was parsed and written again as JSON; the signature is over the raw bytes"
    return None


def _spellings(value: Any) -> Iterator[bytes]:
    """The ways in which common libraries write the same JSON."""
    styles: tuple[dict[str, Any], ...] = (
        {"separators": (",", ":")},
        {"separators": (", ", ": ")},
        {"indent": 2},
        {"indent": 4},
    )
    for style in styles:
        for ascii_only in (False, True):
            for ordered in (False, True):
                text = json.dumps(value, ensure_ascii=ascii_only, sort_keys=ordered, **style)
                yield text.encode(errors="surrogatepass")


def _decoded_secret(claim: Claim, body: bytes, secret: bytes) -> str | None:
    for spelling in (secret, secret.translate(bytes.maketrans(b"-_", b"+/"))):
        try:
            key = b64decode(spelling + b"=" * (-len(spelling) % 4))
        except binascii.Error:
            continue
        if _made(claim, key, body):
            return "the signer base64-decoded the secret; Sinch uses it as it is"
    return None


def _trimmed_secret(claim: Claim, body: bytes, secret: bytes) -> str | None:
    bare = secret.strip()
    if any(_made(claim, key, body) for key in (bare, bare + b"\n") if key != secret):
        return "the configured secret and the signer's differ by white space at an end"
    return None


def _shifted_time(claim: Claim, body: bytes, secret: bytes) -> str | None:
    started = hmac.new(secret, b".".join((body, claim.nonce, b"")), "sha256")
    stated = int(claim.timestamp)
    for seconds in range(max(0, stated - DRIFT), stated + DRIFT + 1):
        attempt = started.copy()
        attempt.update(str(seconds).encode())
        if b64encode(attempt.digest()) == claim.signature:
            apart = timedelta(seconds=abs(stated - seconds))
            return f"the timestamp was changed: it was signed {apart} away from what it says"
    return None


def _made(claim: Claim, secret: bytes, body: bytes) -> bool:
    return b64encode(mac(secret, body, claim.nonce, claim.timestamp)) == claim.signature
