"""How much each account may send: its rate, and the pause after which it has to show it works."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from receiver.accounts import Account
from receiver.errors import OptedOut, SendError, Throttled, Uncertain, Unsupported
from receiver.logs import get_logger
from storage import rates
from storage.dialects import Transaction
from storage.lanes import Claim
from storage.outbox import Outgoing
from storage.rates import Outcome, Throttle
from storage.tables import moment

log = get_logger()


def claim(
    tx: Transaction,
    accounts: Mapping[str, Account],
    now: datetime,
    lease: timedelta,
    room: int,
) -> list[Claim]:
    """Up to `room` actions, of each account as many as it may send now."""
    limited = {a.name: a.options.rate for a in accounts.values() if a.options.rate is not None}
    return rates.claim(tx, limited, now, lease, room)


def note(
    tx: Transaction, results: Iterable[tuple[Outgoing, SendError | None]], now: datetime
) -> list[Throttle]:
    """Judge accounts by what their requests came to; those that were paused, or go on again."""
    return rates.note(tx, [_outcome(item, error) for item, error in results], now)


def _outcome(item: Outgoing, error: SendError | None) -> Outcome:
    """A refusal of one request is an answer like any other: the account is well."""
    account = item.account
    match error:
        case None:  # a receipt may have told that it was sent: then there was no request
            return Outcome(account, "answered" if item.message_id is None else "unasked")
        case Throttled(retry_after=wait):
            return Outcome(account, "failed", error.kind, wait)
        case Unsupported() | OptedOut():
            return Outcome(account, "unasked")
        case Uncertain(status=None, code=None):  # a worker died: no request of now
            return Outcome(account, "unasked")
    failed = error.retryable or isinstance(error, Uncertain)
    return Outcome(account, "failed" if failed else "answered", error.kind)


def tell(changed: Iterable[Throttle]) -> None:
    """Log what became of accounts; a pause is for a human to see."""
    for row in changed:
        if row.paused_until is None:
            log.info("account_resumed", account=row.account)
        else:
            until = moment(row.paused_until).isoformat()
            log.error("account_paused", account=row.account, until=until, error=row.error)
