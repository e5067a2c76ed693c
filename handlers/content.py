"""
What a message says: the same values for what comes in and for what goes out.

Every class names its `kind`; a provider that cannot carry a kind says so (`Unsupported`).
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Discriminator

from handlers.values import quick


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press beside a text or on a card.

    type:     "link", "reply", "postback", "share", "buy", "locationRequest", "webview" or "call".
    text:     the label; None for a share button.
    payload:  what comes back when it is pressed (reply, postback).
    uri:      where it leads (link, webview), or the number it calls (call).
    amount:   minor units of `currency`, an ISO 4217 code (buy).
    metadata: flat key-values that come back with the event; the provider's limits apply.
    extra:    provider-specific keys, sent and received as they are.
    """

    type: str
    text: str | None = None
    payload: str | None = None
    uri: str | None = None
    amount: int | None = None
    currency: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, with buttons if there are any. `payload`: the reply button that was pressed."""

    text: str
    buttons: tuple[Button, ...] = ()
    payload: str | None = None
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Media:
    """An image, file, audio or video by its URL, which may expire.

    kind:       "image", "file", "audio", "video", or "media" where the provider does not say.
    media_type: the MIME type, or None if unknown. size: bytes, or None.
    text:       the caption. alt_text: for screen readers. thumbnail, filename: where given.
    """

    url: str
    text: str | None = None
    media_type: str | None = None
    size: int | None = None
    alt_text: str | None = None
    filename: str | None = None
    thumbnail: str | None = None
    buttons: tuple[Button, ...] = ()
    kind: Literal["image", "file", "audio", "video", "media"] = "media"


@dataclass(frozen=True, slots=True)
class Location:
    """A place; degrees, WGS 84."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None
    kind: Literal["location"] = "location"


@dataclass(frozen=True, slots=True)
class Item:
    """One card of a carousel or row of a list. `size`: "compact" or "large"."""

    title: str
    description: str | None = None
    media_url: str | None = None
    media_type: str | None = None
    size: str | None = None
    buttons: tuple[Button, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Carousel:
    """Cards side by side. `text` and `settings` where the provider has them."""

    items: tuple[Item, ...]
    text: str | None = None
    buttons: tuple[Button, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    kind: Literal["carousel"] = "carousel"


@dataclass(frozen=True, slots=True)
class ItemList:
    """Rows one below the other."""

    items: tuple[Item, ...]
    title: str | None = None
    text: str | None = None
    buttons: tuple[Button, ...] = ()
    kind: Literal["list"] = "list"


@dataclass(frozen=True, slots=True)
class FormField:
    """A question of a form, or the answer to one.

    type:  "text", "email" or "select". value: the answer; None while it is a question.
    extra: the provider's other keys (minSize, maxSize, options ...).
    """

    name: str
    label: str | None = None
    type: str = "text"
    value: Any = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Form:
    """Questions to fill in. `block_chat_input`: nothing else can be written meanwhile."""

    fields: tuple[FormField, ...]
    submitted: bool | None = None
    block_chat_input: bool | None = None
    kind: Literal["form"] = "form"


@dataclass(frozen=True, slots=True)
class FormResponse:
    """A form that was filled in. `text`: all of it as one text."""

    fields: tuple[FormField, ...]
    text: str | None = None
    kind: Literal["formResponse"] = "formResponse"


@dataclass(frozen=True, slots=True)
class Template:
    """A message template of the provider's: `raw` is sent and received as it is."""

    raw: dict[str, Any]
    kind: Literal["template"] = "template"


@dataclass(frozen=True, slots=True)
class Card:
    """A picture with words and choices (Sinch card_message, media_card_message)."""

    url: str | None = None
    title: str | None = None
    text: str | None = None
    buttons: tuple[Button, ...] = ()
    kind: Literal["card"] = "card"


@dataclass(frozen=True, slots=True)
class Choice:
    """A text with choices (out), or the choice that was made (in).

    payload:    what the pressed choice carries; message_id: the message it stood in.
    """

    text: str | None = None
    buttons: tuple[Button, ...] = ()
    payload: str | None = None
    message_id: str | None = None
    kind: Literal["choice"] = "choice"


@dataclass(frozen=True, slots=True)
class Products:
    """Products chosen from a catalogue; each as the provider writes it."""

    products: tuple[dict[str, Any], ...]
    title: str | None = None
    catalog_id: str | None = None
    kind: Literal["product"] = "product"


@dataclass(frozen=True, slots=True)
class Binary:
    """A binary SMS. `data`: base64; `udh`: the user data header in hex, None if there is none."""

    data: str
    udh: str | None = None
    kind: Literal["binary"] = "binary"


@dataclass(frozen=True, slots=True)
class Other:
    """What is not modelled (fallback, channel-specific, unknown types). `name`: its own type."""

    name: str
    raw: dict[str, Any]
    kind: Literal["other"] = "other"


Content = Annotated[
    Text
    | Media
    | Location
    | Carousel
    | ItemList
    | Form
    | FormResponse
    | Template
    | Card
    | Choice
    | Products
    | Binary
    | Other,
    Discriminator("kind"),
]
