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
from receiver.providers.sinch.callback import Callback, Place, common, place

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
    identifier = fields.as_ident(member.get("message_id"))
    status = fields.as_ident(member.get("status"))
    where = place(member)
    shared = _delivery(callback, where, identifier, where.channel or "", status)
    shared["message_id"] = identifier
    if status not in _STATUSES:
        return Unknown(**shared)
    event, _, final = _STATUSES[status]
    return event(**shared, **_outcome(callback, final))


def event_delivery(callback: Callback) -> Event:
    """{"event_id", "status", "channel_identity", "contact_id", "reason"?, "metadata", ...}"""
    status = fields.as_ident(callback.member.get("status"))
    identifier = fields.as_ident(callback.member.get("event_id"))
    shared = _delivery(callback, place(callback.member), identifier, status)
    if status not in _STATUSES:
        return Unknown(**shared)
    _, event, final = _STATUSES[status]
    return event(**shared, **_outcome(callback, final))


def _delivery(callback: Callback, where: Place, *parts: str | None) -> dict[str, Any]:
    """A failure, or a status that may be one, proves an address only if it is a contact's."""
    status = parts[-1]
    arrived = status in _STATUSES and status != "FAILED"
    proven = arrived or fields.as_ident(callback.member.get("contact_id")) is not None
    return common(callback, *parts, where=where, proven=proven)


def _outcome(callback: Callback, final: bool | None) -> dict[str, Any]:
    """The report's own metadata is what was sent along; the envelope's may be anything older."""
    own = fields.as_text(callback.member.get("metadata"))
    return {
        "final": final,
        "error": fault(callback.member.get("reason")),
        "reference": own or fields.as_text(callback.envelope.get("message_metadata")),
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
    identifier = fields.as_ident(callback.member.get("batch_id"))
    status = fields.as_ident(callback.member.get("batch_status"))
    return BatchReported(**common(callback, identifier, status), message_id=identifier)


def analysis(callback: Callback) -> Event:
    """{"message_id", "channel", "channel_identity": "46732001122", "analysis_results", ...}"""
    identifier = fields.as_ident(callback.member.get("message_id"))
    return AnalysisReported(**common(callback, identifier), message_id=identifier)


def record(callback: Callback) -> Event:
    """{"entity_id", "record_status", "channel_identity", "contact_id", ...}"""
    identifier = fields.as_ident(callback.member.get("entity_id"))
    status = fields.as_ident(callback.member.get("record_status"))
    return RecordReported(**common(callback, identifier, status), message_id=identifier)
