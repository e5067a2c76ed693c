"""
What a message says, as an AppMessage of the Conversation API.

    {"choice_message": {"text_message": {"text": ...},
                        "choices": [{"text_message": {"text": ...}, "postback_data": ...}]}}

https://developers.sinch.com/docs/conversation/message-types
"""

import json
from collections.abc import Callable
from typing import Any

from handlers.content import (
    Button,
    Card,
    Carousel,
    Choice,
    Content,
    Item,
    ItemList,
    Location,
    Media,
    Other,
    Template,
    Text,
)
from receiver.bodies import present
from receiver.errors import Unsupported


def message(content: Content) -> dict[str, Any]:
    """The content as one `..._message`. Raises Unsupported for what Sinch has no message for."""
    write = _WRITERS.get(type(content))
    if write is None:
        raise Unsupported(f"sinch cannot send a {content.kind} message")
    return write(content)


def as_text(properties: dict[str, Any]) -> str | None:
    """Flat properties as Sinch keeps a contact's metadata: one text."""
    return json.dumps(properties, ensure_ascii=False) if properties else None


def _text(content: Text) -> dict[str, Any]:
    said = {"text": content.text}
    if not content.buttons:
        return {"text_message": said}
    return {"choice_message": {"text_message": said, "choices": _choices(content.buttons)}}


def _choice(content: Choice) -> dict[str, Any]:
    if not content.buttons:
        raise Unsupported("sinch needs choices in a choice message")
    said = {"text_message": {"text": content.text}} if content.text else {}
    return {"choice_message": said | {"choices": _choices(content.buttons)}}


def _media(content: Media) -> dict[str, Any]:
    """A caption or buttons make it a card: a media message has no place for them."""
    media = {"url": content.url} | present(
        thumbnail_url=content.thumbnail, filename_override=content.filename
    )
    if not content.text and not content.buttons:
        return {"media_message": media}
    return {"card_message": _card_of(content.text, None, media, content.buttons)}


def _card(content: Card) -> dict[str, Any]:
    media = {"url": content.url} if content.url else None
    return {"card_message": _card_of(content.title, content.text, media, content.buttons)}


def _card_of(
    title: str | None, text: str | None, media: dict[str, Any] | None, buttons: tuple[Button, ...]
) -> dict[str, Any]:
    if not title:
        raise Unsupported("sinch needs a title on a card")
    return {"title": title} | present(
        description=text, media_message=media, choices=_choices(buttons)
    )


def _carousel(content: Carousel) -> dict[str, Any]:
    cards = [
        _card_of(item.title, item.description, _picture(item), item.buttons)
        for item in content.items
    ]
    return {"carousel_message": {"cards": cards} | present(choices=_choices(content.buttons))}


def _picture(item: Item) -> dict[str, Any] | None:
    return {"url": item.media_url} if item.media_url else None


def _list(content: ItemList) -> dict[str, Any]:
    """One section; what comes back of a row is the payload of its first button."""
    title = content.title or content.text
    if not title:
        raise Unsupported("sinch needs a title on a list")
    if content.buttons:
        raise Unsupported("sinch has no buttons beside a list")
    rows = [{"choice": _row(item)} for item in content.items]
    text = content.text if content.title else None
    listed = {"title": title, "sections": [{"items": rows}]} | present(description=text)
    return {"list_message": listed}


def _row(item: Item) -> dict[str, Any]:
    payload = next((button.payload for button in item.buttons if button.payload), None)
    return {"title": item.title} | present(
        description=item.description, media=_picture(item), postback_data=payload
    )


def _location(content: Location) -> dict[str, Any]:
    place = {"coordinates": {"latitude": content.latitude, "longitude": content.longitude}}
    title = content.name or content.address or f"{content.latitude}, {content.longitude}"
    return {"location_message": {"title": title} | present(label=content.address) | place}


def _template(content: Template) -> dict[str, Any]:
    return {"template_message": content.raw}


def _other(content: Other) -> dict[str, Any]:
    """Any message by its own name (`contact_info_message`), as it is."""
    if not content.name.endswith("_message"):
        raise Unsupported(f"sinch cannot send a {content.name}")
    return {content.name: content.raw}


def _choices(buttons: tuple[Button, ...]) -> list[dict[str, Any]]:
    return [_choice_of(button) for button in buttons]


def _choice_of(button: Button) -> dict[str, Any]:
    write = _BUTTONS.get(button.type)
    if write is None:
        raise Unsupported(f"sinch has no {button.type} button")
    return write(button) | present(postback_data=button.payload) | button.extra


def _url(button: Button) -> dict[str, Any]:
    return {"url_message": present(title=button.text, url=button.uri)}


def _said(button: Button) -> dict[str, Any]:
    return {"text_message": {"text": button.text or ""}}


# https://developers.sinch.com/docs/conversation/message-types/choice-message
_BUTTONS: dict[str, Callable[[Button], dict[str, Any]]] = {
    "reply": _said,
    "postback": _said,
    "link": _url,
    "webview": _url,
    "call": lambda b: {"call_message": present(title=b.text, phone_number=b.uri)},
    "locationRequest": lambda b: {
        "share_location_message": present(title=b.text, fallback_url=b.uri)
    },
}

_WRITERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    Text: _text,
    Choice: _choice,
    Media: _media,
    Card: _card,
    Carousel: _carousel,
    ItemList: _list,
    Location: _location,
    Template: _template,
    Other: _other,
}
