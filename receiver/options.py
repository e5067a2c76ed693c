"""What every account can set. A provider's own settings extend this model."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr


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
    uncertain:       what becomes of a request whose answer was lost: it is held for a human or a
                     receipt, or repeated.
    base_url:        in place of the provider's own host (a Zendesk subdomain, a stand-in).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: str
    webhook_secrets: list[Secret] = []
    uncertain: Literal["hold", "repeat"] = "hold"
    base_url: str | None = None

    def lacks(self) -> list[str]:
        """The settings without which nothing can be sent."""
        return []
