"""
The bodies that the Conversation API takes, as strictly as its schemas say.

https://developers.sinch.com/docs/conversation/api-reference
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from receiver.standins.core import Strict

Channel = Literal[
    "SMS",
    "MMS",
    "RCS",
    "WHATSAPP",
    "MESSENGER",
    "INSTAGRAM",
    "TELEGRAM",
    "VIBER",
    "VIBERBM",
    "LINE",
    "WECHAT",
    "KAKAOTALK",
    "KAKAOTALKCHAT",
    "APPLEBC",
]


class Identity(Strict):
    """One address on one channel."""

    channel: Channel
    identity: str = Field(min_length=1)
    app_id: str | None = None


class Identities(Strict):
    """Several."""

    channel_identities: list[Identity] = Field(min_length=1)


class Recipient(Strict):
    """A contact or identities."""

    contact_id: str | None = None
    identified_by: Identities | None = None

    @model_validator(mode="after")
    def _one(self) -> "Recipient":
        if (self.contact_id is None) == (self.identified_by is None):
            raise ValueError("give contact_id or identified_by")
        return self


class Words(Strict):
    """text_message."""

    text: str


class Media(Strict):
    """media_message."""

    url: str
    thumbnail_url: str | None = None
    filename_override: str | None = None


class Coordinates(Strict):
    """Degrees."""

    latitude: float
    longitude: float


class Place(Strict):
    """location_message."""

    title: str
    label: str | None = None
    coordinates: Coordinates


class Url(Strict):
    """url_message."""

    title: str
    url: str


class Call(Strict):
    """call_message."""

    title: str
    phone_number: str


class ShareLocation(Strict):
    """share_location_message."""

    title: str
    fallback_url: str


class _OneOf(Strict):
    """Exactly one of the members whose names end with _message."""

    @model_validator(mode="after")
    def _one(self) -> "_OneOf":
        members = [name for name in self.model_fields_set if name in _members(type(self))]
        if len(members) != 1:
            raise ValueError("exactly one message is required")
        return self


def _members(model: type[Strict]) -> set[str]:
    beside = {"channel_specific_message", "explicit_channel_message"}
    beside.add("explicit_channel_omni_message")
    return {name for name in model.model_fields if name.endswith("_message")} - beside


class Choice(_OneOf):
    """Something to press."""

    text_message: Words | None = None
    url_message: Url | None = None
    call_message: Call | None = None
    location_message: Place | None = None
    share_location_message: ShareLocation | None = None
    postback_data: str | None = None


class Card(Strict):
    """card_message."""

    title: str
    description: str | None = None
    media_message: Media | None = None
    height: Literal["UNSPECIFIED_HEIGHT", "SHORT", "MEDIUM", "TALL"] | None = None
    choices: list[Choice] | None = None


class Carousel(Strict):
    """carousel_message."""

    cards: list[Card] = Field(min_length=1, max_length=10)
    choices: list[Choice] | None = Field(default=None, max_length=3)


class Choices(Strict):
    """choice_message."""

    text_message: Words | None = None
    choices: list[Choice] = Field(min_length=1, max_length=10)


class Row(Strict):
    """A row of a list."""

    title: str
    description: str | None = None
    media: Media | None = None
    postback_data: str | None = None


class RowItem(Strict):
    """What holds it."""

    choice: Row


class Section(Strict):
    """Of a list."""

    title: str | None = None
    items: list[RowItem] = Field(min_length=1)


class Listing(Strict):
    """list_message."""

    title: str
    description: str | None = None
    sections: list[Section] = Field(min_length=1)


class AppMessage(_OneOf):
    """What is said."""

    text_message: Words | None = None
    media_message: Media | None = None
    card_message: Card | None = None
    carousel_message: Carousel | None = None
    choice_message: Choices | None = None
    list_message: Listing | None = None
    location_message: Place | None = None
    template_message: dict[str, Any] | None = None
    contact_info_message: dict[str, Any] | None = None
    explicit_channel_message: dict[str, str] | None = None
    explicit_channel_omni_message: dict[str, Any] | None = None
    channel_specific_message: dict[str, Any] | None = None
    agent: dict[str, Any] | None = None


class SendMessage(Strict):
    """POST messages:send."""

    app_id: str
    recipient: Recipient
    message: AppMessage
    callback_url: str | None = None
    channel_priority_order: list[Channel] | None = None
    channel_properties: dict[str, str] | None = None
    message_metadata: str | None = Field(default=None, max_length=1024)
    conversation_metadata: dict[str, Any] | None = None
    conversation_metadata_update_strategy: Literal["REPLACE", "MERGE_PATCH"] | None = None
    correlation_id: str | None = Field(default=None, max_length=128)
    message_content_type: str | None = None
    processing_strategy: Literal["DEFAULT", "DISPATCH_ONLY"] | None = None
    queue: Literal["NORMAL_PRIORITY", "HIGH_PRIORITY"] | None = None
    reply_to: Any = None
    ttl: str | int | None = None


class Agent(Strict):
    """Who joins or leaves."""

    display_name: str | None = None
    type: Literal["BOT", "HUMAN"] | None = None
    picture_url: str | None = None


class AgentEvent(Strict):
    """agent_joined_event, agent_left_event."""

    agent: Agent


class AppEvent(Strict):
    """What happens: exactly one of them."""

    composing_event: dict[str, Any] | None = None
    composing_end_event: dict[str, Any] | None = None
    read_message_event: dict[str, Any] | None = None
    comment_reply_event: Words | None = None
    agent_joined_event: AgentEvent | None = None
    agent_left_event: AgentEvent | None = None
    generic_event: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one(self) -> "AppEvent":
        if len(self.model_fields_set) != 1:
            raise ValueError("exactly one event is required")
        return self


class SendEvent(Strict):
    """POST events:send."""

    app_id: str
    recipient: Recipient
    event: AppEvent
    channel_priority_order: list[Channel] | None = None
    callback_url: str | None = None
    event_metadata: str | None = None
    queue: Literal["NORMAL_PRIORITY", "HIGH_PRIORITY"] | None = None


class NewContact(Strict):
    """POST contacts."""

    channel_identities: list[Identity] = Field(min_length=1)
    language: str = Field(pattern=r"^[A-Z]{2,3}(_[A-Z]{2})?$|^UNSPECIFIED$")
    display_name: str | None = None
    email: str | None = None
    external_id: str | None = None
    metadata: str | None = None
    channel_priority: list[Channel] | None = None


class ContactPatch(Strict):
    """PATCH contacts/{id}?update_mask=..."""

    channel_identities: list[Identity] | None = None
    language: str | None = None
    display_name: str | None = None
    email: str | None = None
    external_id: str | None = None
    metadata: str | None = None
    channel_priority: list[Channel] | None = None
