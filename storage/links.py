"""
What became of the links that were asked for, noted in the receiver's transaction whether or not a
handler cares. Late, doubled and reordered news change nothing final.
"""

from datetime import datetime
from typing import Any

from handlers.event import LinkOutcome
from handlers.people import comparable
from storage.dialects import Transaction
from storage.tables import micros

# Link outcomes, and the status that each gives; only pending and matched links can change.
_STATUS = {
    "link.matched": "matched",
    "link.succeeded": "linked",
    "link.failed": "failed",
    "link.expired": "expired",
}


def settle(
    tx: Transaction,
    account: str,
    event: LinkOutcome,
    user_key: bytes,
    now: datetime,
) -> int | None:
    """Note what a new event says of a person's link; the id of the link, None if it is of none."""
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
    status = _STATUS[event.type]
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
