"""
What Smooch sends: the shared secret in `X-API-Key`, and a body in one of three formats.

There is no signature, no timestamp and no nonce, so the secret is all the proof there is.
https://docs.smooch.io/rest/#securing-a-webhook
"""

import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from handlers.event import Event
from receiver import fields
from receiver.errors import Refused
from receiver.provider import Headers, Inbound, Proof, Step, only
from receiver.providers.smooch import read_v1, read_v2
from receiver.providers.smooch.switchboard import elsewhere

HEADER = b"x-api-key"


def parse(body: bytes) -> list[Event]:
    """The events in one body; the format is read off it. Raises Unparsed, and nothing else.

    v2 has a list of `events`; v1 and v1.1 have a `trigger`.
    """
    loaded = fields.load(body)
    if isinstance(loaded.get("events"), list):
        return read_v2.parse(loaded, body)
    return read_v1.parse(loaded, body)


def verify(
    headers: Headers, body: bytes, secrets: Sequence[bytes], now: datetime, options: Any
) -> Proof:
    """Compare `X-API-Key`, which must come exactly once, with every secret. Raises Refused."""
    value = only(headers, HEADER)
    if not value.isascii():
        raise Refused("the header x-api-key is not ASCII")
    index = _matching(value, secrets)
    if index is None:
        raise Refused("the header x-api-key matches no configured secret")
    return Proof(secret=index)


def _matching(value: bytes, secrets: Sequence[bytes]) -> int | None:
    """The index of the first secret that is `value`; an empty secret never is.

    Digests are compared, and all of them, so that the time tells neither lengths nor which one.
    """
    found = None
    given = sha256(value).digest()
    for index, secret in enumerate(secrets):
        same = hmac.compare_digest(sha256(secret).digest(), given)
        if same and secret.strip() and found is None:
            found = index
    return found


def explain(
    headers: Headers, body: bytes, secrets: Sequence[bytes], now: datetime, options: Any
) -> list[Step]:
    """Whether the header is there, once, and which secret it is; a guess where it is none."""
    values = [value for name, value in headers if name == HEADER]
    steps = [Step("header", bool(values), f"x-api-key {'is there' if values else 'is missing'}")]
    if not values:
        return steps
    steps.append(Step("once", len(values) == 1, f"it came {len(values)} time(s)"))
    if len(values) > 1:
        return steps
    value = values[0]
    steps.append(Step("ascii", value.isascii(), "a header is plain ASCII"))
    steps += [_compared(value, secret, number) for number, secret in enumerate(secrets, start=1)]
    if not secrets:
        steps.append(Step("secret", False, "the account has no webhook secret"))
    if _matching(value, secrets) is None:
        steps += _hints(value, secrets)
    return steps


def _compared(value: bytes, secret: bytes, number: int) -> Step:
    if not secret.strip():
        return Step(f"secret {number}", None, "it is empty and never matches")
    same = _matching(value, [secret]) is not None
    # One good secret is enough, so another that differs is told, not held against the request.
    return Step(f"secret {number}", True if same else None, "the same" if same else "differs")


def _hints(value: bytes, secrets: Sequence[bytes]) -> list[Step]:
    """What would have made it match. Names neither the header nor a secret."""
    known = [secret for secret in secrets if secret.strip()]
    mended = {
        "blanks": (value.strip(), known, "it matches without the blanks around it"),
        "quotes": (value.strip().strip(b"\"'"), known, "it matches without the quotes around it"),
        "bearer": (_unprefixed(value), known, 'it matches without the "Bearer " before it'),
        "case": (
            value.lower(),
            [secret.lower() for secret in known],
            "it matches if upper and lower case are the same",
        ),
        "configured": (
            value,
            [secret.strip().strip(b"\"'") for secret in known],
            "it matches without the blanks or quotes around the configured secret",
        ),
    }
    found = [
        Step(f"hint: {name}", None, detail)
        for name, (given, candidates, detail) in mended.items()
        if _matching(given, candidates) is not None
    ]
    return [Step("matches", False, "no configured secret is the same"), *found]


def _unprefixed(value: bytes) -> bytes:
    prefix, _, rest = value.strip().partition(b" ")
    return rest.strip() if prefix.lower() == b"bearer" else value


def sign(body: bytes, secret: bytes, now: datetime, nonce: str) -> dict[str, str]:
    """The header that Smooch sends with every webhook."""
    return {"X-API-Key": secret.decode()}


INBOUND = Inbound(
    verify=verify,
    explain=explain,
    sign=sign,
    parse=parse,
    proofs={HEADER: True},
    elsewhere=elsewhere,
)
