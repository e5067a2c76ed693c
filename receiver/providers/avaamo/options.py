"""The settings of an Avaamo agent's SMS channel."""

from typing import Literal

from receiver.options import AccountOptions, Secret


class AvaamoOptions(AccountOptions):
    """channel_uuid is the only credential there is, so it is a secret and so is the URL."""

    provider: Literal["avaamo"]
    channel_uuid: Secret | None = None

    @property
    def host(self) -> str:
        """Where the API is, without a trailing slash."""
        return (self.base_url or "https://cx.avaamo.com").rstrip("/")

    def lacks(self) -> list[str]:
        """The settings without which nothing can be sent."""
        return [] if self.channel_uuid else ["channel_uuid"]
