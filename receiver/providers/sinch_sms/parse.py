"""
From the bytes of an SMS (XMS) callback to its event. `type` says what it is; there is no envelope.

https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from handlers.content import Binary, Content, Text
from handlers.event import Event, Fault
from handlers.events import (
    BatchReported,
    MessageDelivered,
    MessageFailed,
    MessageQueued,
    MessageReceived,
    Unknown,
)
from handlers.people import ChannelIdentity, User, normalise
from receiver import fields
from receiver.providers.sinch_sms.media import media

WINDOW = timedelta(hours=1)  # how long a digest counts, where no id or time tells events apart

Body = dict[str, Any]


def parse(body: bytes) -> list[Event]:
    """The one event in a callback, e.g.

        {"type": "mo_text", "id": ..., "from": "15145550100", "to": "12345", "body": "Hi",
         "received_at": "2026-02-13T08:17:44.993Z", "operator_id": "31110"}

    A type that is not modelled makes an Unknown. Raises Unparsed, and nothing else, where the
    body is no JSON object.
    """
    report = fields.load(body)
    kind = fields.as_ident(report.get("type"))
    return [_READERS.get(kind or "", _unknown)(report, body)]


def _common(report: Body, raw: bytes, *parts: str | None) -> dict[str, Any]:
    """What all events have. parts: what, after the type, tells this one from all others; None for
    one that is missing: then the digest of the body stands in, for an hour.
    """
    kind = fields.as_ident(report.get("type"))
    whole = None not in parts and kind is not None
    known_by = parts if whole else (fields.digest(raw),)
    return {
        "id": ":".join([kind or "unknown", *(part or "" for part in known_by)]),
        "dedup_window": None if whole else WINDOW,
        "trigger": kind,
        "channel": _channel(kind),
        "raw": report,
    }


def _channel(kind: str | None) -> str:
    return "mms" if kind and (kind == "mo_media" or kind.endswith("_mms")) else "sms"


def _person(report: Body, key: str, *, proven: bool = True) -> dict[str, Any]:
    """The user, known by nothing but the number under `key`, and that number."""
    address = fields.as_ident(report.get(key))
    if address is None:
        return {"user": None, "identities": ()}
    channel = _channel(fields.as_ident(report.get("type")))
    number = normalise(channel, address)
    identity = ChannelIdentity(channel, number)
    return {
        "user": User(f"{channel}:{number}"),
        "identities": (identity,) if proven else (),
    }


def _text(report: Body) -> tuple[Content | None, str | None]:
    words = fields.as_text(report.get("body"))
    return (Text(words) if words else None), words


def _binary(report: Body) -> tuple[Content | None, str | None]:
    """`body` is base64, `udh` is hex: passed on as they came."""
    data = fields.as_text(report.get("body"))
    return (Binary(data, udh=fields.as_text(report.get("udh"))) if data else None), None


def _media(report: Body) -> tuple[Content | None, str | None]:
    return media(report.get("body")), fields.text(report, "body.message")


_CONTENTS: dict[str, Callable[[Body], tuple[Content | None, str | None]]] = {
    "mo_text": _text,
    "mo_binary": _binary,
    "mo_media": _media,
}


def _message(report: Body, raw: bytes) -> Event:
    """Somebody wrote: {"id", "from", "to", "body", "received_at", ...}"""
    identifier = fields.as_ident(report.get("id"))
    content, text = _CONTENTS[fields.as_ident(report.get("type")) or ""](report)
    return MessageReceived(
        **_common(report, raw, identifier),
        **_person(report, "from"),
        message_id=identifier,
        occurred_at=fields.as_moment(report.get("received_at")),
        content=content,
        text=text,
    )


# Status -> the event; every other status is a failure. The list is open.
_STATUSES: dict[str, type[MessageQueued] | type[MessageDelivered]] = {
    "queued": MessageQueued,
    "dispatched": MessageQueued,
    "delivered": MessageDelivered,
}

# After these no other report follows; of an undocumented status that is not known.
_FINAL = {
    "delivered",
    "aborted",
    "cancelled",
    "failed",
    "expired",
    "rejected",
    "deleted",
    "unknown",
}


def _recipient_report(report: Body, raw: bytes) -> Event:
    """{"batch_id", "recipient", "code", "status", "at", "client_reference"?, ...}

    A failed one does not prove that the number is anybody's.
    """
    status = fields.as_ident(report.get("status"))
    batch = fields.as_ident(report.get("batch_id"))
    recipient = fields.as_ident(report.get("recipient"))
    code, at = fields.as_ident(report.get("code")), fields.as_ident(report.get("at"))
    shared = _common(report, raw, batch, recipient, code or "", status or "", at)
    shared |= {"message_id": batch, "occurred_at": fields.as_moment(report.get("at"))}
    if status is None:
        return Unknown(**shared, **_person(report, "recipient", proven=False))
    event = _STATUSES.get(status.lower(), MessageFailed)
    failed = event is MessageFailed
    return event(
        **shared,
        **_person(report, "recipient", proven=not failed),
        final=_final(status.lower()),
        error=_fault(report, status, code) if failed else None,
        reference=fields.as_text(report.get("client_reference")),
    )


def _final(status: str) -> bool | None:
    if status in {"queued", "dispatched"}:
        return False
    return True if status in _FINAL else None


def _fault(report: Body, status: str, code: str | None) -> Fault:
    """`status_message` comes with some operators only; the status is always there."""
    return Fault(code=code, message=fields.as_text(report.get("status_message")) or status)


def _batch_report(report: Body, raw: bytes) -> Event:
    """{"batch_id", "statuses": [{"code", "status", "count", "recipients"?}], ...}

    It has no id and no time, but the same counts for the same batch are no news: the digest needs
    no window.
    """
    batch = fields.as_ident(report.get("batch_id"))
    return BatchReported(
        **_common(report, raw, batch, fields.digest(raw)),
        message_id=batch,
        occurred_at=fields.as_moment(report.get("at")),
    )


def _unknown(report: Body, raw: bytes) -> Event:
    who = "from" if fields.as_ident(report.get("from")) else "recipient"
    return Unknown(
        **_common(report, raw, None),
        **_person(report, who, proven=False),
        occurred_at=fields.as_moment(report.get("received_at"))
        or fields.as_moment(report.get("at")),
    )


_READERS: dict[str, Callable[[Body, bytes], Event]] = {
    "mo_text": _message,
    "mo_binary": _message,
    "mo_media": _message,
    "recipient_delivery_report_sms": _recipient_report,
    "recipient_delivery_report_mms": _recipient_report,
    "delivery_report_sms": _batch_report,
    "delivery_report_mms": _batch_report,
}
