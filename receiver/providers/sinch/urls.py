"""Where the Conversation API's calls go: below the project."""

from urllib.parse import quote

from receiver.errors import Unsupported
from receiver.providers.sinch.options import SinchOptions


def project_url(options: SinchOptions, *parts: str, verb: str = "") -> str:
    """The address of `parts` below the project, each encoded. `verb`: ":merge" and the like.

    Raises Unsupported without a project.
    """
    if not options.project_id:
        raise Unsupported("sinch needs project_id")
    below = "/".join(quote(part, safe="") for part in (options.project_id, *parts))
    return f"{options.host}/{options.api_version}/projects/{below}{verb}"


def app_of(options: SinchOptions) -> str:
    """The app's id. Raises Unsupported without one."""
    if not options.app_id:
        raise Unsupported("sinch needs app_id")
    return options.app_id
