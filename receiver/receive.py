"""One webhook: is it genuine, and what does it say? Pure; `commit` makes it durable."""

from datetime import datetime

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
    inbound.verify(headers, body, account.secrets, now, account.options)
    try:
        events = tuple(inbound.parse(body))
    except Unparsed as error:
        return Delivery(account.name, body, (), now, error=str(error))
    return Delivery(account.name, body, events, now)
