"""The configured integrations, as the running process uses them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from receiver.options import AccountOptions, reveal
from receiver.provider import Provider
from receiver.registry import PROVIDERS
from storage.consent import USUAL, Words


@dataclass(frozen=True, slots=True)
class Account:
    """One integration. Its name is the URL and the key of everything stored.

    secrets: all that are configured; `live` are those that prove a request.
    words:   by which people stop and start text messages.
    """

    name: str
    provider: Provider
    options: AccountOptions
    secrets: tuple[bytes, ...]
    words: Words = USUAL

    def live(self, now: datetime) -> tuple[bytes, ...]:
        """The secrets that are good at this time, in the same order."""
        return self.secrets[:1] if self.options.only_first(now) else self.secrets

    @property
    def receives(self) -> bool:
        """Whether it takes webhooks: Avaamo, for one, sends none."""
        return self.provider.inbound is not None


def accounts(configured: Mapping[str, AccountOptions], words: Words = USUAL) -> dict[str, Account]:
    """All of them, by name."""
    return {
        name: Account(
            name,
            PROVIDERS[options.provider],
            options,
            tuple(reveal(secret).encode() for secret in options.webhook_secrets),
            words,
        )
        for name, options in configured.items()
    }
