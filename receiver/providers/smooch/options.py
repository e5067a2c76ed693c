"""The settings of a Smooch (Sunshine Conversations) account."""

from typing import Literal

from receiver.options import AccountOptions, Secret

HOSTS = {"us": "https://api.smooch.io", "eu": "https://api.eu-1.smooch.io"}


class SmoochOptions(AccountOptions):
    """How to send by Smooch; the version of a webhook is read off its payload.

    api_version:  the REST API to call.
    app_id:       needed by v1.1 and v2, and by v1 with an account-scoped key.
    key_id, key_secret: an API key ("app_...", "act_..."); token: a bearer token given instead.
    auth:         None: the token if there is one, else a JWT made from the key.
    scope:        of the JWT: "app", or "account" for an act_ key.
    switchboard:  our integration in the switchboard, by name or id (v2): conversations that another
                  one has are not answered unless a handler says so. None: all are.
    integrations: platform -> integrationId, e.g. {"twilio": "5ec6..."}; v2 needs it to link.
    """

    provider: Literal["smooch"]
    api_version: Literal["v1", "v1.1", "v2"] = "v1.1"
    app_id: str | None = None
    key_id: str | None = None
    key_secret: Secret | None = None
    token: Secret | None = None
    auth: Literal["jwt", "basic", "token"] | None = None
    scope: Literal["app", "account"] = "app"
    region: Literal["us", "eu"] = "us"
    switchboard: str | None = None
    integrations: dict[str, str] = {}

    @property
    def host(self) -> str:
        """Where the API is, without a trailing slash."""
        return (self.base_url or HOSTS[self.region]).rstrip("/")

    @property
    def auth_kind(self) -> str:
        """ "jwt", "basic" or "token"."""
        return self.auth or ("token" if self.token else "jwt")

    def lacks(self) -> list[str]:
        """The settings without which nothing can be sent."""
        needed = ["token"] if self.auth_kind == "token" else ["key_id", "key_secret"]
        if self.api_version != "v1" or self.scope == "account":
            needed.append("app_id")
        return [name for name in needed if not getattr(self, name)]
