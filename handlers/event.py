"""What all events have in common, and the families that share more. The types are in `events`."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from handlers.content import Content
from handlers.links import LinkRecord
from handlers.people import ChannelIdentity, User
from handlers.values import quick


@quick
@dataclass(frozen=True, slots=True)
class Fault:
    """Why it failed, says the provider: its code, its words, and the channel's own code."""

    code: str | None = None
    message: str | None = None
    underlying: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, whoever reported it.

    id:            the dedup key inside one account: stable across redeliveries.
    dedup_window:  how long the same id counts as a duplicate; None means for ever. An hour where
                   the provider gives neither an id nor a time, and a digest stands in.
    trigger:       the provider's own name for it ("message:appUser", "MESSAGE_INBOUND").
    user:          None where it is about nobody, or the provider names nobody.
    identities:    the channel identities that this payload proves for `user`.
    channel:       where it happened; None if unknown.
    message_id:    the provider's id of the message it is about.
    text, payload: the message's text; the payload of the button that was pressed.
    occurred_at:   UTC and aware; None if the provider does not say.
    raw:           the provider's JSON for this one event.
    """

    type: ClassVar[str] = ""

    id: str
    trigger: str | None = None
    user: User | None = None
    identities: tuple[ChannelIdentity, ...] = ()
    channel: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    text: str | None = None
    payload: str | None = None
    occurred_at: datetime | None = None
    raw: dict[str, Any] = field(default_factory=dict)
    dedup_window: timedelta | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Event):
    """Any message. `content`: what it says, typed; None where the payload has none."""

    content: Content | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Event):
    """What became of a message that we sent.

    final:     no other receipt follows for this message and channel; None if not said.
    reference: what we had sent along (Sinch metadata), by which a lost answer is found again.
    """

    final: bool | None = None
    error: Fault | None = None
    reference: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOutcome(Event):
    """What became of a link that was asked for.

    platform, address, client_id: what the provider says it linked; None where it does not.
    link: the request as the database keeps it, with the handler's note; None for a link that
          was not asked for here. Filled in when a handler runs.
    """

    platform: str | None = None
    address: str | None = None
    client_id: str | None = None
    error: Fault | None = None
    link: LinkRecord | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChange(Event):
    """A client of a user came, changed or went. `reason`: the provider's word (v2), else None."""

    reason: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Consent(Event):
    """A person agreed to, or refused, messages on one channel."""

    error: Fault | None = None
