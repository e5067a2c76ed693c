"""
Linking a channel: what can be linked, how the person confirms it, and what became of it.

Pairings that the provider forbids are refused when the value is built (ValueError), not by its 400.
https://docs.smooch.io/rest/#link-app-user-to-channel
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator


@dataclass(frozen=True, slots=True)
class Immediate:
    """Linked at once; `message`, if given, is sent first and decides whether the link holds."""

    message: str | None = None
    type: Literal["immediate"] = "immediate"


@dataclass(frozen=True, slots=True)
class UserActivity:
    """Linked when the person answers `message` on the new channel."""

    message: str
    type: Literal["userActivity"] = "userActivity"


@dataclass(frozen=True, slots=True)
class Prompt:
    """The provider asks the person yes or no, by SMS; `message` comes before the question."""

    message: str | None = None
    type: Literal["prompt"] = "prompt"


Confirmation = Annotated[Immediate | UserActivity | Prompt, Discriminator("type")]


def _need(value: str, what: str) -> None:
    if not value or not value.strip():
        raise ValueError(f"{what} is empty")


def _need_phone(value: str) -> None:
    _need(value, "the phone number")
    if not value.strip().startswith("+"):
        raise ValueError("the phone number needs its country code: +15145555555")


@dataclass(frozen=True, slots=True)
class Twilio:
    """SMS by Twilio. `primary`: it becomes the preferred channel (None: the provider's default)."""

    address: str
    integration_id: str | None = None
    primary: bool | None = None
    platform: Literal["twilio"] = "twilio"
    channel: ClassVar[str] = "sms"
    confirmations: ClassVar[frozenset[str]] = frozenset({"immediate", "userActivity", "prompt"})

    def __post_init__(self) -> None:
        _need_phone(self.address)


@dataclass(frozen=True, slots=True)
class MessageBird:
    """SMS by MessageBird."""

    address: str
    integration_id: str | None = None
    primary: bool | None = None
    platform: Literal["messagebird"] = "messagebird"
    channel: ClassVar[str] = "sms"
    confirmations: ClassVar[frozenset[str]] = frozenset({"immediate", "userActivity"})

    def __post_init__(self) -> None:
        _need_phone(self.address)


@dataclass(frozen=True, slots=True)
class WhatsApp:
    """WhatsApp by phone number (Smooch v1.1 and later)."""

    address: str
    integration_id: str | None = None
    primary: bool | None = None
    platform: Literal["whatsapp"] = "whatsapp"
    channel: ClassVar[str] = "whatsapp"
    confirmations: ClassVar[frozenset[str]] = frozenset({"immediate", "userActivity"})

    def __post_init__(self) -> None:
        _need_phone(self.address)


@dataclass(frozen=True, slots=True)
class Messenger:
    """Facebook Messenger by phone number; the names help Facebook to find the person.

    Needs a confirmation with a message, and Smooch v1 or v1.1.
    """

    address: str
    given_name: str | None = None
    surname: str | None = None
    integration_id: str | None = None
    primary: bool | None = None
    platform: Literal["messenger"] = "messenger"
    channel: ClassVar[str] = "messenger"
    confirmations: ClassVar[frozenset[str]] = frozenset({"immediate", "userActivity"})

    def __post_init__(self) -> None:
        _need_phone(self.address)


@dataclass(frozen=True, slots=True)
class Mailgun:
    """E-mail by Mailgun. `subject`: None is the provider's "New message from {appName}"."""

    address: str
    subject: str | None = None
    integration_id: str | None = None
    primary: bool | None = None
    platform: Literal["mailgun"] = "mailgun"
    channel: ClassVar[str] = "email"
    confirmations: ClassVar[frozenset[str]] = frozenset({"immediate"})

    def __post_init__(self) -> None:
        _need(self.address, "the e-mail address")
        if "@" not in self.address:
            raise ValueError("the e-mail address has no @")


Target = Annotated[Twilio | MessageBird | WhatsApp | Messenger | Mailgun, Discriminator("platform")]


def check_pairing(
    target: Twilio | MessageBird | WhatsApp | Messenger | Mailgun,
    confirmation: Immediate | UserActivity | Prompt,
) -> None:
    """Refuse (ValueError) a confirmation that the provider does not take for this channel."""
    if confirmation.type not in target.confirmations:
        allowed = ", ".join(sorted(target.confirmations))
        raise ValueError(f"{target.platform} takes no {confirmation.type} confirmation ({allowed})")
    if target.platform == "messenger" and not confirmation.message:
        raise ValueError("linking messenger needs a confirmation with a message")
    if confirmation.type == "userActivity" and not confirmation.message:
        raise ValueError("a userActivity confirmation needs a message")


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """A link that was asked for, as the database keeps it.

    status: "pending", "matched", "linked", "failed", "expired" or "cancelled".
    note:   what the handler wrote down for the handler of the outcome.
    error:  the provider's words, where it failed.
    """

    id: int
    channel: str
    platform: str
    address: str | None
    status: str
    note: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    requested_at: datetime | None = None
