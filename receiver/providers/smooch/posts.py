"""
What surrounds a message: its author, where it goes, and what the handler passes on.

https://docs.smooch.io/rest/#post-message
"""

from typing import Any

from handlers.actions import Reply, Send
from handlers.content import Template
from receiver.errors import Unsupported
from receiver.provider import Recipient
from receiver.providers.smooch import messages
from receiver.providers.smooch.options import SmoochOptions
from receiver.providers.smooch.platforms import platform

AUTHOR_V1 = {"role": "appMaker"}
AUTHOR_V2 = {"author": {"type": "business"}}

_PASSED_ON = ("metadata", "override", "destination")


def plain(text: str, version: str) -> dict[str, Any]:
    """A message of one text, as a confirmation carries it."""
    said = {"type": "text", "text": text}
    return AUTHOR_V2 | {"content": said} if version == "v2" else AUTHOR_V1 | said


def post(action: Reply | Send, recipient: Recipient, options: SmoochOptions) -> dict[str, Any]:
    """The body that says the action's content.

    Of action.options it takes `metadata`, `override` and `destination` as they are, and `schema`
    with `message`: a message in a channel's own form, sent in place of the content.
    """
    version = options.api_version
    author = AUTHOR_V2 if version == "v2" else AUTHOR_V1
    passed = {name: action.options[name] for name in _PASSED_ON if name in action.options}
    return author | _said(action, version) | _destination(action, recipient, options) | passed


def _said(action: Reply | Send, version: str) -> dict[str, Any]:
    native = _native(action)
    if native is None:
        said = messages.body(action.content, version)
        return {"content": said} if version == "v2" else said
    if version == "v1":
        raise Unsupported("smooch v1 has no templates nor messages in a channel's own form")
    schema, message = native
    if version == "v2":
        return {"schema": schema, "content": message}
    return {"messageSchema": schema, "message": message}


def _native(action: Reply | Send) -> tuple[str, Any] | None:
    """The schema and the message in it; None for an ordinary message.

    A template's `raw` is the whole native message, or what stands under its key `template`.
    https://docs.smooch.io/guide/whatsapp/#whatsapp-message-templates
    """
    schema = action.options.get("schema", "whatsapp")
    if "message" in action.options:
        return schema, action.options["message"]
    if not isinstance(action.content, Template):
        return None
    raw = action.content.raw
    return schema, raw if "type" in raw else {"type": "template", "template": raw}


def _destination(
    action: Reply | Send, recipient: Recipient, options: SmoochOptions
) -> dict[str, Any]:
    """Channel targeting, which v1 does not have: there the preferred channel is taken."""
    if not isinstance(action, Send) or action.via is None or options.api_version == "v1":
        return {}
    return {"destination": {"integrationType": platform(action.via, recipient, options)}}
