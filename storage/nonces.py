"""
Once-only values: whoever saw a genuine request may send it again, but it counts once.

The unique key decides who was first, whatever the number of processes.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from storage import keys
from storage.dialects import Transaction
from storage.tables import micros

BATCH = 500  # rows that are forgotten in one transaction


class Carrier(Protocol):
    """A request as it is judged here. nonce: None where it has none."""

    @property
    def account(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def nonce(self) -> str | None: ...
    @property
    def expires_at(self) -> datetime | None: ...


class Verdict(Enum):
    """fresh: its nonce is new, or it has none. replayed: the same request has come before.
    reused: another request came with this nonce, which no honest sender does."""

    FRESH = auto()
    REPLAYED = auto()
    REUSED = auto()


def remember(tx: Transaction, requests: Sequence[Carrier]) -> Callable[[], list[Verdict]]:
    """Judge each request by its nonce, and remember those that are new. Returns a function that
    waits for the verdicts, in the order of the requests.

    Of two equal ones in `requests` the second is replayed. Two processes with the same nonce: one
    of them waits until the other has committed.
    """
    carried = [_key_and_body(one) for one in requests]
    first: dict[bytes, tuple[bytes, bytes, int]] = {}
    for one, (key, body) in zip(requests, carried, strict=True):
        if key and key not in first:
            assert one.expires_at is not None
            first[key] = (key, body, micros(one.expires_at))
    if not first:
        return lambda: [Verdict.FRESH] * len(requests)
    new = tx.insert_new("nonce", "key, body, expires_at", list(first.values()), "key")
    return lambda: _verdicts(tx, carried, new())


def _verdicts(
    tx: Transaction, carried: Sequence[tuple[bytes, bytes]], new: set[bytes]
) -> list[Verdict]:
    used = [key for key, _ in carried if key]
    if len(new) == len(used):  # nearly always: none of them came before
        return [Verdict.FRESH] * len(carried)
    older = {key for key in used if key not in new}
    known = dict(map(tuple, tx.known("nonce", "key, body", "key", older)))
    verdicts = []
    for key, body in carried:
        if not key or key in new or key not in known:  # the last: forgotten at this very moment
            new.discard(key)
            known[key] = body
            verdicts.append(Verdict.FRESH)
        else:
            verdicts.append(Verdict.REPLAYED if known[key] == body else Verdict.REUSED)
    return verdicts


def _key_and_body(one: Carrier) -> tuple[bytes, bytes]:
    """Both as digests; the key is empty where there is no nonce."""
    if one.nonce is None:
        return b"", b""
    return keys.digest("nonce", one.account, one.nonce), keys.of_bytes(one.body)


def prune(tx: Transaction, now: datetime) -> int:
    """Forget one batch of those that have expired; how many. Call it again until none has.

    The oldest are looked at. What came later may have expired sooner; it goes with its batch.
    """
    gone = tx.run(
        "DELETE FROM nonce WHERE expires_at < ? AND id IN (SELECT id FROM nonce"
        " ORDER BY id LIMIT ?) RETURNING id",
        micros(now),
        BATCH,
    )
    return len(gone.fetchall())
