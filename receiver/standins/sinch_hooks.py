"""The app's webhooks, as the Sinch stand-in keeps them: at most five, one for each target."""

from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.standins.core import Refusal, Strict, check_mask, read
from receiver.standins.sinch_state import SinchState

MOST = 5

Trigger = Literal[
    "MESSAGE_DELIVERY",
    "EVENT_DELIVERY",
    "MESSAGE_INBOUND",
    "EVENT_INBOUND",
    "CONVERSATION_START",
    "CONVERSATION_STOP",
    "CONVERSATION_DELETE",
    "CONTACT_CREATE",
    "CONTACT_DELETE",
    "CONTACT_MERGE",
    "CONTACT_UPDATE",
    "CONTACT_IDENTITIES_DUPLICATION",
    "UNSUPPORTED",
    "OPT_IN",
    "OPT_OUT",
    "CAPABILITY",
    "CHANNEL_EVENT",
    "SMART_CONVERSATION",
    "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION",
    "RECORD_NOTIFICATION",
    "MESSAGE_SUBMIT",
]


class Changes(Strict):
    """PATCH webhooks/{id}?update_mask=..."""

    target: str | None = Field(default=None, pattern="^https?://", max_length=742)
    target_type: Literal["DISMISS", "HTTP"] | None = None
    triggers: list[Trigger] | None = Field(default=None, min_length=1)
    secret: str | None = None
    client_credentials: dict[str, str] | None = None


class Hook(Changes):
    """POST webhooks."""

    app_id: str
    target: str = Field(pattern="^https?://", max_length=742)
    triggers: list[Trigger] = Field(min_length=1)


async def listed(state: SinchState, request: Request) -> Response:
    """GET apps/{app}/webhooks."""
    state.check_app(request.path_params["app"])
    return JSONResponse({"webhooks": list(state.webhooks.values())})


async def created(state: SinchState, request: Request) -> Response:
    """POST webhooks; silent where target_type is not given."""
    body = await read(request, Hook)
    state.check_app(body.app_id)
    if len(state.webhooks) >= MOST:
        raise Refusal(400, "INVALID_ARGUMENT", f"an app has at most {MOST} webhooks")
    _only(state, body.target)
    made = {"id": state.new_id(), "target_type": "DISMISS"} | body.model_dump(exclude_none=True)
    state.webhooks[made["id"]] = made
    return JSONResponse(made)


async def shown(state: SinchState, request: Request) -> Response:
    """GET webhooks/{webhook}."""
    return JSONResponse(_one(state, request))


async def changed(state: SinchState, request: Request) -> Response:
    """PATCH webhooks/{webhook}."""
    hook = _one(state, request)
    given = (await read(request, Changes)).model_dump(exclude_none=True)
    check_mask(request, given)
    if given.get("target", hook["target"]) != hook["target"]:
        _only(state, given["target"])
    hook |= given
    return JSONResponse(hook)


async def deleted(state: SinchState, request: Request) -> Response:
    """DELETE webhooks/{webhook}."""
    del state.webhooks[_one(state, request)["id"]]
    return JSONResponse({})


def _only(state: SinchState, target: str) -> None:
    if any(hook["target"] == target for hook in state.webhooks.values()):
        raise Refusal(400, "INVALID_ARGUMENT", "the app has a webhook with this target")


def _one(state: SinchState, request: Request) -> dict[str, Any]:
    found = state.webhooks.get(request.path_params["webhook"])
    if found is None:
        raise Refusal(404, "NOT_FOUND", "webhook not found")
    return found


VIEWS = [
    ("apps/{app}/webhooks", "GET", listed),
    ("webhooks", "POST", created),
    ("webhooks/{webhook}", "GET", shown),
    ("webhooks/{webhook}", "PATCH", changed),
    ("webhooks/{webhook}", "DELETE", deleted),
]
