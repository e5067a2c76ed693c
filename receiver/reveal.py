"""
Addresses that webhooks hide are fetched from the provider before a user's handlers run: once for
each user, within a moment, and nothing depends on it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from handlers.people import ChannelIdentity, User
from receiver.accounts import Account
from receiver.errors import SendError
from receiver.logs import get_logger
from receiver.send import Sender
from storage import keys, lanes, outbox, people, sightings
from storage.database import AWAY, Database
from storage.tables import Queue
from storage.work import Work

DEADLINE = 2.0  # seconds

log = get_logger()


class Reveal:
    """Called with a claimed event and its user; gives it back with all that is known now."""

    def __init__(
        self,
        database: Database,
        accounts: Mapping[str, Account],
        sender: Sender,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._sender = sender
        self._clock = clock

    async def __call__(self, item: Work, user: User | None) -> Work:
        """The same event; with the user's addresses, if they were hidden and could be fetched."""
        account = self._accounts.get(item.account)
        if account is None or user is None or item.user_key is None or not _hidden(item, account):
            return item
        try:
            if not await asyncio.to_thread(self._is_first, item.user_key):
                return item
            found = await self._fetch(account, user.id)
            if not found:
                return item
            known = await asyncio.to_thread(self._keep, item, user, found)
        except (SendError, TimeoutError, *AWAY) as error:
            log.warning("not_revealed", account=item.account, error=type(error).__name__)
            return item
        return replace(item, identities=known)

    def _is_first(self, user_key: bytes) -> bool:
        with self._database.write() as tx:
            return people.begin_reveal(tx, user_key, self._clock())

    async def _fetch(self, account: Account, user_id: str) -> tuple[ChannelIdentity, ...]:
        reveal, options = account.provider.outbound.reveal, account.options
        assert reveal is not None
        async with asyncio.timeout(DEADLINE):
            exchange = reveal(user_id, options)
            sent = await self._sender.call(account.name, account.provider, options, exchange)
        return sent.identities

    def _keep(
        self, item: Work, user: User, found: tuple[ChannelIdentity, ...]
    ) -> tuple[ChannelIdentity, ...]:
        assert item.user_key is not None
        key = item.user_key

        def lane() -> set[int]:
            return {keys.lane(Queue.DISPATCH, key) or 0}

        with self._database.write() as tx:
            lanes.lock(tx, lane(), lane)
            outbox.learn(tx, item.account, user, found, self._clock())
            return tuple(sightings.of_users(tx, {key}).get(key, ()))


def _hidden(item: Work, account: Account) -> bool:
    """Whether the provider may know more of the user than its webhooks have told so far."""
    options = account.options
    asked = item.revealed or account.provider.outbound.reveal is None
    if asked or not options.fetch_identities or options.lacks():
        return False
    known = item.identities
    return not known or any(map(sightings.address_unknown, known))
