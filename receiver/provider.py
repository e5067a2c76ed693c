"""
What a provider is: pure functions over values, and the types they share.

A new provider is one folder that makes a `Provider`, one line in `registry`, one folder of tests.
Nothing here or in a provider's folder reads a clock, opens a socket or knows the database.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

import httpx
from pydantic import BaseModel

from handlers.actions import Action
from handlers.event import Event
from handlers.people import ChannelIdentity, User
from receiver.errors import Refused

# As ASGI hands them over: names lower-cased, values as they came.
Headers = Sequence[tuple[bytes, bytes]]

# What stands in the path after the account's name, as one header more: the colon keeps anybody from
# sending it as one. Only for those whose `Inbound.proofs` name it; others have no such path.
PATH_TOKEN = b":path-token"


class Proof(NamedTuple):
    """What showed that a request is genuine.

    secret:     the index of the matching secret; None where the account has none by decision.
    nonce:      the provider's once-only value; None where it has none (Smooch).
    signed_at:  when the provider signed it; None where it does not say.
    expires_at: from when on it would be refused as too old, whatever the clocks: until then the
                nonce is to be remembered. None where there is no nonce.
    """

    secret: int | None = None
    nonce: str | None = None
    signed_at: datetime | None = None
    expires_at: datetime | None = None


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


T = TypeVar("T")

# Yields requests, is sent their responses (read, any status), returns what came of it or raises a
# SendError. Most actions are one request; a few look something up first.
Calls = Generator[httpx.Request, httpx.Response, T]
Exchange = Calls[Sent]
Call = Calls[dict[str, Any]]  # one that returns the JSON of the answer


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
    """The receiving half. `parse` raises Unparsed, and nothing else, on any bytes.

    proofs:    the headers that `verify` reads, lower-cased: whether the value of each is the secret
               itself. They are kept of a refused request, a secret one only as a digest.
    elsewhere: the integration, by name or id, that has the event's conversation, if the account's
               options say which one is ours and it is another. None: there are no others.
    """

    verify: Verify
    explain: Explain
    sign: Sign
    parse: Callable[[bytes], list[Event]]
    proofs: Mapping[bytes, bool]
    elsewhere: Callable[[Event, Any], str | None] | None = None


@dataclass(frozen=True, slots=True)
class Outbound:
    """The sending half.

    carry_out: the exchange for one action. Raises Unsupported before its first request.
    auth:      one for each account, kept as long as the process: it may hold a token. None: none.
    reveal:    the identities of a user by id, where the webhooks hide the address. None: they
               never do, or there is nobody to ask.
    probe:     one cheap call that only a good credential may make. Its answer is a list of what
               does not fit the settings, in words; empty if all is well. None: there is none.
    """

    carry_out: Callable[[Action, Recipient, Any], Exchange]
    auth: Callable[[Any, Callable[[], datetime]], httpx.Auth | None]
    reveal: Callable[[str, Any], Exchange] | None = None
    probe: Callable[[Any], Calls[list[str]]] | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A webhook as the provider has it.

    triggers: what it sends, in the provider's words; a word for several is written out.
    secret:   what its requests are proved with; None where there is none, or it is not told.
    settings: what else decides what it sends ("includeClient", "target_type").
    """

    id: str
    target: str
    triggers: frozenset[str]
    secret: str | None = field(default=None, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The calls that look after an account's webhooks, and what ours should be like.

    create, update: their body is `target`, `triggers`, `secret` (where it is ours to give) and the
                    settings, for an update only what changes.
    triggers:       all that are sent to this account's version of the API and understood by us.
    settings:       with which everything is sent, and no address is hidden.
    gives_secret:   whether the provider makes the secret; else it takes ours.
    help:           what to look at where the provider refuses.
    """

    listed: Callable[[Any], Calls[list[Registered]]]
    create: Callable[[dict[str, Any], Any], Calls[Registered]]
    update: Callable[[str, dict[str, Any], Any], Calls[Registered]]
    delete: Callable[[str, Any], Calls[None]]
    triggers: Callable[[Any], frozenset[str]]
    settings: Callable[[Any], dict[str, Any]]
    gives_secret: bool
    help: str


@dataclass(frozen=True, slots=True)
class Provider:
    """options: the model of an account's own settings (app_id, credentials, region ...).

    webhooks: None where they are registered by hand, or there are none.
    """

    name: str
    options: type[BaseModel]
    inbound: Inbound | None
    outbound: Outbound
    webhooks: Webhooks | None = None


def only(headers: Headers, name: bytes) -> bytes:
    """The value of a header that must come exactly once; Refused if it is missing or doubled."""
    found, count = b"", 0
    for key, value in headers:  # a comprehension costs twice as much, for each proof
        if key == name:
            found = value
            count += 1
    if count != 1:
        came = f"came {count} times" if count else "is missing"
        raise Refused(f"the header {name.decode()} {came}")
    return found
