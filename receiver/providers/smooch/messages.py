"""
What a message says, as Smooch's JSON. The versions share it, but for what some of them lack.

    {"type": "text", "text": ..., "actions": [{"type": "reply", "text": ..., "payload": ...}]}

https://docs.smooch.io/rest/#message-types
"""

from collections.abc import Callable
from typing import Any

from handlers.content import (
    Button,
    Carousel,
    Choice,
    Content,
    Form,
    FormField,
    Item,
    ItemList,
    Location,
    Media,
    Text,
)
from receiver.bodies import present
from receiver.errors import Unsupported

_ACTIONS = frozenset({"link", "reply", "postback", "buy", "locationRequest", "webview"})
# type of action -> what only some versions have
_ACTIONS_OF = {"v1": _ACTIONS | {"share"}, "v1.1": _ACTIONS | {"share"}, "v2": _ACTIONS}


def body(content: Content, version: str) -> dict[str, Any]:
    """The content as API `version` takes it. Raises Unsupported for a kind that it lacks.

    A list's title and text, and a carousel's text, have no place in Smooch and are left out.
    """
    write = _WRITERS.get(type(content))
    if write is None or (isinstance(content, Form) and version == "v1"):
        raise Unsupported(f"smooch {version} cannot send a {content.kind} message")
    return write(content, version)


def _text(content: Text, version: str) -> dict[str, Any]:
    return {"type": "text", "text": content.text} | _actions(content.buttons, version)


def _choice(content: Choice, version: str) -> dict[str, Any]:
    if content.text is None:
        raise Unsupported("smooch has no choices without a text")
    return {"type": "text", "text": content.text} | _actions(content.buttons, version)


def _media(content: Media, version: str) -> dict[str, Any]:
    """Smooch sends images and files; all that is no image is a file."""
    kind = "image" if _is_image(content) else "file"
    if kind == "file" and content.buttons:
        raise Unsupported("smooch has no buttons beside a file")
    said = present(text=content.text, mediaUrl=content.url)
    if version == "v2":
        said |= present(altText=content.alt_text)  # the media type is found out by Smooch
    else:
        said |= present(mediaType=content.media_type)
    return {"type": kind} | said | _actions(content.buttons, version)


def _is_image(content: Media) -> bool:
    if content.kind == "media":
        return (content.media_type or "").startswith("image/")
    return content.kind == "image"


def _carousel(content: Carousel, version: str) -> dict[str, Any]:
    if content.buttons:
        raise Unsupported("smooch has no buttons beside a carousel")
    items = [_item(item, version) for item in content.items]
    return {"type": "carousel", "items": items} | present(displaySettings=content.settings)


def _list(content: ItemList, version: str) -> dict[str, Any]:
    items = [_item(item, version) for item in content.items]
    return {"type": "list", "items": items} | _actions(content.buttons, version)


def _item(item: Item, version: str) -> dict[str, Any]:
    optional = present(
        description=item.description,
        mediaUrl=item.media_url,
        mediaType=item.media_type,
        size=item.size,
        metadata=item.metadata,
    )
    return {"title": item.title, **optional, "actions": _buttons(item.buttons, version)}


def _location(content: Location, version: str) -> dict[str, Any]:
    coordinates = {"lat": content.latitude, "long": content.longitude}
    place = present(address=content.address, name=content.name)
    return {"type": "location", "coordinates": coordinates} | present(location=place)


def _form(content: Form, version: str) -> dict[str, Any]:
    asked = [_field(field) for field in content.fields]
    return {"type": "form", "fields": asked} | present(blockChatInput=content.block_chat_input)


def _field(field: FormField) -> dict[str, Any]:
    return {
        "type": field.type,
        "name": field.name,
        "label": field.label or field.name,
        **field.extra,
    }


def _actions(buttons: tuple[Button, ...], version: str) -> dict[str, Any]:
    return present(actions=_buttons(buttons, version))


def _buttons(buttons: tuple[Button, ...], version: str) -> list[dict[str, Any]]:
    return [_action(button, version) for button in buttons]


def _action(button: Button, version: str) -> dict[str, Any]:
    if button.type not in _ACTIONS_OF[version]:
        raise Unsupported(f"smooch {version} has no {button.type} button")
    known = present(
        text=button.text,
        payload=button.payload,
        uri=button.uri,
        amount=button.amount,
        currency=button.currency,
        metadata=button.metadata,
    )
    return {"type": button.type} | known | button.extra


_WRITERS: dict[type, Callable[[Any, str], dict[str, Any]]] = {
    Text: _text,
    Choice: _choice,
    Media: _media,
    Carousel: _carousel,
    ItemList: _list,
    Location: _location,
    Form: _form,
}
