"""
Facts, applied in the receiver's transaction whether or not a handler cares: what became of links
and of messages. Late, doubled and reordered news change nothing final.
"""

from datetime import datetime
from typing import Any

from handlers.event import Event, LinkOutcome, Receipt
from handlers.people import comparable
from storage import keys
from storage.dialects import Transaction
from storage.tables import micros

# Receipt types by how far they say that the message came; the furthest stays.
RANK = {
    "message.queued": 1,
    "message.switching_channel": 1,
    "message.delivered": 2,
    "notification.delivered": 2,
    "event.delivered": 2,
    "message.read": 3,
    "message.failed": 4,
    "notification.failed": 4,
    "event.failed": 4,
}

# Link outcomes, and the status that each gives; only pending and matched links can change.
LINK_STATUS = {
    "link.matched": "matched",
    "link.succeeded": "linked",
    "link.failed": "failed",
    "link.expired": "expired",
}


def concerns(event: Event) -> bool:
    """Whether the event states anything that is kept beside it."""
    return isinstance(event, (LinkOutcome, Receipt))


def apply(
    tx: Transaction,
    account: str,
    event: Event,
    user_key: bytes | None,
    now: datetime,
) -> int | None:
    """Apply what one new event states; the id of the link that it is about, None if of none."""
    match event:
        case LinkOutcome() if user_key is not None:
            return _settle_link(tx, account, event, user_key, now)
        case Receipt() if event.type in RANK:
            _note_receipt(tx, account, event, now)
    return None


def _settle_link(
    tx: Transaction,
    account: str,
    event: LinkOutcome,
    user_key: bytes,
    now: datetime,
) -> int | None:
    columns = "id, channel, platform, address, client_id, status"
    rows = tx.known("link", columns, "user_key", [user_key])
    fitting = sorted((row for row in rows if _fits(row, event)), key=lambda row: row[0])
    if event.link is not None:
        fitting = [row for row in rows if row[0] == event.link.id]
    if not fitting:
        return None
    open_ = [row for row in fitting if row[5] in ("pending", "matched")]
    if not open_:
        return int(fitting[-1][0])
    link_id = int(open_[0][0])
    status = LINK_STATUS[event.type]
    if getattr(event, "cancelled", False):
        status = "cancelled"
    error = event.error.message or event.error.code if event.error else None
    tx.run(
        "UPDATE link SET status = ?, error = ?, settled_at = ?, client_id = coalesce(?, client_id)"
        " WHERE id = ?",
        status,
        error,
        None if status == "matched" else micros(now),
        event.client_id,
        link_id,
    )
    return link_id


def _fits(row: Any, event: LinkOutcome) -> bool:
    """Whether the outcome can be of this link: the same client, or channel and address.

    Another client with the same address is the one that was there before, which a merge has kept.
    """
    _, channel, platform, address, client_id, _ = row
    if event.client_id and client_id == event.client_id:
        return True
    if event.platform and platform != event.platform and channel != event.channel:
        return False
    if event.address and address:
        return comparable(channel, event.address) == comparable(channel, address)
    return not (event.client_id and client_id)


def _note_receipt(tx: Transaction, account: str, event: Receipt, now: datetime) -> None:
    if event.reference and event.reference.startswith("hl-"):
        _confirm(tx, account, event, now)
    if event.message_id is None:
        return
    key = keys.digest("receipt", account, event.message_id)
    error = event.error.message or event.error.code if event.error else None
    tx.run(  # one statement: two receipts at the same moment cannot lower each other
        "INSERT INTO receipt (key, account, message_id, status, rank, error, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET status = excluded.status,"
        " rank = excluded.rank, error = excluded.error, updated_at = excluded.updated_at"
        " WHERE excluded.rank > receipt.rank",
        key,
        account,
        event.message_id,
        event.type,
        RANK[event.type],
        error,
        micros(now),
    )


def _confirm(tx: Transaction, account: str, event: Receipt, now: datetime) -> None:
    """A receipt names an action of ours: it was carried out, whatever became of the answer.

    One that is still being sent keeps the message's id, which settles it if the answer is lost.
    """
    number = (event.reference or "").removeprefix("hl-")
    if not (number.isascii() and number.isdigit()) or len(number) > 18:
        return
    action_id = int(number)
    tx.run(
        "UPDATE action SET message_id = ? WHERE id = ? AND account = ? AND message_id IS NULL"
        " AND status = 'queued'",
        event.message_id,
        action_id,
        account,
    )
    settled = tx.run(
        "UPDATE action SET status = 'sent', message_id = ?, settled_at = ?"
        " WHERE id = ? AND account = ? AND status = 'uncertain' RETURNING id",
        event.message_id,
        micros(now),
        action_id,
        account,
    )
    if settled.fetchall():
        tx.run("DELETE FROM job WHERE ref = ? AND queue = 2 AND state = 4", action_id)
