"""Stored events as they are shown: the stored bytes parsed again, so nothing is kept twice."""

from collections.abc import Mapping
from typing import Any

from handlers import codec
from handlers.event import Event
from handlers.people import User
from receiver.accounts import Account
from receiver.errors import Unparsed
from storage.queries import EventRow


def shown(row: EventRow, accounts: Mapping[str, Account], *, raw: bool = False) -> dict[str, Any]:
    """A row as JSON values: the event's fields, then what the database knows of it.

    `id` is the row's, `key` the dedup key. Where the body is gone or cannot be read any more,
    what the columns hold is shown.
    """
    event = _event(row, accounts)
    found = codec.as_dict(event, raw=raw) if event else _from_columns(row)
    found |= {
        "type": row.type,
        "id": row.id,
        "key": row.key,
        "account": row.account,
        "status": row.status,
        "attempts": row.attempts,
        "received_at": codec.moment(row.received_at),
        "error": row.error,
    }
    return found


def _event(row: EventRow, accounts: Mapping[str, Account]) -> Event | None:
    if row.body is None or row.status == "unparsed":
        return None
    if row.internal:
        return codec.from_internal_json(row.body)
    account = accounts.get(row.account)
    if account is None or account.provider.inbound is None:
        return None
    try:
        events = account.provider.inbound.parse(row.body)
    except Unparsed:
        return None
    fitting = [event for event in events if event.id == row.key]
    return fitting[0] if fitting else None


def _from_columns(row: EventRow) -> dict[str, Any]:
    plain = Event(
        id=row.key,
        trigger=row.trigger,
        user=User(row.user) if row.user else None,
        channel=row.channel,
        message_id=row.message_id,
        occurred_at=row.occurred_at,
    )
    return codec.as_dict(plain, raw=False)
