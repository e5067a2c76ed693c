"""
How far our messages are known to have come, noted in the receiver's transaction whether or not a
handler cares. Late, doubled and reordered receipts change nothing final.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from handlers.event import Receipt
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

_COLUMNS = "key, account, message_id, rank, status, error, updated_at"


def note(tx: Transaction, told: Sequence[tuple[str, Receipt]], now: datetime) -> None:
    """Keep what these receipts say, each of a message of the account beside it."""
    known = [(account, event) for account, event in told if event.type in RANK]
    if not known:
        return
    _confirm(tx, known, now)
    furthest: dict[bytes, tuple[Any, ...]] = {}
    for account, event in known:
        if event.message_id is not None:
            row = _row(account, event.message_id, event, now)
            furthest[row[0]] = max(furthest.get(row[0], row), row, key=lambda one: one[3])
    rows = list(furthest.values())
    tx.upsert("receipt", _COLUMNS, rows, "key", only="excluded.rank > receipt.rank")


def _row(account: str, message_id: str, event: Receipt, now: datetime) -> tuple[Any, ...]:
    key = keys.digest("receipt", account, message_id)
    error = event.error.message or event.error.code if event.error else None
    return key, account, message_id, RANK[event.type], event.type, error, micros(now)


def _confirm(tx: Transaction, told: Sequence[tuple[str, Receipt]], now: datetime) -> None:
    """Receipts that name actions of ours: these were carried out, whatever became of the answers.

    One that is still being sent keeps the message's id, which settles it if the answer is lost.
    Most have their answer, and are only looked at.
    """
    named: dict[tuple[int, str], str | None] = {}
    for account, event in told:
        number = _action(event.reference)
        if number is not None:
            named[number, account] = named.get((number, account)) or event.message_id
    if not named:
        return
    rows = tx.known("action", "id, account, status", "id", [number for number, _ in named])
    unsettled = sorted((row[0], row[1]) for row in rows if row[2] in ("queued", "uncertain"))
    for number, account in unsettled:
        if (number, account) in named:
            _carried_out(tx, number, named[number, account], now)


def _action(reference: str | None) -> int | None:
    """The action's number in what was sent along with it ("hl-17"); None if it is not ours."""
    number = (reference or "").removeprefix("hl-")
    if number == reference or not (number.isascii() and number.isdigit()) or len(number) > 18:
        return None
    return int(number)


def _carried_out(tx: Transaction, action_id: int, message_id: str | None, now: datetime) -> None:
    tx.run(
        "UPDATE action SET message_id = ? WHERE id = ? AND message_id IS NULL"
        " AND status = 'queued'",
        message_id,
        action_id,
    )
    tx.run(
        "UPDATE action SET status = 'sent', message_id = ?, settled_at = ?"
        " WHERE id = ? AND status = 'uncertain'",
        message_id,
        micros(now),
        action_id,
    )
    tx.run(
        "DELETE FROM job WHERE ref = ? AND queue = 2 AND state = 4"
        " AND EXISTS (SELECT 1 FROM action WHERE id = ? AND status = 'sent')",
        action_id,
        action_id,
    )
