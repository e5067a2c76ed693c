"""
Which events are about a person, and which came in one request.

The index by person has the events of one block of ids together, newer blocks behind older ones: a
new event goes where the last ones went, and not to the person's own page among all the others,
which would be a page written for each. To read it is a look-up for each block: fifty
milliseconds with ten million events, for what people ask for now and then.
"""

from collections.abc import Sequence

from storage.dialects import Transaction
from storage.tables import BLOCK

_PAGE = 1000  # blocks that are asked for at once
_BLOCKS = f"SELECT {BLOCK} FROM event ORDER BY id"
_HERE = f"{BLOCK.replace('id', 'e.id')} = value"


def of_people(tx: Transaction, people: Sequence[bytes]) -> list[int]:
    """The ids of all events that were stored as about one of these users, in no order."""
    if not people:
        return []
    marks = ",".join("?" * len(people))
    sql = (
        f"SELECT e.id FROM numbers(?) CROSS JOIN event e WHERE {_HERE} AND e.user_key IN ({marks})"
    )
    blocks = _blocks(tx)
    pages = (list(blocks[at : at + _PAGE]) for at in range(0, len(blocks), _PAGE))
    return [row[0] for page in pages for row in tx.run(sql, page, *people)]


def _blocks(tx: Transaction) -> range:
    first = tx.run(f"{_BLOCKS} LIMIT 1").fetchall()
    last = tx.run(f"{_BLOCKS} DESC LIMIT 1").fetchall()
    return range(first[0][0], last[0][0] + 1) if first else range(0)


def of_webhooks(tx: Transaction, webhooks: Sequence[int]) -> list[int]:
    """The ids of all events that came in these requests: those that keep them, and the others."""
    others = tx.run(
        "SELECT id FROM event WHERE webhook_id <> id"
        " AND webhook_id IN (SELECT value FROM numbers(?))",
        list(webhooks),
    )
    return [*webhooks, *(row[0] for row in others)]
