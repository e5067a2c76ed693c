"""What every account can set. A provider's own settings extend this model."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    PositiveFloat,
    SecretStr,
)


def _not_empty(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("is empty: an empty secret would let everybody in")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_not_empty)]


def reveal(secret: SecretStr) -> str:
    """The secret itself, for the one place that needs it."""
    return secret.get_secret_value()


class AccountOptions(BaseModel):
    """One configured integration.

    webhook_secrets: any of them is good, so that they can be rotated; empty where the account
                     receives nothing. An empty secret is refused.
    old_secrets_until: from then on only the first of them is good; None: all are.
    rate:            requests per second that may be sent, by all workers together; None: any.
    fetch_identities: whether addresses that the webhooks hide are fetched, once for each user;
                     without complete credentials they never are.
    uncertain:       what becomes of a request whose answer was lost: it is held for a human or a
                     receipt, or repeated.
    base_url:        in place of the provider's own host (a Zendesk subdomain, a stand-in).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: str
    webhook_secrets: list[Secret] = []
    old_secrets_until: AwareDatetime | None = None
    rate: PositiveFloat | None = None
    fetch_identities: bool = True
    uncertain: Literal["hold", "repeat"] = "hold"
    base_url: str | None = None

    def only_first(self, now: datetime) -> bool:
        """Whether the time of all secrets but the first has ended."""
        return self.old_secrets_until is not None and now >= self.old_secrets_until

    def lacks(self) -> list[str]:
        """The settings without which nothing can be sent."""
        return []

    def unguarded(self) -> str | None:
        """Why nobody's webhooks could be told from the provider's, and what to do; None: they can.

        It goes on after "accounts.NAME.".
        """
        if self.webhook_secrets:
            return None
        return (
            "webhook_secrets is empty: without a secret nothing can be verified. Register the"
            " webhook at the provider and put its secret there"
        )

    @property
    def webhook_path(self) -> str:
        """What stands in the webhook's URL after the account's name: "", or "/" and a token."""
        return ""

    @property
    def webhook_headers(self) -> dict[str, str]:
        """What the provider shows with each webhook that is not signed."""
        return {}
