"""What became of what was sent: delivery reports, and reports on batches and stored records."""

from typing import Any

from handlers.event import Event, Fault
from handlers.events import (
    AnalysisReported,
    BatchReported,
    EventDelivered,
    EventFailed,
    MessageDelivered,
    MessageFailed,
    MessageQueued,
    MessageRead,
    MessageSwitchingChannel,
    RecordReported,
    Unknown,
)
from receiver import fields
from receiver.providers.sinch.callback import Callback, common, place

# Status -> the event, and whether no other report follows; None where Sinch does not promise it.
# https://developers.sinch.com/docs/conversation/callbacks#message-delivery
_STATUSES: dict[str, tuple[type[Event], type[Event], bool | None]] = {
    "QUEUED_ON_CHANNEL": (MessageQueued, EventDelivered, False),
    "SWITCHING_CHANNEL": (MessageSwitchingChannel, EventDelivered, False),
    "DELIVERED": (MessageDelivered, EventDelivered, None),
    "READ": (MessageRead, EventDelivered, True),
    "FAILED": (MessageFailed, EventFailed, True),
}


def message_delivery(callback: Callback) -> Event:
    """{"message_id", "status", "channel_identity", "contact_id", "reason"?, "metadata", ...}"""
    member = callback.member
    identifier = fields.ident(member, "message_id")
    status = fields.ident(member, "status")
    shared = _delivery(callback, identifier, place(member).channel or "", status)
    shared["message_id"] = identifier
    if status not in _STATUSES:
        return Unknown(**shared)
    event, _, final = _STATUSES[status]
    return event(**shared, **_outcome(callback, final))


def event_delivery(callback: Callback) -> Event:
    """{"event_id", "status", "channel_identity", "contact_id", "reason"?, "metadata", ...}"""
    status = fields.ident(callback.member, "status")
    shared = _delivery(callback, fields.ident(callback.member, "event_id"), status)
    if status not in _STATUSES:
        return Unknown(**shared)
    _, event, final = _STATUSES[status]
    return event(**shared, **_outcome(callback, final))


def _delivery(callback: Callback, *parts: str | None) -> dict[str, Any]:
    """A failure, or a status that may be one, proves an address only if it is a contact's."""
    status = parts[-1]
    arrived = status in _STATUSES and status != "FAILED"
    proven = arrived or fields.ident(callback.member, "contact_id") is not None
    return common(callback, *parts, proven=proven)


def _outcome(callback: Callback, final: bool | None) -> dict[str, Any]:
    """The report's own metadata is what was sent along; the envelope's may be anything older."""
    own = fields.text(callback.member, "metadata")
    return {
        "final": final,
        "error": fault(fields.get(callback.member, "reason")),
        "reference": own or fields.text(callback.envelope, "message_metadata"),
    }


def fault(reason: Any) -> Fault | None:
    """{"code", "description", "sub_code", "channel_code"?}; None for "", which v1beta sends."""
    sub_code = fields.text(reason, "sub_code")
    if sub_code is None or sub_code == "UNSPECIFIED_SUB_CODE":
        sub_code = fields.ident(reason, "channel_code")
    why = Fault(
        code=fields.ident(reason, "code"),
        message=fields.text(reason, "description"),
        underlying=sub_code,
    )
    return None if why == Fault() else why


def batch(callback: Callback) -> Event:
    """{"batch_id", "batch_status", "batch_type", "additional_data"}"""
    identifier = fields.ident(callback.member, "batch_id")
    status = fields.ident(callback.member, "batch_status")
    return BatchReported(**common(callback, identifier, status), message_id=identifier)


def analysis(callback: Callback) -> Event:
    """{"message_id", "channel", "channel_identity": "46732001122", "analysis_results", ...}"""
    identifier = fields.ident(callback.member, "message_id")
    return AnalysisReported(**common(callback, identifier), message_id=identifier)


def record(callback: Callback) -> Event:
    """{"entity_id", "record_status", "channel_identity", "contact_id", ...}"""
    identifier = fields.ident(callback.member, "entity_id")
    status = fields.ident(callback.member, "record_status")
    return RecordReported(**common(callback, identifier, status), message_id=identifier)
