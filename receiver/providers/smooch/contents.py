"""
What a message says. The keys are the same in all versions: v1.x has them on the message, v2 in its
`content`.

https://docs.smooch.io/rest/#messages
"""

from collections.abc import Callable
from typing import Any

from handlers.content import (
    Button,
    Carousel,
    Content,
    Form,
    FormField,
    FormResponse,
    Item,
    ItemList,
    Location,
    Media,
    Other,
    Template,
    Text,
)
from receiver import fields

BUTTON_KEYS = frozenset({"_id", "type", "text", "payload", "uri", "amount", "currency", "metadata"})
FIELD_KEYS = frozenset({"_id", "name", "label", "type", "text", "email", "select"})


def words(message: Any) -> str | None:
    """The text of a message: what was written, a caption, or a filled-in form as one text."""
    message = fields.as_obj(message)
    found = fields.as_text(message.get("text"))
    if found is None and message.get("type") == "formResponse":
        return fields.as_text(message.get("textFallback"))
    return found


def content(message: dict[str, Any]) -> Content | None:
    """The typed content; None where what its type needs is missing, Other for an unknown type.

    Messages of 2015-16 have no type: it is read off the keys.
    """
    kind = fields.as_text(message.get("type"))
    if kind is None:
        return _media(message, "media") or _text(message, "text")
    reader = READERS.get(kind)
    return reader(message, kind) if reader else Other(kind, message)


def _text(message: dict[str, Any], kind: str) -> Text | None:
    said = fields.as_text(message.get("text"))
    found = buttons(message)
    if said is None and not found:
        return None
    return Text(said or "", found, fields.as_text(message.get("payload")))


def _media(message: dict[str, Any], kind: Any) -> Media | None:
    url = fields.text(message, "mediaUrl")
    if url is None:
        return None
    return Media(
        url=url,
        text=fields.text(message, "text"),
        media_type=fields.text(message, "mediaType"),
        size=_whole(message.get("mediaSize")),
        alt_text=fields.text(message, "altText"),
        buttons=buttons(message),
        kind=kind,
    )


def _location(message: dict[str, Any], kind: str) -> Location | None:
    latitude = _degrees(fields.get(message, "coordinates.lat"))
    longitude = _degrees(fields.get(message, "coordinates.long"))
    if latitude is None or longitude is None:
        return None
    return Location(
        latitude=latitude,
        longitude=longitude,
        name=fields.text(message, "location.name"),
        address=fields.text(message, "location.address"),
    )


def _carousel(message: dict[str, Any], kind: str) -> Carousel | None:
    found = _items(message)
    if not found:
        return None
    return Carousel(
        items=found,
        text=fields.text(message, "text"),
        buttons=buttons(message),
        settings=fields.obj(message, "displaySettings"),
    )


def _list(message: dict[str, Any], kind: str) -> ItemList | None:
    found = _items(message)
    if not found:
        return None
    return ItemList(items=found, text=fields.text(message, "text"), buttons=buttons(message))


def _form(message: dict[str, Any], kind: str) -> Form | None:
    found = _fields(message)
    if not found:
        return None
    return Form(
        fields=found,
        submitted=_flag(message.get("submitted")),
        block_chat_input=_flag(message.get("blockChatInput")),
    )


def _form_response(message: dict[str, Any], kind: str) -> FormResponse | None:
    found = _fields(message)
    said = words(message)
    return FormResponse(fields=found, text=said) if found or said else None


def _template(message: dict[str, Any], kind: str) -> Template | None:
    template = fields.obj(message, "template")
    return Template(template) if template else None


READERS: dict[str, Callable[[dict[str, Any], str], Content | None]] = {
    "text": _text,
    "image": _media,
    "file": _media,
    "audio": _media,
    "video": _media,
    "location": _location,
    "carousel": _carousel,
    "list": _list,
    "form": _form,
    "formResponse": _form_response,
    "template": _template,
}


def buttons(message: dict[str, Any]) -> tuple[Button, ...]:
    """The actions of a message or an item; one without a type is none."""
    actions = message.get("actions")
    if not actions or not isinstance(actions, list):
        return ()
    return tuple(found for found in map(_button, actions) if found)


def _button(action: Any) -> Button | None:
    kind = fields.text(action, "type")
    if kind is None:
        return None
    return Button(
        type=kind,
        text=fields.text(action, "text"),
        payload=fields.text(action, "payload"),
        uri=fields.text(action, "uri"),
        amount=_whole(action.get("amount")),
        currency=fields.text(action, "currency"),
        metadata=fields.obj(action, "metadata"),
        extra={name: value for name, value in action.items() if name not in BUTTON_KEYS},
    )


def _items(message: dict[str, Any]) -> tuple[Item, ...]:
    return tuple(_item(one) for one in fields.items(message, "items") if isinstance(one, dict))


def _item(item: dict[str, Any]) -> Item:
    return Item(
        title=fields.text(item, "title") or "",
        description=fields.text(item, "description"),
        media_url=fields.text(item, "mediaUrl"),
        media_type=fields.text(item, "mediaType"),
        size=fields.text(item, "size"),
        buttons=buttons(item),
        metadata=fields.obj(item, "metadata"),
    )


def _fields(message: dict[str, Any]) -> tuple[FormField, ...]:
    found = (_field(one) for one in fields.items(message, "fields"))
    return tuple(one for one in found if one)


def _field(field: Any) -> FormField | None:
    """The answer stands under the field's own type: `text`, `email`, or `select`, a list."""
    name = fields.text(field, "name")
    if name is None:
        return None
    kind = fields.text(field, "type") or "text"
    return FormField(
        name=name,
        label=fields.text(field, "label"),
        type=kind,
        value=fields.text(field, kind) or fields.items(field, kind) or None,
        extra={key: value for key, value in field.items() if key not in FIELD_KEYS},
    )


def _whole(value: Any) -> int | None:
    """A whole number; sizes come as floats too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value)


def _degrees(value: Any) -> float | None:
    """A number of degrees that can be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -180 <= value <= 180 else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
