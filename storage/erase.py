"""Forgetting a person: everything that names or quotes them goes, a receipt of it stays."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from storage import history, keys, quarantine, traces
from storage.dialects import Transaction
from storage.tables import Queue
from storage.traces import Traces

PAGE = 500  # rows that are looked through at once


@dataclass(frozen=True, slots=True)
class Erased:
    """How much went: ids (aliases included), identities, events, actions, links, and requests that
    had been refused."""

    users: int = 0
    identities: int = 0
    events: int = 0
    actions: int = 0
    links: int = 0
    refused: int = 0


def erase(tx: Transaction, account: str, user_id: str) -> Erased:
    """Take away all that is known of a user and of the ids that mean the same person, and what
    names them among that which is about nobody, or was refused.

    The dedup keys of their events stay, as digests, so that a redelivery brings nothing back; a
    later webhook of theirs is a new acquaintance. Zeros where the user is not known.
    """
    people = known(tx, account, user_id)
    if not people:
        return Erased()
    named = traces.of(tx, people)
    for queue in (Queue.DISPATCH, Queue.SEND):
        tx.lock_lanes(lane for key in people if (lane := keys.lane(queue, key)) is not None)
    events = history.of_people(tx, people) + _events_of_nobody(tx, account, named)
    actions = _ids(tx, "action", people)
    actions += _actions_for_nobody(tx, account, named)
    links = _ids(tx, "link", people)
    _forget_work(tx, events, actions, links)
    _forget_events(tx, events)
    tx.run("DELETE FROM action WHERE id IN (SELECT value FROM numbers(?))", actions)
    _forget_errors(tx, account, named)
    refused = quarantine.forget(tx, account, named)
    identities = _forget_people(tx, account, people)
    tx.memory.forget()
    return Erased(len(people), identities, len(events), len(actions), len(links), refused)


def known(tx: Transaction, account: str, user_id: str) -> list[bytes]:
    """The keys of the user, of whom it was merged into, and of all the aliases; none: unknown."""
    own = keys.user(account, user_id)
    rows = tx.known("app_user", "key, merged_into", "key", [own])
    if not rows:
        return []
    survivor = bytes(rows[0][1] or own)
    aliases = tx.known("app_user", "key", "merged_into", [survivor])
    return [survivor, *(bytes(row[0]) for row in aliases)]


def _ids(tx: Transaction, table: str, people: list[bytes]) -> list[int]:
    return [row[0] for row in tx.known(table, "id", "user_key", people)]


def _events_of_nobody(tx: Transaction, account: str, named: Traces) -> list[int]:
    """What names them and is about no user: reports, and what was unreadable."""
    sql = (
        "SELECT w.id, w.body FROM event w WHERE w.account = ? AND w.id > ? AND w.body IS NOT NULL"
        " AND w.user_key IS NULL AND NOT EXISTS (SELECT 1 FROM event e"
        " WHERE e.webhook_id <> e.id AND e.webhook_id = w.id AND e.user_key IS NOT NULL)"
    )
    found = [row[0] for row in _pages(tx, sql, account) if named.found_in(bytes(row[1]))]
    return history.of_webhooks(tx, found)


def _actions_for_nobody(tx: Transaction, account: str, named: Traces) -> list[int]:
    """What was sent to an address of theirs without knowing whose it is."""
    sql = "SELECT id, body FROM action WHERE account = ? AND id > ? AND user_key IS NULL"
    return [row[0] for row in _pages(tx, sql, account) if named.found_in(row[1].encode())]


def _pages(tx: Transaction, sql: str, account: str) -> Iterator[Any]:
    """The rows of a SELECT of the account's, whose first column is an id; few at a time."""
    last = -1
    while rows := tx.run(f"{sql} ORDER BY 1 LIMIT ?", account, last, PAGE).fetchall():
        yield from rows
        last = rows[-1][0]


def _forget_work(tx: Transaction, events: list[int], actions: list[int], links: list[int]) -> None:
    """Jobs for what no longer exists would only fail."""
    for queue, refs in ((Queue.DISPATCH, events), (Queue.SEND, actions), (Queue.EXPIRE, links)):
        tx.run(
            "DELETE FROM job WHERE queue = ? AND ref IN (SELECT value FROM numbers(?))",
            int(queue),
            refs,
        )


def _forget_events(tx: Transaction, events: list[int]) -> None:
    """Bodies go; of the events the digest of the key is left, which names nobody."""
    chosen = "IN (SELECT value FROM numbers(?))"
    tx.run(
        "UPDATE event SET body = NULL, error = NULL"
        f" WHERE id IN (SELECT e.webhook_id FROM event e WHERE e.id {chosen})",
        events,
    )
    tx.run(f"DELETE FROM run WHERE event_id {chosen}", events)
    tx.run(
        "UPDATE event SET key = '', user_key = NULL, message_id = NULL, link_id = NULL"
        f" WHERE id {chosen}",
        events,
    )


def _forget_errors(tx: Transaction, account: str, named: Traces) -> None:
    """A provider's words on a message that did not arrive may say where it was to go."""
    sql = "SELECT key, error FROM receipt WHERE account = ? AND error IS NOT NULL"
    for key, words in tx.run(sql, account).fetchall():
        if named.found_in(words.encode()):
            tx.run("UPDATE receipt SET error = NULL WHERE key = ?", key)


def _forget_people(tx: Transaction, account: str, people: list[bytes]) -> int:
    """The users, what was remembered of them, and their identities: how many these were."""
    ids = [row[0] for row in tx.known("app_user", "id", "key", people)]
    places = tx.known("identity", "place, identity", "user_key", people)
    addresses = {row[1] for row in places if row[1]} | {uid.partition(":")[2] for uid in ids}
    for address in addresses:  # what they refused still holds, as a digest
        sql = "UPDATE consent SET identity = '' WHERE account = ? AND identity = ?"
        tx.run(sql, account, address)
    for key in people:
        for table in ("identity", "state", "link"):
            tx.run(f"DELETE FROM {table} WHERE user_key = ?", key)
        tx.run("DELETE FROM identity_move WHERE from_user = ? OR to_user = ?", key, key)
        tx.run("DELETE FROM app_user WHERE key = ?", key)
    return len(places)
