"""
From the bytes of a Conversation API callback to its event.

There is no trigger, type or event id in the body: which of the body keys is there tells the kind.
https://developers.sinch.com/docs/conversation/callbacks
"""

from collections.abc import Callable
from typing import Any

from handlers.event import Event
from receiver import fields
from receiver.providers.sinch import contacts, messages, notices, reports
from receiver.providers.sinch.callback import Callback

# Body key -> Sinch's trigger and the reader. The order decides should a body have several.
MEMBERS: dict[str, tuple[str, Callable[[Callback], Event]]] = {
    "message": ("MESSAGE_INBOUND", messages.message),
    "message_submit_notification": ("MESSAGE_SUBMIT", messages.submission),
    "message_redaction": (
        "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION",
        messages.redaction,
    ),
    "message_delivery_report": ("MESSAGE_DELIVERY", reports.message_delivery),
    "batch_status_update_notification": ("BATCH_STATUS_UPDATE", reports.batch),
    "conversation_start_notification": ("CONVERSATION_START", notices.started),
    "conversation_stop_notification": ("CONVERSATION_STOP", notices.stopped),
    "conversation_delete_notification": ("CONVERSATION_DELETE", notices.deleted),
    "event": ("EVENT_INBOUND", messages.contact_event),
    "event_delivery_report": ("EVENT_DELIVERY", reports.event_delivery),
    "contact_create_notification": ("CONTACT_CREATE", contacts.created),
    "contact_update_notification": ("CONTACT_UPDATE", contacts.updated),
    "contact_delete_notification": ("CONTACT_DELETE", contacts.deleted),
    "contact_merge_notification": ("CONTACT_MERGE", contacts.merged),
    "duplicated_contact_identities_notification": (
        "CONTACT_IDENTITIES_DUPLICATION",
        contacts.duplicated,
    ),
    "opt_in_notification": ("OPT_IN", contacts.consent),
    "opt_out_notification": ("OPT_OUT", contacts.consent),
    "capability_notification": ("CAPABILITY", contacts.capability),
    "channel_event_notification": ("CHANNEL_EVENT", notices.channel_event),
    "smart_conversation_notification": ("SMART_CONVERSATION", reports.analysis),
    "record_notification": ("RECORD_NOTIFICATION", reports.record),
    "unsupported_callback": ("UNSUPPORTED", notices.unsupported),
}

_ORDER = {key: number for number, key in enumerate(MEMBERS)}
_ENVELOPE = frozenset(
    {
        "app_id",
        "project_id",
        "accepted_time",
        "event_time",
        "message_metadata",
        "correlation_id",
    }
)


def parse(body: bytes) -> list[Event]:
    """The one event in a callback, e.g.

        {"app_id": ..., "project_id": ..., "accepted_time": "2026-02-13T08:17:44.993024Z",
         "event_time": ..., "message_metadata": "", "correlation_id": "",
         "message": {"id": ..., "contact_message": {"text_message": {"text": "Hi"}},
                     "channel_identity": {"channel": "SMS", "identity": "15145550100"},
                     "contact_id": ..., "conversation_id": ..., "accept_time": ...}}

    Every field may be missing or "". A body key that is not modelled, or holds no object, makes
    an Unknown. Raises Unparsed, and nothing else, where the body is no JSON object.
    """
    envelope = fields.load(body)
    key = _member(envelope)
    if key is None:
        return [notices.unknown(Callback(body, envelope, None, None, {}))]
    member = envelope[key]
    trigger, read = MEMBERS.get(key, (None, notices.unknown))
    if not isinstance(member, dict):
        member, read = {}, notices.unknown
    name = fields.as_ident(key)
    return [read(Callback(body, envelope, name, trigger or name, member))]


def _member(envelope: dict[str, Any]) -> str | None:
    """The body key: a known one that holds an object, else an unknown one, else what there is."""
    named = [key for key in envelope if key not in _ENVELOPE]
    if len(named) == 1:
        return named[0]
    return min(named, key=lambda key: _rank(key, envelope[key]), default=None)


def _rank(key: str, value: Any) -> tuple[bool, bool, int]:
    """The lowest of several is taken: an object, else anything but null, by the order above."""
    return not isinstance(value, dict), value is None, _ORDER.get(key, len(_ORDER))
