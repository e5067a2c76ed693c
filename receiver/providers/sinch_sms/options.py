"""The settings of a Sinch SMS (XMS) service plan."""

from base64 import b64encode
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, SecretStr, model_validator

from receiver.options import AccountOptions, Secret, reveal

SHORTEST = 16  # characters of a token that nobody guesses
_IN_URLS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def _unguessable(token: SecretStr) -> SecretStr:
    if len(reveal(token)) < SHORTEST or not _IN_URLS.issuperset(reveal(token)):
        raise ValueError(f"should be {SHORTEST} or more letters, digits, - or _, made by chance")
    return token


class SinchSmsOptions(AccountOptions):
    """How to verify and to send by the SMS API.

    path_token:        the end of the webhook's URL, /webhooks/NAME/TOKEN, where nothing is signed.
    basic_user, basic_password: what the webhook's URL names, where nothing is signed.
    accept_unsigned:   in place of all proof, these words. Whoever finds the URL can then make
                       events.
    token:             the service plan's API token.
    sender:            the number or name that messages come from; None: the plan's default.
    max_age, max_skew: as for a Sinch Conversation account.
    """

    provider: Literal["sinch_sms"]
    path_token: Annotated[SecretStr, AfterValidator(_unguessable)] | None = None
    basic_user: str | None = None
    basic_password: Secret | None = None
    accept_unsigned: Literal["anybody may post here"] | None = None
    service_plan_id: str | None = None
    token: Secret | None = None
    region: Literal["us", "eu", "au", "br", "ca"] = "us"
    sender: str | None = None
    max_age: timedelta = timedelta(hours=24)
    max_skew: timedelta = timedelta(minutes=5)

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.basic_user is None) != (self.basic_password is None):
            raise ValueError("basic_user and basic_password belong together")
        if ":" in (self.basic_user or ""):
            raise ValueError("basic_user cannot hold a colon")
        return self

    @property
    def host(self) -> str:
        """Where the API is, without a trailing slash."""
        return (self.base_url or f"https://{self.region}.sms.api.sinch.com").rstrip("/")

    def lacks(self) -> list[str]:
        """The settings without which nothing can be sent."""
        return [name for name in ("service_plan_id", "token") if not getattr(self, name)]

    def unguarded(self) -> str | None:
        """As for every account; there are more ways than a secret."""
        if self.webhook_secrets or self.path_token or self.basic_user or self.accept_unsigned:
            return None
        return (
            "webhook_secrets is empty: Sinch signs SMS callbacks only on request. Ask for it and"
            " put the secret there, or set path_token, or basic_user and basic_password, or"
            ' accept_unsigned = "anybody may post here"'
        )

    @property
    def webhook_path(self) -> str:
        """The path token, where there is one."""
        return f"/{reveal(self.path_token)}" if self.path_token else ""

    @property
    def webhook_headers(self) -> dict[str, str]:
        """Basic authentication, where there is any."""
        if self.basic_user is None or self.basic_password is None:
            return {}
        pair = f"{self.basic_user}:{reveal(self.basic_password)}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
