"""
Refused requests: what is kept of them, and how they are verified again when a secret was mended.

What proves a request is kept with it, but never a secret: a presented one is kept as a digest
under a key of its own, which only tells whether a secret that is configured later is the same.
"""

import hmac
import secrets as random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import DataError, IntegrityError

from receiver.accounts import Account
from receiver.errors import Refused
from receiver.provider import Headers
from receiver.receive import receive
from storage import inbox, nonces, quarantine
from storage.database import Database
from storage.dialects import Transaction
from storage.inbox import Delivery
from storage.nonces import Verdict
from storage.quarantine import Header, Refusal

BATCH = 100  # refused requests that are judged in one transaction
LONGEST = 1024  # characters of a header that are kept; no proof is longer

_ALSO = {b"content-encoding": False}  # why it may have been refused


@dataclass(frozen=True, slots=True)
class Judged:
    """One refused request, verified again.

    genuine: whether it proves itself now. reason: why it stays; None where it does not.
    new: how many events it gave; None where it stays, or nothing was done yet.
    """

    id: int
    account: str
    received_at: datetime
    genuine: bool
    reason: str | None = None
    new: int | None = None


def refusal(
    account: Account,
    headers: Headers,
    body: bytes,
    *,
    peer: str | None,
    status: int,
    reason: str,
    now: datetime,
) -> Refusal:
    """What is kept of a refused request."""
    salt = random.token_bytes(16)
    return Refusal(
        account=account.name,
        received_at=now,
        peer=peer,
        status=status,
        reason=reason,
        salt=salt,
        headers=tuple(_evidence(account, headers, salt)),
        body=body,
    )


def _evidence(account: Account, headers: Headers, salt: bytes) -> Iterator[Header]:
    """The headers that prove something, in their order, so that doubled ones stay doubled."""
    assert account.provider.inbound is not None
    kept = {**_ALSO, **account.provider.inbound.proofs}
    for name, value in headers:
        hidden = kept.get(name)
        if hidden is not None:
            text = _digest(salt, value) if hidden else value.decode("latin-1")[:LONGEST]
            yield Header(name.decode("latin-1"), text, hidden)


def _digest(salt: bytes, value: bytes) -> str:
    return hmac.digest(salt, value, "sha256").hex()


def presented(kept: Refusal, account: Account) -> list[tuple[bytes, bytes]]:
    """The headers as they came, as far as the account's secrets of now tell: others are empty."""
    options = account.options
    shown = [options.webhook_path.removeprefix("/"), *options.webhook_headers.values()]
    known = [*account.secrets, *(value.encode() for value in shown)]
    return [
        (
            header.name.encode("latin-1"),
            _recognised(header.value, kept.salt, known)
            if header.hidden
            else header.value.encode("latin-1"),
        )
        for header in kept.headers
    ]


def _recognised(digest: str, salt: bytes, secrets: Sequence[bytes]) -> bytes:
    """The secret with this digest, or nothing. All are compared, whichever it is."""
    same = [hmac.compare_digest(_digest(salt, secret), digest) for secret in secrets]
    return next((secret for secret, found in zip(secrets, same, strict=True) if found), b"")


def reverify(
    database: Database,
    accounts: Mapping[str, Account],
    only: str | None,
    now: datetime,
    *,
    dry_run: bool,
) -> Iterator[Judged]:
    """Verify all that is kept, or one account's, with the secrets of now, in order of arrival.

    How old a signature may be is judged at the time it came. Those that are genuine are stored
    like webhooks of this moment, and are refused requests no more; a crash in between leaves both
    or neither. The others stay.
    """
    with database.read() as tx:
        ids = quarantine.in_order(tx, only)
    for start in range(0, len(ids), BATCH):
        yield from _batch(database, accounts, ids[start : start + BATCH], now, dry_run)


def _batch(
    database: Database,
    accounts: Mapping[str, Account],
    ids: Sequence[int],
    now: datetime,
    dry_run: bool,
) -> list[Judged]:
    try:
        with database.read() if dry_run else database.write() as tx:
            quarantine.lock(tx)
            kept = quarantine.read(tx, ids)
            judged = [_judge(accounts, one) for one in kept]
            return [told for told, _ in judged] if dry_run else _take_in(tx, judged, now)
    except (DataError, IntegrityError):
        if len(ids) > 1:
            alone = (_batch(database, accounts, [one], now, dry_run) for one in ids)
            return [told for found in alone for told in found]
        return [_spoilt(database, ids)]


def _judge(accounts: Mapping[str, Account], kept: Refusal) -> tuple[Judged, Delivery | None]:
    """The verdict, and what is to be stored where it is genuine."""
    assert kept.id is not None
    account = accounts.get(kept.account)
    if account is None or not account.receives:
        reason = "its account is not configured"
        return Judged(kept.id, kept.account, kept.received_at, False, reason), None
    headers = presented(kept, account)
    try:
        delivery = receive(account, headers, kept.body, kept.received_at)
    except Refused as refused:
        return Judged(kept.id, kept.account, kept.received_at, False, str(refused)), None
    return Judged(kept.id, kept.account, kept.received_at, True), delivery


def _take_in(
    tx: Transaction, judged: Sequence[tuple[Judged, Delivery | None]], now: datetime
) -> list[Judged]:
    """Store the genuine ones; all of them as they were told, in the same order."""
    genuine = [(told, delivery) for told, delivery in judged if delivery is not None]
    verdicts = nonces.remember(tx, [delivery for _, delivery in genuine])()
    by_id = {told.id: verdict for (told, _), verdict in zip(genuine, verdicts, strict=True)}
    fresh = {told.id: d for told, d in genuine if by_id[told.id] is Verdict.FRESH}
    counts = inbox.save(tx, list(fresh.values()), now) if fresh else []
    new = dict(zip(fresh, counts, strict=True))
    quarantine.remove(tx, [n for n, verdict in by_id.items() if verdict is not Verdict.REUSED])
    return [_told(told, by_id.get(told.id), new.get(told.id, 0)) for told, _ in judged]


def _told(told: Judged, verdict: Verdict | None, new: int) -> Judged:
    match verdict:
        case None:
            return told
        case Verdict.REUSED:
            reason = "its nonce came with another body as well"
            return Judged(told.id, told.account, told.received_at, True, reason)
        case _:
            return Judged(told.id, told.account, told.received_at, True, new=new)


def _spoilt(database: Database, ids: Sequence[int]) -> Judged:
    with database.read() as tx:
        [kept] = quarantine.read(tx, ids)
    reason = "genuine, but the database does not take it"
    return Judged(ids[0], kept.account, kept.received_at, True, reason)
