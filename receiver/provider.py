"""
What a provider is: pure functions over values, and the types they share.

A new provider is one folder that makes a `Provider`, one line in `registry`, one folder of tests.
Nothing here or in a provider's folder reads a clock, opens a socket or knows the database.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import httpx
from pydantic import BaseModel

from handlers.actions import Action
from handlers.event import Event
from handlers.people import ChannelIdentity, User
from receiver.errors import Refused

# As ASGI hands them over: names lower-cased, values as they came.
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Proof:
    """What showed that a request is genuine.

    secret:    the index of the matching secret; None where the account has none by decision.
    nonce:     the provider's once-only value; None where it has none (Smooch).
    signed_at: when the provider signed it; None where it does not say.
    """

    secret: int | None = None
    nonce: str | None = None
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of `hookline verify`: what was checked, whether it held (None: only told), why."""

    name: str
    ok: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom an action is for, and what is known of them.

    user:       None where the action names an address of its own.
    identities: all that are known, newest first, inactive ones included.
    reference:  our id of the action ("hl-17"), for the metadata that comes back with a receipt.
    """

    user: User | None = None
    identities: tuple[ChannelIdentity, ...] = ()
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What the provider answered.

    message_id: of what was sent, None where it gives none.
    user:       who was created, or whom the provider now names.
    identities: what the answer proves for the recipient (a pending client, an added identity).
    linked:     the link is complete: no webhook will tell (Sinch).
    client_id:  of the client that is being linked, by which its webhooks are known (v2).
    """

    message_id: str | None = None
    user: User | None = None
    identities: tuple[ChannelIdentity, ...] = ()
    linked: bool = False
    client_id: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)


# Yields requests, is sent their responses (read, any status), returns what came of it or raises a
# SendError. Most actions are one request; a few look something up first.
Exchange = Generator[httpx.Request, httpx.Response, Sent]


class Verify(Protocol):
    """Raises Refused with the reason. Never anything else, whatever the headers hold."""

    def __call__(
        self,
        headers: Headers,
        body: bytes,
        secrets: Sequence[bytes],
        now: datetime,
        options: Any,
    ) -> Proof: ...


class Explain(Protocol):
    """The same, told step by step, with a guess at the cause where it failed."""

    def __call__(
        self,
        headers: Headers,
        body: bytes,
        secrets: Sequence[bytes],
        now: datetime,
        options: Any,
    ) -> list[Step]: ...


class Sign(Protocol):
    """The headers with which the provider sends `body`: for tests, `simulate` and stand-ins."""

    def __call__(self, body: bytes, secret: bytes, now: datetime, nonce: str) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Inbound:
    """The receiving half. `parse` raises Unparsed, and nothing else, on any bytes."""

    verify: Verify
    explain: Explain
    sign: Sign
    parse: Callable[[bytes], list[Event]]


@dataclass(frozen=True, slots=True)
class Outbound:
    """The sending half.

    carry_out: the exchange for one action. Raises Unsupported before its first request.
    auth:      one for each account, kept as long as the process: it may hold a token. None: none.
    """

    carry_out: Callable[[Action, Recipient, Any], Exchange]
    auth: Callable[[Any, Callable[[], datetime]], httpx.Auth | None]


@dataclass(frozen=True, slots=True)
class Provider:
    """options: the model of an account's own settings (app_id, credentials, region ...)."""

    name: str
    options: type[BaseModel]
    inbound: Inbound | None
    outbound: Outbound


def only(headers: Headers, name: bytes) -> bytes:
    """The value of a header that must come exactly once; Refused if it is missing or doubled."""
    found = [value for key, value in headers if key == name]
    if not found:
        raise Refused(f"the header {name.decode()} is missing")
    if len(found) > 1:
        raise Refused(f"the header {name.decode()} came {len(found)} times")
    return found[0]
