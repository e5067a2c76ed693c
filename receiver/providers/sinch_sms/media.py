"""What an incoming MMS holds."""

from typing import Any, Literal

from handlers.content import Content, Media, Other, Text
from receiver import fields

_Kind = Literal["image", "file", "audio", "video", "media"]

_KINDS: dict[str, _Kind] = {"image": "image", "audio": "audio", "video": "video"}


def media(body: Any) -> Content | None:
    """{"subject", "message", "media": [{"url", "content_type", "status", "code"}]}

    One item is Media, with the message as its caption; several are Other, whose `raw` is all of it.
    """
    if not isinstance(body, dict):
        return None
    message = fields.text(body, "message")
    items = fields.items(body, "media")
    if not items:
        return Text(message) if message else Other("media", body)
    url = fields.text(items[0], "url")
    if len(items) > 1 or url is None:
        return Other("media", body)
    media_type = fields.text(items[0], "content_type")
    return Media(url, text=message, media_type=media_type, kind=_kind(media_type))


def _kind(media_type: str | None) -> _Kind:
    if media_type is None:
        return "media"
    return _KINDS.get(media_type.partition("/")[0].lower(), "file")
