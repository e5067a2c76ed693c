"""One webhook: is it genuine, and what does it say? Pure; `commit` makes it durable."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from handlers.event import Event
from receiver.accounts import Account
from receiver.errors import Unparsed
from receiver.provider import Headers
from storage.inbox import Delivery


def receive(account: Account, headers: Headers, body: bytes, now: datetime) -> Delivery:
    """What is to be stored of this request.

    Raises Refused where it does not prove that the provider sent it. A genuine body that cannot
    be read is a delivery without events: it is kept, since a 4xx would end it for ever.
    """
    inbound = account.provider.inbound
    assert inbound is not None
    proof = inbound.verify(headers, body, account.secrets, now, account.options)
    events, error = read(account, body)
    return Delivery(
        account.name,
        body,
        events,
        now,
        error=error,
        secret=proof.secret,
        nonce=proof.nonce,
        expires_at=proof.expires_at,
        words=account.words,
    )


def read(account: Account, body: bytes) -> tuple[tuple[Event, ...], str | None]:
    """The events in a genuine body, and why there are none where it cannot be read."""
    assert account.provider.inbound is not None
    try:
        return tuple(account.provider.inbound.parse(body)), None
    except Unparsed as error:
        return (), str(error)


def read_again(accounts: Mapping[str, Account], kept: Delivery) -> Delivery:
    """A delivery that was kept as bytes, with its events. It was acknowledged, so where its
    account is no longer configured it is stored all the same, as one that cannot be read."""
    account = accounts.get(kept.account)
    if account is None or not account.receives:
        return replace(kept, error="its account is not configured any more")
    events, error = read(account, kept.body)
    return replace(kept, events=events, error=error, words=account.words)
