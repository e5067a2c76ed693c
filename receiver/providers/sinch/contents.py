"""
What a message says: the values of `contact_message` (in) and of an AppMessage (an echo of ours).

https://developers.sinch.com/docs/conversation/api-reference/conversation
"""

from collections.abc import Callable
from typing import Any

from handlers.content import (
    Button,
    Card,
    Choice,
    Content,
    Location,
    Media,
    Other,
    Products,
    Template,
    Text,
)
from receiver import fields


def read(message: dict[str, Any]) -> tuple[Content | None, str | None]:
    """The typed content of a message and the text in it, each None if there is none.

    A kind that is not modelled, or lacks what makes it one, is `Other` under its own name.
    """
    for kind, value in message.items():
        if kind in _READERS and isinstance(value, dict):
            content = _READERS[kind](value)
            words = getattr(content, "text", None) if kind in _WORDED else None
            return content or Other(kind, value), words
    return _unmodelled(message), None


def _unmodelled(message: dict[str, Any]) -> Content | None:
    for kind, value in message.items():
        if isinstance(value, dict) and kind not in _BESIDE:
            return Other(fields.clean(kind), value)
    return None


def _text(value: dict[str, Any]) -> Content | None:
    said = fields.as_text(value.get("text"))
    return None if said is None else Text(said)


def _media(value: dict[str, Any]) -> Content | None:
    """Sinch does not say whether it is an image or a file; neither does its URL, reliably."""
    url = fields.text(value, "url")
    if url is None:
        return None
    filename = fields.text(value, "filename_override")
    return Media(url, filename=filename, thumbnail=fields.text(value, "thumbnail_url"))


def _location(value: dict[str, Any]) -> Content | None:
    latitude = _degrees(fields.get(value, "coordinates.latitude"))
    longitude = _degrees(fields.get(value, "coordinates.longitude"))
    if latitude is None or longitude is None:
        return None
    name, address = fields.text(value, "title"), fields.text(value, "label")
    return Location(latitude, longitude, name=name, address=address)


def _degrees(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -360 <= value <= 360 else None


def _chosen(value: dict[str, Any]) -> Content:
    payload, of = fields.text(value, "postback_data"), fields.ident(value, "message_id")
    return Choice(payload=payload, message_id=of)


def _products(value: dict[str, Any]) -> Content:
    chosen = tuple(item for item in fields.items(value, "products") if isinstance(item, dict))
    title, catalog = fields.text(value, "title"), fields.text(value, "catalog_id")
    return Products(chosen, title=title, catalog_id=catalog)


def _media_card(value: dict[str, Any]) -> Content:
    return Card(url=fields.text(value, "url"), text=fields.text(value, "caption"))


def _card(value: dict[str, Any]) -> Content:
    return Card(
        url=fields.text(value, "media_message.url"),
        title=fields.text(value, "title"),
        text=fields.text(value, "description"),
        buttons=_buttons(value),
    )


def _choice(value: dict[str, Any]) -> Content:
    return Choice(text=fields.text(value, "text_message.text"), buttons=_buttons(value))


def _buttons(value: dict[str, Any]) -> tuple[Button, ...]:
    return tuple(map(_button, fields.items(value, "choices")))


def _button(choice: Any) -> Button:
    """One of `choices`: {"text_message": {"text": ...}, "postback_data": ...} and the like."""
    payload = fields.text(choice, "postback_data")
    for kind, (type_, label, uri) in _BUTTONS.items():
        if isinstance(fields.get(choice, kind), dict):
            inner = fields.obj(choice, kind)
            text, target = fields.text(inner, label), fields.text(inner, uri)
            return Button(type_, text=text, payload=payload, uri=target)
    return Button("other", payload=payload, extra=choice if isinstance(choice, dict) else {})


# A kind of choice -> our type of button, and where its label and its target stand.
_BUTTONS = {
    "text_message": ("reply", "text", "url"),
    "url_message": ("link", "title", "url"),
    "call_message": ("call", "title", "phone_number"),
}

_READERS: dict[str, Callable[[dict[str, Any]], Content | None]] = {
    "text_message": _text,
    "media_message": _media,
    "media_card_message": _media_card,
    "location_message": _location,
    "choice_response_message": _chosen,
    "product_response_message": _products,
    "card_message": _card,
    "choice_message": _choice,
    "template_message": Template,
}

# Whose `text` is the message's text: titles, descriptions and button texts are not.
_WORDED = {"text_message", "media_card_message", "choice_message"}

# Stand beside the kind and are no content.
_BESIDE = {"reply_to", "agent", "explicit_channel_message", "explicit_channel_omni_message"}
