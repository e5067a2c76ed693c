"""Smooch v1 and v1.1 as the stand-in answers them, and the webhooks that follow."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.standins import smooch_bodies as bodies
from receiver.standins import smooch_hooks, smooch_merge, smooch_more
from receiver.standins.core import Refusal, read, stamp
from receiver.standins.smooch_state import Client, Person, SmoochState

View = Callable[[SmoochState, Request, str], Awaitable[Response]]


async def create_user(state: SmoochState, request: Request, version: str) -> Response:
    """POST appusers."""
    body = await read(request, bodies.UserV1)
    if any(p.external_id == body.userId for p in state.users.values()):
        raise Refusal(409, "conflict", "A user with this userId exists")
    person = state.add_user(external_id=body.userId)
    person.given = body.model_dump(exclude_none=True)
    return JSONResponse({"appUser": _user(state, person)}, 201)


async def get_user(state: SmoochState, request: Request, version: str) -> Response:
    """GET appusers/{user}."""
    return JSONResponse({"appUser": _user(state, _person(state, request))})


async def link(state: SmoochState, request: Request, version: str) -> Response:
    """POST channels: pending in the answer, the outcome by webhook."""
    person = _person(state, request)
    body = await read(request, bodies.LinkV1)
    if version == "v1" and body.type == "whatsapp":
        raise Refusal(400, "bad_request", "type: whatsapp cannot be linked")
    if body.confirmation.type == "userActivity" and body.confirmation.message is None:
        raise Refusal(400, "bad_request", "confirmation.message is required")
    state.check_integration(body.type, body.integrationId)
    entity = "address" if body.type == "mailgun" else "phoneNumber"
    client = Client(
        state.new_id(),
        body.type,
        getattr(body, entity),
        integration_id=body.integrationId,
        criteria={entity: getattr(body, entity)},
        version=version,
    )
    person.clients.append(client)
    if client.address in state.unreachable:
        fail(state, person, client)
    else:
        state.hooks.fire(_link_hook("link:match", person, client))
        holder, kept = smooch_merge.in_the_middle(state, person, client)
        if body.confirmation.type == "immediate":
            confirm(state, holder, kept)
    return JSONResponse({"appUser": _user(state, person, before=client)})


def confirm(state: SmoochState, person: Person, client: Client) -> None:
    """The person agreed."""
    client.status = "active"
    state.hooks.fire(_link_hook("link:success", person, client))


def fail(state: SmoochState, person: Person, client: Client) -> None:
    """The person was not found, or did not agree."""
    person.clients.remove(client)
    error = {"code": "bad_request", "message": "The person could not be reached"}
    state.hooks.fire(_link_hook("link:failure", person, client) | {"error": error})


async def unlink(state: SmoochState, request: Request, version: str) -> Response:
    """DELETE channels/{channel}."""
    person = _person(state, request)
    channel = request.path_params["channel"]
    if not any(client.platform == channel for client in person.clients):
        raise Refusal(404, "channel_not_found", "Channel not found")
    person.clients = [client for client in person.clients if client.platform != channel]
    return JSONResponse({})


async def channels(state: SmoochState, request: Request, version: str) -> Response:
    """GET channels."""
    linked = [c for c in _person(state, request).clients if c.status == "active"]
    return JSONResponse({"channels": [{"type": c.platform} | c.criteria for c in linked]})


async def say(state: SmoochState, request: Request, version: str) -> Response:
    """POST messages, delivered on the newest active client."""
    person = _person(state, request)
    native = b'"messageSchema"' in await request.body()
    body: Any = await read(request, bodies.NativeV1 if native else bodies.MessageV1)
    if version == "v1" and (native or body.type == "form"):
        raise Refusal(400, "bad_request", "type: not in this version")
    said = body.model_dump(exclude_none=True)
    message = said | {
        "_id": state.new_id(),
        "authorId": "standin-app-maker",
        "received": state.clock().timestamp(),
        "source": {"type": "api"},
    }
    state.messages.append({"user": person.id} | message)
    active = [client for client in person.clients if client.status == "active"]
    if active:
        state.hooks.fire(_delivery(state, person, active[-1], message, version))
    conversation = {"_id": f"c{person.id}"[:24], "unreadCount": 0}
    return JSONResponse({"message": message, "conversation": conversation}, 201)


async def activity(state: SmoochState, request: Request, version: str) -> Response:
    """POST conversation/activity."""
    person = _person(state, request)
    await read(request, bodies.ActivityV1)
    return JSONResponse({"conversation": {"_id": f"c{person.id}"[:24], "unreadCount": 0}})


def _person(state: SmoochState, request: Request) -> Person:
    return state.person(request.path_params["user"])


def _user(state: SmoochState, person: Person, before: Client | None = None) -> dict[str, Any]:
    """The appUser. `before`: a client that the answer still shows as pending."""
    waiting = [c for c in person.clients if c.status == "pending" or c is before]
    linked = [c for c in person.clients if c not in waiting]
    return {
        "_id": person.id,
        "signedUpAt": stamp(state.clock()),
        "properties": {},
        "conversationStarted": bool(linked),
        "clients": [_client(client) | {"active": True} for client in linked],
        "pendingClients": [_client(client) for client in waiting],
    } | person.given


def _client(client: Client) -> dict[str, Any]:
    return {"id": client.id, "platform": client.platform, "displayName": client.address}


def _hook(trigger: str, person: Person, version: str) -> dict[str, Any]:
    user = {"_id": person.id, "conversationStarted": True}
    if person.external_id:
        user["userId"] = person.external_id
    body: dict[str, Any] = {"trigger": trigger, "appUser": user}
    if version == "v1.1":
        body |= {"version": "v1.1", "conversation": {"_id": f"c{person.id}"[:24]}}
    return body


def _link_hook(trigger: str, person: Person, client: Client) -> dict[str, Any]:
    told = {"channel": client.platform, "criteria": client.criteria}
    return _hook(trigger, person, client.version) | told


def _delivery(
    state: SmoochState, person: Person, client: Client, message: dict[str, Any], version: str
) -> dict[str, Any]:
    told = {"destination": {"type": client.platform}, "timestamp": state.clock().timestamp()}
    if version == "v1":
        return _hook("delivery:success", person, version) | told | {"messages": [message]}
    said = {"message": {"_id": message["_id"]}, "isFinalEvent": True, "externalMessages": []}
    return _hook("message:delivery:channel", person, version) | told | said


_VIEWS: list[tuple[str, str, View]] = [
    *smooch_more.V1_VIEWS,
    *smooch_hooks.V1_VIEWS,
    ("/appusers", "POST", create_user),
    ("/appusers/{user}", "GET", get_user),
    ("/appusers/{user}/channels", "GET", channels),
    ("/appusers/{user}/channels", "POST", link),
    ("/appusers/{user}/channels/{channel}", "DELETE", unlink),
    ("/appusers/{user}/messages", "POST", say),
    ("/appusers/{user}/conversation/activity", "POST", activity),
]


def routes(state: SmoochState) -> list[Route]:
    """Below /apps/{app}, and for v1 without it too, as an app-scoped key allows."""
    roots = [("v1", "/v1"), ("v1", "/v1/apps/{app}"), ("v1.1", "/v1.1/apps/{app}")]
    return [
        Route(root + path, _bound(state, view, version), methods=[method])
        for version, root in roots
        for path, method, view in _VIEWS
    ]


def _bound(
    state: SmoochState, view: View, version: str
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        newer = version != "v1" or request.url.path.endswith("/notifications")
        state.check_auth(request, basic=newer)
        state.check_app(request.path_params.get("app"))
        return await view(state, request, version)

    return endpoint
