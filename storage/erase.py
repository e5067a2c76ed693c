"""Forgetting a person: everything that names or quotes them goes, a receipt of it stays."""

from dataclasses import dataclass

from storage import keys
from storage.dialects import Transaction
from storage.tables import Queue


@dataclass(frozen=True, slots=True)
class Erased:
    """How much went: ids (aliases included), identities, events, actions, links."""

    users: int = 0
    identities: int = 0
    events: int = 0
    actions: int = 0
    links: int = 0


def erase(tx: Transaction, account: str, user_id: str) -> Erased:
    """Take away all that is known of a user and of the ids that mean the same person.

    The dedup keys of their events stay, as digests, so that a redelivery brings nothing back; a
    later webhook of theirs is a new acquaintance. Zeros where the user is not known.
    """
    people = _people(tx, account, user_id)
    if not people:
        return Erased()
    for queue in (Queue.DISPATCH, Queue.SEND):
        tx.lock_lanes(lane for key in people if (lane := keys.lane(queue, key)) is not None)
    events = _rows(tx, "event", "id, webhook_id", people)
    actions = _rows(tx, "action", "id, link_id", people)
    links = _rows(tx, "link", "id, id", people)
    _forget_work(tx, [row[0] for row in events], [row[0] for row in actions], links)
    _forget_events(tx, events)
    identities = [row[0] for row in tx.known("identity", "place", "user_key", people)]
    for place in identities:  # what they refused still holds, as a digest
        tx.run("UPDATE consent SET identity = '' WHERE place = ?", place)
    for key in people:
        for table in ("identity", "state", "action", "link"):
            tx.run(f"DELETE FROM {table} WHERE user_key = ?", key)
        tx.run("DELETE FROM identity_move WHERE from_user = ? OR to_user = ?", key, key)
        tx.run("DELETE FROM app_user WHERE key = ?", key)
    return Erased(len(people), len(identities), len(events), len(actions), len(links))


def _people(tx: Transaction, account: str, user_id: str) -> list[bytes]:
    """The keys of the user, of whom it was merged into, and of all the aliases."""
    own = keys.user(account, user_id)
    rows = tx.known("app_user", "key, merged_into", "key", [own])
    if not rows:
        return []
    survivor = bytes(rows[0][1] or own)
    aliases = tx.known("app_user", "key", "merged_into", [survivor])
    return [survivor, *(bytes(row[0]) for row in aliases)]


def _rows(tx: Transaction, table: str, columns: str, people: list[bytes]) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in tx.known(table, columns, "user_key", people)]


def _forget_work(
    tx: Transaction, events: list[int], actions: list[int], links: list[tuple[int, int]]
) -> None:
    """Jobs for what no longer exists would only fail."""
    for queue, refs in (
        (Queue.DISPATCH, events),
        (Queue.SEND, actions),
        (Queue.EXPIRE, [link for link, _ in links]),
    ):
        tx.run(
            "DELETE FROM job WHERE queue = ? AND ref IN (SELECT value FROM numbers(?))",
            int(queue),
            refs,
        )


def _forget_events(tx: Transaction, events: list[tuple[int, int]]) -> None:
    """Bodies go; of the events the digest of the key is left, which names nobody."""
    ids, webhooks = [row[0] for row in events], sorted({row[1] for row in events})
    chosen = "IN (SELECT value FROM numbers(?))"
    tx.run(f"UPDATE webhook SET body = NULL, error = NULL WHERE id {chosen}", webhooks)
    tx.run(f"DELETE FROM run WHERE event_id {chosen}", ids)
    tx.run(
        "UPDATE event SET key = '', user_key = NULL, message_id = NULL, link_id = NULL"
        f" WHERE id {chosen}",
        ids,
    )
