"""Smooch's webhooks as the stand-in keeps them: of the app in v1.x, of an integration in v2."""

import hashlib
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.standins.core import Refusal, Strict, read
from receiver.standins.smooch_state import SmoochState

# The words that there are, by version. https://docs.smooch.io/rest/#webhook-triggers
_MESSAGES = {"message:appUser", "message:appMaker"}
_SINCE_V1 = {
    *("conversation:read", "conversation:start", "conversation:referral", "postback"),
    *("payment:success", "merge:appUser", "link:match", "link:success", "link:failure", "*"),
}
_KINDS = ("channel", "user", "failure")
WORDS = {
    "v1": _MESSAGES | _SINCE_V1 | {"message", "delivery:success", "delivery:failure"},
    "v1.1": _MESSAGES
    | _SINCE_V1
    | {f"{what}:delivery:{kind}" for what in ("message", "notification") for kind in _KINDS}
    | {"typing:appUser", "client:add", "client:remove", "appUser:delete"},
    "v2": {f"conversation:message:delivery:{kind}" for kind in _KINDS}
    | {
        f"conversation:{what}"
        for what in (
            *("message", "create", "join", "leave", "remove", "postback", "read", "referral"),
            "typing",
        )
    }
    | {f"client:{what}" for what in ("add", "update", "remove")}
    | {f"user:{what}" for what in ("merge", "update", "remove")}
    | {
        f"switchboard:{what}Control{how}"
        for what in ("accept", "offer", "pass")
        for how in ("", ":failure")
    }
    | {"switchboard:releaseControl", "passthrough:messaging"},
}


class HookV1(Strict):
    """What a webhook of v1 is made of."""

    target: str | None = Field(default=None, pattern="^https?://")
    triggers: list[str] | None = Field(default=None, min_length=1)


class HookV11(HookV1):
    """Since v1.1."""

    includeClient: bool | None = None
    includeFullAppUser: bool | None = None


class HookV2(HookV1):
    """Of v2."""

    includeFullUser: bool | None = None
    includeFullSource: bool | None = None


_BODIES: dict[str, type[HookV1]] = {"v1": HookV1, "v1.1": HookV11, "v2": HookV2}


async def listed(state: SmoochState, request: Request, version: str) -> Response:
    """GET webhooks."""
    return JSONResponse({"webhooks": list(_owned(state, request).values())})


async def created(state: SmoochState, request: Request, version: str) -> Response:
    """POST webhooks. The secret is made here."""
    owned = _owned(state, request)
    given = await _read(request, version)
    if "target" not in given or (version != "v1" and "triggers" not in given):
        raise Refusal(400, "bad_request", "target and triggers are required")
    webhook_id = state.new_id()
    hook = {
        "id" if version == "v2" else "_id": webhook_id,
        "triggers": ["message"],
        "secret": hashlib.sha256(f"{state.secret}{webhook_id}".encode()).hexdigest()[:40],
        **({} if version == "v1" else {"version": version}),
        **{name: False for name in _BODIES[version].model_fields if name.startswith("include")},
    }
    owned[webhook_id] = hook | given
    return JSONResponse({"webhook": owned[webhook_id]}, 201)


async def shown(state: SmoochState, request: Request, version: str) -> Response:
    """GET webhooks/{webhook}."""
    return JSONResponse({"webhook": _one(state, request)})


async def changed(state: SmoochState, request: Request, version: str) -> Response:
    """PUT, PATCH webhooks/{webhook}: what is not named stays."""
    hook = _one(state, request)
    hook |= await _read(request, version)
    return JSONResponse({"webhook": hook})


async def deleted(state: SmoochState, request: Request, version: str) -> Response:
    """DELETE webhooks/{webhook}."""
    _one(state, request)
    del _owned(state, request)[request.path_params["webhook"]]
    return JSONResponse({})


async def _read(request: Request, version: str) -> dict[str, Any]:
    body = await read(request, _BODIES[version])
    if unknown := set(body.triggers or ()) - WORDS[version]:
        raise Refusal(400, "bad_request", f"triggers: {min(unknown)} is not one")
    return body.model_dump(exclude_none=True)


def _owned(state: SmoochState, request: Request) -> dict[str, dict[str, Any]]:
    """The webhooks of the app or integration. Raises Refusal as the credential's scope demands."""
    integration = request.path_params.get("integration")
    if integration is None:
        return state.webhooks
    if state.integration_scope != (integration == "me"):
        raise Refusal(403, "forbidden", "Not with this credential")
    if integration not in ("me", state.custom_integration):
        raise Refusal(404, "integration_not_found", "Integration not found")
    return state.webhooks


def _one(state: SmoochState, request: Request) -> dict[str, Any]:
    found = _owned(state, request).get(request.path_params["webhook"])
    if found is None:
        raise Refusal(404, "webhook_not_found", "Webhook not found")
    return found


async def integrations(state: SmoochState, request: Request, version: str) -> Response:
    """GET integrations, filtered by type."""
    if state.integration_scope:
        raise Refusal(403, "forbidden", "Not with this credential")
    name = "filter[types]" if version == "v2" else "types"
    wanted = request.query_params.get(name, "")
    there = {**state.integrations, "custom": state.custom_integration}
    key = "id" if version == "v2" else "_id"
    found = [
        {key: number, "type": kind}
        for kind, number in there.items()
        if number and (not wanted or kind in wanted.split(","))
    ]
    return JSONResponse({"integrations": found})


VIEWS = [
    ("/webhooks", "GET", listed),
    ("/webhooks", "POST", created),
    ("/webhooks/{webhook}", "GET", shown),
    ("/webhooks/{webhook}", "DELETE", deleted),
]
V1_VIEWS = [*VIEWS, ("/webhooks/{webhook}", "PUT", changed), ("/integrations", "GET", integrations)]
V2_VIEWS = [
    *(
        ("/integrations/{integration}" + path, method, view)
        for path, method, view in [*VIEWS, ("/webhooks/{webhook}", "PATCH", changed)]
    ),
    ("/integrations", "GET", integrations),
]
