"""Why something failed, and whether more is to come, as Smooch tells it."""

import json
from typing import Any

from handlers.event import Fault
from receiver import fields

LENGTH = 1000  # characters of an underlying error that has neither a code nor a message


def outcome(receipt: dict[str, Any]) -> dict[str, Any]:
    """`final` and `error` of a Receipt, from `isFinalEvent` and `error`; None where not said."""
    final = receipt.get("isFinalEvent")
    return {
        "final": final if isinstance(final, bool) else None,
        "error": fault(receipt.get("error")),
    }


def fault(error: Any) -> Fault | None:
    """The fault in `{code, message?, underlyingError?}`; None where there is none.

    `underlying` is the channel's own code, else its message, else its JSON: channels differ.
    """
    if not error or not isinstance(error, dict):
        return None
    found = Fault(
        code=fields.ident(error, "code"),
        message=fields.text(error, "message"),
        underlying=_underlying(error.get("underlyingError")),
    )
    return found if found != Fault() else None


def _underlying(error: Any) -> str | None:
    """The code of `{code}` or `{errors: [{code, title}]}` (WhatsApp), else the words."""
    if not error:
        return None
    listed = fields.items(error, "errors")
    first = listed[0] if listed else None
    return (
        fields.ident(error, "code")
        or fields.ident(first, "code")
        or fields.text(error, "message")
        or fields.text(first, "title")
        or fields.clean(error if isinstance(error, str) else json.dumps(error))[:LENGTH]
    )
