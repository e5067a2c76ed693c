"""The receiving half in this process: real storage, real signatures, a clock that is set."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import httpx

from receiver import app, samples
from receiver.accounts import Account, accounts
from receiver.endpoint import PREFIX
from receiver.intake import intake, spooling
from receiver.options import AccountOptions
from receiver.providers.sinch.options import SinchOptions
from receiver.providers.smooch.options import SmoochOptions
from receiver.settings import Settings
from tests.conftest import NOW

SMOOCH, SINCH = "support", "texts"
OLD, NEW, WRONG = "the-old-secret", "the-new-secret", "a-secret-with-a-typo"
_nonces = count()


@dataclass
class Clock:
    """What time it is."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Reception:
    """A running receiver."""

    client: httpx.AsyncClient
    accounts: Mapping[str, Account]
    clock: Clock
    statuses: list[int] = field(default_factory=list)

    async def post(self, account: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of one webhook."""
        answer = await self.client.post(PREFIX + account, content=body, headers=dict(headers))
        assert answer.content == b""
        self.statuses.append(answer.status_code)
        return answer.status_code

    async def send(self, account: str, body: bytes, secret: str, nonce: str | None = None) -> int:
        """The same with the headers that the provider makes with this secret."""
        return await self.post(account, body, self.signed(account, body, secret, nonce))

    def signed(
        self, account: str, body: bytes, secret: str, nonce: str | None = None
    ) -> dict[str, str]:
        inbound = self.accounts[account].provider.inbound
        assert inbound is not None
        once = nonce or f"nonce-{next(_nonces)}"
        return inbound.sign(body, secret.encode(), self.clock(), once)


def known(*secrets: str, **more: Any) -> dict[str, Account]:
    """A Smooch and a Sinch account with these secrets. more: options of both."""
    given = {"webhook_secrets": secrets, **more}
    options: dict[str, AccountOptions] = {
        SMOOCH: SmoochOptions.model_validate({"provider": "smooch", **given}),
        SINCH: SinchOptions.model_validate({"provider": "sinch", **given}),
    }
    return accounts(options)


@asynccontextmanager
async def receiving(
    database_url: str,
    *secrets: str,
    clock: Clock | None = None,
    peer: str = "192.0.2.1",
    options: Mapping[str, Any] = {},
    **settings: Any,
) -> AsyncIterator[Reception]:
    """Receive until the block ends; then everything that was noted is written."""
    clock, configured = clock or Clock(), known(*(secrets or (NEW,)), **options)
    given = Settings.model_validate({"database_url": database_url, "spool_dir": "", **settings})
    with spooling(given) as spool:
        async with intake(given, configured, clock, lambda: None, spool) as endpoint:
            transport = httpx.ASGITransport(app.public(endpoint), client=(peer, 1234))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                yield Reception(client, configured, clock)


def said(number: int, user: str = "ann") -> bytes:
    """A Smooch message; its id tells the number, which tells the order."""
    made: dict[str, Any] = samples.make(
        "smooch", "message:appUser", seed=f"{user}-{number}", now=NOW, version="v1.1"
    )
    made["appUser"]["_id"] = user
    made["messages"][0] |= {"_id": f"{user}-{number}", "authorId": user}
    return json.dumps(made).encode()


def texted(number: int) -> bytes:
    """A Sinch message."""
    made = samples.make("sinch", "MESSAGE_INBOUND", seed=f"text-{number}", now=NOW)
    made["message"]["id"] = f"text-{number}"
    return json.dumps(made).encode()


def body_of(account: str, number: int) -> bytes:
    """A message of either provider."""
    return {SMOOCH: said, SINCH: texted}[account](number)
