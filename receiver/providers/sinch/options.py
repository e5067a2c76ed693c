"""The settings of a Sinch Conversation API account."""

from datetime import timedelta
from typing import Literal

from receiver.options import AccountOptions, Secret


class SinchOptions(AccountOptions):
    """How to verify and to send by the Conversation API.

    max_age, max_skew: how old a signed timestamp may be, and how far in the future. Generous on
                       the past by default: a retry may keep its first timestamp, and Sinch's last
                       documented retry comes after 22 h 45 min.
    token:             a bearer token given instead of the key.
    mode:              how the app is set up. In DISPATCH mode there are no contacts.
    sms_sender:        the default SMS_SENDER. channel_priority: the default order of channels.
    auth_url:          where tokens come from, in place of Sinch's own host.
    """

    provider: Literal["sinch"]
    project_id: str | None = None
    app_id: str | None = None
    key_id: str | None = None
    key_secret: Secret | None = None
    token: Secret | None = None
    region: Literal["us", "eu", "br"] = "us"
    api_version: Literal["v1", "v1beta"] = "v1"
    mode: Literal["CONVERSATION", "DISPATCH"] = "CONVERSATION"
    sms_sender: str | None = None
    channel_priority: list[str] = []
    language: str = "EN_US"
    auth_url: str | None = None
    max_age: timedelta = timedelta(hours=24)
    max_skew: timedelta = timedelta(minutes=5)

    @property
    def host(self) -> str:
        """Where the API is, without a trailing slash."""
        return (self.base_url or f"https://{self.region}.conversation.api.sinch.com").rstrip("/")

    @property
    def token_url(self) -> str:
        """Where an access token is fetched."""
        zone = "eu" if self.region == "eu" else "us"
        return self.auth_url or f"https://{zone}.auth.sinch.com/oauth2/token"

    def lacks(self) -> list[str]:
        """The settings without which nothing can be sent."""
        needed = ["project_id", "app_id"] + ([] if self.token else ["key_id", "key_secret"])
        return [name for name in needed if not getattr(self, name)]
