"""One webhook: is it genuine, and what does it say? Pure; `ledger` makes it durable."""

from collections.abc import Mapping
from datetime import datetime

from receiver.accounts import Account
from receiver.errors import Unparsed
from receiver.provider import Headers
from storage.inbox import Delivery


def admit(account: Account, headers: Headers, body: bytes, now: datetime) -> Delivery:
    """A request that proves that the provider sent it, not read yet. Raises Refused."""
    inbound = account.provider.inbound
    assert inbound is not None
    proof = inbound.verify(headers, body, account.live(now), now, account.options)
    return Delivery(
        account.name,
        body,
        (),
        now,
        secret=proof.secret,
        nonce=proof.nonce,
        expires_at=proof.expires_at,
        words=account.words,
    )


def read(accounts: Mapping[str, Account], kept: Delivery) -> Delivery:
    """The same with its events; their `raw` is empty, for the body has it all.

    A genuine body that cannot be read is a delivery without any: it is kept, since a 4xx would
    end it for ever. So is one whose account is no longer configured: it was acknowledged.
    """
    account = accounts.get(kept.account)
    if account is None or account.provider.inbound is None:
        return kept._replace(error="its account is not configured any more")
    try:
        events = account.provider.inbound.parse(kept.body)
    except Unparsed as error:
        return kept._replace(error=str(error), words=account.words)
    for event in events:  # a batch of trees takes longer to free than each as soon as it is read
        object.__setattr__(event, "raw", {})
    return kept._replace(events=tuple(events), words=account.words)


def receive(account: Account, headers: Headers, body: bytes, now: datetime) -> Delivery:
    """A request that is admitted and read at once. Raises Refused."""
    return read({account.name: account}, admit(account, headers, body, now))
