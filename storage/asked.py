"""What handlers did and asked for, to be looked at: runs, actions and links, newest first."""

import json
from collections.abc import Sequence
from typing import Any

from storage import keys
from storage.dialects import Transaction
from storage.queries import Where
from storage.tables import moment


def links(tx: Transaction, account: str | None, status: str | None, limit: int) -> list[Any]:
    """Links that were asked for: dicts with what is known of each."""
    where = Where()
    for column, value in (("l.account", account), ("l.status", status)):
        if value is not None:
            where.add(f"{column} = ?", value)
    sql = (
        "SELECT l.id, l.account, u.id, l.channel, l.platform, l.address, l.status, l.confirmation,"
        " l.note, l.error, l.requested_at, l.settled_at FROM link l"
        f" LEFT JOIN app_user u ON u.key = l.user_key{where.sql()} ORDER BY l.id DESC"
    )
    names = (
        "id account user channel platform address status confirmation note error requested_at"
        " settled_at"
    )
    found = _dicts(tx, sql, where.values, limit, names)
    for row in found:
        row["note"] = json.loads(row["note"])
    return found


def outbox(
    tx: Transaction, account: str | None, statuses: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """Actions: dicts with what became of each; `delivery` is the furthest receipt, or None."""
    where = Where()
    if account is not None:
        where.add("a.account = ?", account)
    if statuses:
        where.add(f"a.status IN ({','.join('?' * len(statuses))})", *statuses)
    sql = (
        "SELECT a.id, a.account, u.id, a.kind, a.status, a.attempts, a.event_id, a.handler,"
        " a.message_id, a.error, a.created_at, a.settled_at, j.due_at FROM action a"
        " LEFT JOIN app_user u ON u.key = a.user_key"
        f" LEFT JOIN job j ON j.ref = a.id AND j.queue = 2{where.sql()} ORDER BY a.id DESC"
    )
    names = (
        "id account user kind status attempts event handler message_id error created_at"
        " settled_at due_at"
    )
    found = _dicts(tx, sql, where.values, limit, names)
    wanted = {
        keys.digest("receipt", row["account"], row["message_id"]): row
        for row in found
        if row["message_id"]
    }
    for row in found:
        row["delivery"] = None
    for key, status in tx.known("receipt", "key, status", "key", wanted):
        wanted[bytes(key)]["delivery"] = status.split(".")[-1]
    return found


def _dicts(
    tx: Transaction, sql: str, values: Sequence[Any], limit: int, names: str
) -> list[dict[str, Any]]:
    rows = tx.run(sql + (" LIMIT ?" if limit else ""), *values, *([limit] if limit else []))
    found = [dict(zip(names.split(), row, strict=True)) for row in rows]
    for row in found:
        for name in ("requested_at", "settled_at", "created_at", "due_at"):
            if row.get(name) is not None:
                row[name] = moment(row[name])
    return found


def runs(tx: Transaction, event_id: int) -> list[dict[str, Any]]:
    """What each handler made of one event."""
    sql = (
        "SELECT handler, attempts, outcome, duration, error, finished_at FROM run"
        " WHERE event_id = ? ORDER BY finished_at"
    )
    names = ["handler", "attempts", "outcome", "duration_us", "error", "finished_at"]
    found = [dict(zip(names, row, strict=True)) for row in tx.run(sql, event_id)]
    for row in found:
        row["finished_at"] = moment(row["finished_at"])
    return found


def actions_of(tx: Transaction, event_id: int) -> list[dict[str, Any]]:
    """What was asked for because of one event, in order."""
    sql = (
        "SELECT id, account, kind, status, attempts, message_id, error, created_at, settled_at,"
        " body FROM action WHERE event_id = ? ORDER BY id"
    )
    names = "id account kind status attempts message_id error created_at settled_at action"
    found = _dicts(tx, sql, [event_id], 0, names)
    for row in found:
        row["action"] = json.loads(row["action"])
    return found
