"""Which webhook secrets are still used, so that an old one can be dropped in peace."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from storage.dialects import Transaction
from storage.tables import micros, moment


@dataclass(frozen=True, slots=True)
class Use:
    """How often one secret has proved a request, and when first and last."""

    account: str
    fingerprint: str
    uses: int
    first_at: datetime
    last_at: datetime


def add(tx: Transaction, uses: Iterable[Use]) -> None:
    """Count these with what is known. Sorted, so that two processes never deadlock."""
    for use in sorted(uses, key=lambda use: (use.account, use.fingerprint)):
        tx.run(
            "INSERT INTO secret_use (account, fingerprint, uses, first_at, last_at)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (account, fingerprint) DO UPDATE SET"
            " uses = secret_use.uses + excluded.uses,"
            " last_at = CASE WHEN secret_use.last_at > excluded.last_at"
            " THEN secret_use.last_at ELSE excluded.last_at END",
            use.account,
            use.fingerprint,
            use.uses,
            micros(use.first_at),
            micros(use.last_at),
        )


def known(tx: Transaction) -> list[Use]:
    """All, by account; of secrets that are no longer configured too."""
    rows = tx.run(
        "SELECT account, fingerprint, uses, first_at, last_at FROM secret_use"
        " ORDER BY account, first_at"
    )
    return [Use(row[0], row[1], row[2], moment(row[3]), moment(row[4])) for row in rows]
