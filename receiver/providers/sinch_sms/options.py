"""The settings of a Sinch SMS (XMS) service plan."""

from datetime import timedelta
from typing import Literal

from receiver.options import AccountOptions, Secret


class SinchSmsOptions(AccountOptions):
    """How to verify and to send by the SMS API.

    token:             the service plan's API token.
    sender:            the number or name that messages come from; None: the plan's default.
    max_age, max_skew: as for a Sinch Conversation account.
    """

    provider: Literal["sinch_sms"]
    service_plan_id: str | None = None
    token: Secret | None = None
    region: Literal["us", "eu", "au", "br", "ca"] = "us"
    sender: str | None = None
    max_age: timedelta = timedelta(hours=24)
    max_skew: timedelta = timedelta(minutes=5)

    @property
    def host(self) -> str:
        """Where the API is, without a trailing slash."""
        return (self.base_url or f"https://{self.region}.sms.api.sinch.com").rstrip("/")

    def lacks(self) -> list[str]:
        """The settings without which nothing can be sent."""
        return [name for name in ("service_plan_id", "token") if not getattr(self, name)]
