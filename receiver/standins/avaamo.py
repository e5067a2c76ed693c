"""A stand-in for Avaamo's SMS Send API."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from receiver.standins.core import Refusal, State, application, read


class Greeting(BaseModel):
    """POST send.json: the phone number, and any parameters."""

    model_config = ConfigDict(extra="allow", strict=True)

    to_phone: str | None = None


@dataclass(kw_only=True)
class AvaamoState(State):
    """The agent's channel, and whom it greeted.

    own_authentication: the agent finds the number itself, so that to_phone may be missing.
    unreachable:        numbers that are answered with `"success": false`.
    """

    channel_uuid: str = "00000000-0000-4000-8000-000000000001"
    own_authentication: bool = False
    greeted: list[dict[str, Any]] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)


def avaamo_app(state: AvaamoState) -> ASGIApp:
    """The app; what it does and remembers is in `state`."""

    async def send(request: Request) -> Response:
        if request.path_params["uuid"] != state.channel_uuid:
            raise Refusal(404, "not_found", "no such channel")
        body = await read(request, Greeting)
        if body.to_phone is None and not state.own_authentication:
            raise Refusal(400, "bad_request", "to_phone is required")
        if body.to_phone in state.unreachable:
            return JSONResponse({"success": False})
        state.greeted.append(body.model_dump(exclude_none=True))
        return JSONResponse({"success": True})

    return application(state, [Route("/sms/{uuid}/send.json", send, methods=["POST"])], _refuse)


def _refuse(error: Refusal, path: str) -> dict[str, Any]:
    """What a real refusal looks like is not documented."""
    return {"success": False, "error": error.words}
