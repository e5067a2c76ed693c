"""What is compared with a secret has the same length whatever came, so that time tells nothing."""

import asyncio
import hmac
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from receiver import app
from receiver.accounts import Account, accounts
from receiver.errors import Refused
from receiver.settings import Settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRETS = ["the-first-of-the-secrets", "a-second-one", "3rd"]
BODY = b'{"a": 1}'
GIVEN = ["x", "the-first-of-the-secret", *SECRETS, "the-first-of-the-secretz", "x" * 5000]
PROVIDERS = {
    "smooch": {},
    "sinch": {},
    "sinch_sms": {"service_plan_id": "p"},
}


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The lengths of everything that is compared."""
    found: list[tuple[int, int]] = []
    compare: Callable[..., bool] = hmac.compare_digest

    def noting(one: bytes, other: bytes) -> bool:
        found.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    return found


def account(provider: str) -> Account:
    table = {"provider": provider, "webhook_secrets": SECRETS, **PROVIDERS[provider]}
    return accounts(Settings.model_validate({"accounts": {"a": table}}).accounts)["a"]


def attempt(known: Account, secret: str) -> bool:
    """Whether a request with this secret is genuine."""
    inbound = known.provider.inbound
    assert inbound is not None
    headers = inbound.sign(BODY, secret.encode("latin-1"), NOW, "nonce")
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    try:
        inbound.verify(raw, BODY, known.secrets, NOW, known.options)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_secret_is_compared_by_digests_of_one_length_whatever_came(
    provider: str, compared: list[tuple[int, int]]
) -> None:
    known = account(provider)
    genuine = []
    for given in GIVEN:
        compared.clear()
        genuine.append(attempt(known, given))
        assert compared == [(32, 32)] * len(SECRETS)
    assert genuine == [given in SECRETS for given in GIVEN]


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer x", "Bearer " + "y" * 500, "\xe9"])
def test_the_admins_token_is_compared_the_same_way(
    given: str | None, compared: list[tuple[int, int]]
) -> None:
    async def ask() -> int:
        admin = app.admin(ready=dict, lags=dict, token=SecretStr("the-token"))
        transport = httpx.ASGITransport(admin)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            headers = {} if given is None else {"authorization": given.encode("latin-1")}
            return (await client.get("/readyz", headers=headers)).status_code

    assert asyncio.run(ask()) == 401
    assert compared == [(32, 32)]
