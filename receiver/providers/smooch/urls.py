"""
Where Smooch's calls go: below the app, in each version of the API.

https://docs.smooch.io/rest/#regions and https://developer.zendesk.com/api-reference/conversations/
"""

from urllib.parse import quote

from receiver.errors import Unsupported
from receiver.providers.smooch.options import SmoochOptions


def app_url(options: SmoochOptions, *parts: str, version: str | None = None) -> str:
    """The address of `parts` below the app; each part is encoded, so that any id is safe.

    version: in place of the account's. An app-scoped key may leave the app out on v1, as the
    guides do. Raises Unsupported where the app is needed and not known.
    """
    version = version or options.api_version
    below = "/".join(quote(part, safe="") for part in parts)
    if options.app_id is not None:
        return f"{options.host}/{version}/apps/{quote(options.app_id, safe='')}/{below}"
    if version == "v1" and options.scope == "app":
        return f"{options.host}/v1/{below}"
    raise Unsupported(f"smooch {version} needs app_id here")
