"""Events as JSON: for people and programs (`as_dict`), and for the database's own keeping."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from handlers.event import Event, Fault, LinkOutcome, Receipt
from handlers.events import EVENTS, UserMerged

# What a family or type shows beside the fields that all events have.
_EXTRA: dict[type[Event], tuple[str, ...]] = {
    UserMerged: ("discarded",),
    LinkOutcome: ("address", "error"),
    Receipt: ("error",),
}


def as_dict(event: Event, *, raw: bool = True) -> dict[str, Any]:
    """The event as plain JSON values, in the public order of fields.

        {"type", "trigger", "id", "user": {"id", "external_id"} | null,
         "identities": [{"channel", "identity", "platform", "client_id", "app_id", "status"}],
         "channel", "conversation_id", "message_id", "text", "payload", "occurred_at", "raw"}

    occurred_at: "2026-03-01T12:00:00.000Z", microseconds where there are any; null if unknown.
    A merge adds "discarded", a link's outcome "address" and "error", a receipt "error":
    {"code", "message", "underlying"} | null. Without `raw` that key is left out.
    """
    shown: dict[str, Any] = {
        "type": event.type,
        "trigger": event.trigger,
        "id": event.id,
        "user": asdict(event.user) if event.user else None,
        "identities": [asdict(identity) for identity in event.identities],
        "channel": event.channel,
        "conversation_id": event.conversation_id,
        "message_id": event.message_id,
        "text": event.text,
        "payload": event.payload,
        "occurred_at": moment(event.occurred_at),
    }
    if raw:
        shown["raw"] = event.raw
    for family, names in _EXTRA.items():
        if isinstance(event, family):
            shown |= {name: _plain(getattr(event, name)) for name in names}
    return shown


def moment(when: datetime | None) -> str | None:
    """The time as ISO 8601 in UTC with "Z", to the millisecond or better; None stays None."""
    if when is None:
        return None
    precision = "microseconds" if when.microsecond % 1000 else "milliseconds"
    return when.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, Fault):
        return asdict(value)
    return list(value) if isinstance(value, tuple) else value


def internal_json(event: Event) -> bytes:
    """The whole event, for `from_internal_json`: for those that come with no provider's body."""
    fields = _adapter(event.type).dump_python(event, mode="json")
    # Escaped to ASCII: half a surrogate pair in `raw` is legal JSON and no legal UTF-8.
    return json.dumps({"type": event.type, **fields}).encode()


def from_internal_json(data: bytes) -> Event:
    """The event that `internal_json` wrote. Raises ValueError on anything else."""
    fields = json.loads(data)
    if not isinstance(fields, dict):
        raise ValueError("no event of ours")
    event: Event = _adapter(str(fields.pop("type", ""))).validate_python(fields)
    return event


@cache
def _adapter(type_: str) -> TypeAdapter[Any]:
    if type_ not in EVENTS:
        raise ValueError(f"no type of events: {type_!r}")
    return TypeAdapter(EVENTS[type_])
