"""
The bodies that Smooch takes, as strictly as its schemas say.

https://docs.smooch.io/rest/v1.1/ and https://developer.zendesk.com/api-reference/conversations/
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from receiver.standins.core import Strict

# type of message -> the key it cannot do without
_NEEDS = {
    "text": "text",
    "image": "mediaUrl",
    "file": "mediaUrl",
    "carousel": "items",
    "list": "items",
    "location": "coordinates",
    "form": "fields",
    "template": "template",
}
_ACTION_NEEDS = {
    "link": ("text", "uri"),
    "reply": ("text", "payload"),
    "postback": ("text", "payload"),
    "locationRequest": ("text",),
    "buy": ("text", "amount"),
    "webview": ("text", "uri", "fallback"),
    "share": (),
}


class Button(Strict):
    """An action."""

    type: Literal["link", "reply", "postback", "locationRequest", "buy", "webview", "share"]
    text: str | None = None
    uri: str | None = None
    payload: str | None = None
    amount: int | None = None
    currency: str | None = None
    metadata: dict[str, str | int | float | bool] | None = None
    default: bool | None = None
    fallback: str | None = None
    size: Literal["compact", "tall", "full"] | None = None
    iconUrl: str | None = None
    extraChannelOptions: dict[str, Any] | None = None
    openOnReceive: bool | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Button":
        for name in _ACTION_NEEDS[self.type]:
            if getattr(self, name) is None:
                raise ValueError(f"{name} is required")
        return self


class Card(Strict):
    """An item of a carousel or list."""

    title: str = Field(min_length=1, max_length=128)
    actions: list[Button] = Field(min_length=1, max_length=3)
    description: str | None = None
    mediaUrl: str | None = None
    mediaType: str | None = None
    altText: str | None = None
    size: Literal["compact", "large"] | None = None
    metadata: dict[str, Any] | None = None


class Coordinates(Strict):
    """Degrees."""

    lat: float
    long: float


class Place(Strict):
    """Where it is, in words."""

    address: str | None = None
    name: str | None = None


class Question(Strict):
    """A field of a form."""

    type: Literal["text", "email", "select"]
    name: str
    label: str
    placeholder: str | None = None
    minSize: int | None = None
    maxSize: int | None = None
    options: list[dict[str, str]] | None = None


class Destination(Strict):
    """One of the two."""

    integrationId: str | None = None
    integrationType: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Destination":
        if (self.integrationId is None) == (self.integrationType is None):
            raise ValueError("give integrationId or integrationType")
        return self


class Content(Strict):
    """What a message says."""

    type: Literal["text", "image", "file", "carousel", "list", "location", "form", "template"]
    text: str | None = Field(default=None, max_length=4096)
    actions: list[Button] | None = None
    mediaUrl: str | None = None
    mediaType: str | None = None
    altText: str | None = None
    items: list[Card] | None = Field(default=None, min_length=1, max_length=10)
    displaySettings: dict[str, str] | None = None
    coordinates: Coordinates | None = None
    location: Place | None = None
    fields: list[Question] | None = None
    blockChatInput: bool | None = None
    template: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Content":
        need = _NEEDS[self.type]
        if getattr(self, need) is None:
            raise ValueError(f"{need} is required")
        return self


class MessageV1(Content):
    """POST messages."""

    role: Literal["appMaker"]
    metadata: dict[str, str | int | float | bool] | None = None
    destination: Destination | None = None
    override: dict[str, Any] | None = None


class NativeV1(Strict):
    """POST messages, in a channel's own form."""

    role: Literal["appMaker"]
    messageSchema: Literal["whatsapp"]
    message: dict[str, Any]
    metadata: dict[str, str | int | float | bool] | None = None
    destination: Destination | None = None


class ConfirmationV1(Strict):
    """How the person agrees."""

    type: Literal["immediate", "userActivity", "prompt"]
    message: MessageV1 | None = None


class LinkV1(Strict):
    """POST channels."""

    type: Literal["twilio", "messagebird", "whatsapp", "messenger", "mailgun"]
    confirmation: ConfirmationV1
    phoneNumber: str | None = Field(default=None, pattern=r"^\+")
    address: str | None = Field(default=None, pattern="@")
    subject: str | None = None
    givenName: str | None = None
    surname: str | None = None
    integrationId: str | None = None
    primary: bool | None = None

    @model_validator(mode="after")
    def _entity(self) -> "LinkV1":
        if (self.address if self.type == "mailgun" else self.phoneNumber) is None:
            raise ValueError("the entity of this channel is required")
        return self


class ChangesV1(Strict):
    """PUT appusers/{user}."""

    givenName: str | None = None
    surname: str | None = None
    email: str | None = None
    signedUpAt: str | None = None
    properties: dict[str, Any] | None = None


class UserV1(ChangesV1):
    """POST appusers."""

    userId: str = Field(min_length=1)


class ActivityV1(Strict):
    """POST conversation/activity."""

    role: Literal["appMaker"]
    type: Literal["typing:start", "typing:stop", "conversation:read"]


class Author(Strict):
    """Who writes."""

    type: Literal["business"]


class MessageV2(Strict):
    """POST messages."""

    author: Author
    content: Content
    destination: Destination | None = None
    metadata: dict[str, str | int | float | bool] | None = None
    override: dict[str, Any] | None = None
    schema_: str | None = Field(default=None, alias="schema")


class ConfirmationV2(Strict):
    """How the person agrees."""

    type: Literal["immediate", "userActivity", "prompt"]
    message: MessageV2 | None = None


class Criteria(Strict):
    """Whom to look for."""

    type: Literal["twilio", "messagebird", "whatsapp", "mailgun"]
    integrationId: str
    primary: bool | None = None
    phoneNumber: str | None = Field(default=None, pattern=r"^\+")
    address: str | None = Field(default=None, pattern="@")
    subject: str | None = None

    @model_validator(mode="after")
    def _entity(self) -> "Criteria":
        if (self.address if self.type == "mailgun" else self.phoneNumber) is None:
            raise ValueError("the entity of this channel is required")
        return self


class Target(Strict):
    """The conversation that the client joins."""

    conversationId: str


class LinkV2(Strict):
    """POST clients."""

    matchCriteria: Criteria
    confirmation: ConfirmationV2
    target: Target


class Profile(Strict):
    """Of a user."""

    givenName: str | None = None
    surname: str | None = None
    email: str | None = None
    avatarUrl: str | None = None
    locale: str | None = None


class UserV2(Strict):
    """POST users."""

    externalId: str | None = Field(default=None, min_length=1, max_length=1024)
    signedUpAt: str | None = None
    profile: Profile | None = None
    metadata: dict[str, Any] | None = None


class Participant(Strict):
    """Of a conversation."""

    userId: str | None = None
    userExternalId: str | None = None


class ConversationV2(Strict):
    """POST conversations."""

    type: Literal["personal", "sdkGroup"]
    participants: list[Participant] = Field(min_length=1, max_length=10)


class ActivityV2(Strict):
    """POST activity."""

    author: Author
    type: Literal["typing:start", "typing:stop", "conversation:read"]
