"""
What a handler may ask for. Values: the context collects them, the outbox keeps them as JSON,
a provider's adapter carries them out.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Discriminator, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from handlers.content import Content
from handlers.links import Confirmation, Immediate, Target, check_pairing


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Say something where the event happened.

    channel, conversation_id: the event's; None where it had none.
    options:                  provider-specific keys, e.g. {"SMS_SENDER": "15550001111"} for Sinch,
                              `metadata`, `override`, `destination` for Smooch.
    """

    content: Content
    channel: str | None = None
    conversation_id: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    kind: Literal["reply"] = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Say something to a person, wherever they are reached best.

    via: the channel, "sms"; None leaves it to the provider.
    to:  the address on `via`, for somebody who is no known user; None means the user.
    """

    content: Content
    via: str | None = None
    to: str | None = None
    conversation_id: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    kind: Literal["send"] = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Ask the provider to link a channel to the user. The outcome comes as an event, with `note`.

    conversation_id: the conversation the channel joins (Sunshine v2 needs one, and finds or makes
                     one where this is None).
    """

    target: Target
    confirmation: Confirmation = field(default_factory=Immediate)
    note: dict[str, Any] = field(default_factory=dict)
    conversation_id: str | None = None
    kind: Literal["link"] = "link"

    def __post_init__(self) -> None:
        check_pairing(self.target, self.confirmation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlink:
    """Take a channel away from the user: its client's id where the provider needs one."""

    channel: str
    client_id: str | None = None
    platform: str | None = None
    kind: Literal["unlink"] = "unlink"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddIdentity:
    """Add an identity to the user's contact (Sinch, CONVERSATION mode). Known at once, no webhook.

    app_id: for app-scoped channels. note: as for Link; the outcome is an event like a link's.
    """

    channel: str
    identity: str
    app_id: str | None = None
    note: dict[str, Any] = field(default_factory=dict)
    kind: Literal["add_identity"] = "add_identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    """Make a user at the provider before they write.

    external_id: your own id (Smooch needs one). identities: (channel, address) pairs (Sinch needs
    one). properties: flat key-values (Smooch properties / metadata; Sinch metadata).
    """

    external_id: str | None = None
    given_name: str | None = None
    surname: str | None = None
    email: str | None = None
    identities: tuple[tuple[str, str], ...] = ()
    language: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    kind: Literal["create_user"] = "create_user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """Show, or end, the typing indicator."""

    on: bool = True
    conversation_id: str | None = None
    channel: str | None = None
    kind: Literal["typing"] = "typing"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRead:
    """Tell the person that their message was read. `message_id`: up to which one (Sinch)."""

    conversation_id: str | None = None
    message_id: str | None = None
    channel: str | None = None
    kind: Literal["mark_read"] = "mark_read"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAvaamo:
    """Let an Avaamo agent greet somebody by SMS.

    account:  the name of an account whose provider is avaamo.
    to_phone: with country code; None where the agent's own authentication handler finds it.
    params:   any JSON values; the agent sees them as `context.params.<name>`.
    """

    account: str
    to_phone: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    kind: Literal["start_avaamo"] = "start_avaamo"


Action = Annotated[
    Reply | Send | Link | Unlink | AddIdentity | CreateUser | Typing | MarkRead | StartAvaamo,
    Discriminator("kind"),
]

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Action)


def to_json(action: Any) -> str:
    """The action as the outbox keeps it."""
    return _ADAPTER.dump_json(action, exclude_defaults=False).decode()


def from_json(text: str | bytes) -> Any:
    """The action that `to_json` wrote. Raises ValueError on anything else."""
    return _ADAPTER.validate_json(text)


def as_kept(action: Any) -> Any:
    """The action as the outbox will give it back: a copy that nobody can alter any more.

    Raises ValueError for what it could not give back, naming the field and never its value.
    """
    try:
        return from_json(_ADAPTER.dump_json(action, warnings=False))
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        where = ", ".join(
            f"{'.'.join(map(str, fault['loc']))} ({fault['type']})" for fault in faults
        )
        raise ValueError(f"{type(action).__name__} has a wrong value: {where}") from None
    except PydanticSerializationError:
        # Half a surrogate pair, or an object of a class of one's own in `raw` or `extra`.
        raise ValueError(f"{type(action).__name__} holds what cannot be JSON") from None
