"""Sunshine Conversations v2 as the stand-in answers it, and the webhooks that follow."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.standins import smooch_bodies as bodies
from receiver.standins import smooch_hooks, smooch_merge, smooch_more
from receiver.standins.core import Refusal, read, stamp
from receiver.standins.smooch_state import Client, Person, SmoochState

View = Callable[[SmoochState, Request], Awaitable[Response]]


async def create_user(state: SmoochState, request: Request) -> Response:
    """POST users."""
    body = await read(request, bodies.UserV2)
    if body.externalId and any(p.external_id == body.externalId for p in state.users.values()):
        raise Refusal(409, "conflict", "A user with this externalId exists")
    person = state.add_user(external_id=body.externalId)
    person.given = body.model_dump(exclude_none=True)
    return JSONResponse({"user": _user(state, person)}, 201)


async def get_user(state: SmoochState, request: Request) -> Response:
    """GET users/{user}."""
    return JSONResponse({"user": _user(state, state.person(request.path_params["user"]))})


async def clients(state: SmoochState, request: Request) -> Response:
    """GET clients."""
    person = state.person(request.path_params["user"])
    found = [_client(client) for client in person.clients]
    return JSONResponse({"clients": found, "meta": {"hasMore": False}})


async def link(state: SmoochState, request: Request) -> Response:
    """POST clients: pending in the answer, the outcome by webhook."""
    person = state.person(request.path_params["user"])
    body = await read(request, bodies.LinkV2)
    wanted = body.matchCriteria
    state.check_integration(wanted.type, wanted.integrationId)
    state.holder(body.target.conversationId)
    client = Client(
        state.new_id(),
        wanted.type,
        wanted.address or wanted.phoneNumber or "",
        integration_id=wanted.integrationId,
        criteria={"conversationId": body.target.conversationId},
        version="v2",
    )
    person.clients.append(client)
    answer = JSONResponse({"client": _client(client)}, 201)
    _fire(state, "client:add", person, client, "channelLinking")
    if client.address in state.unreachable:
        fail(state, person, client)
    else:
        _fire(state, "client:update", person, client, "matched")
        holder, kept = smooch_merge.in_the_middle(state, person, client)
        if body.confirmation.type == "immediate":
            confirm(state, holder, kept)
    return answer


def confirm(state: SmoochState, person: Person, client: Client) -> None:
    """The person agreed."""
    client.status = "active"
    _fire(state, "client:update", person, client, "confirmed")


def fail(state: SmoochState, person: Person, client: Client) -> None:
    """The person was not found, or did not agree."""
    person.clients.remove(client)
    error = {"code": "bad_request", "message": "The person could not be reached"}
    _fire(state, "client:remove", person, client, "linkFailed", error=error)


async def unlink(state: SmoochState, request: Request) -> Response:
    """DELETE clients/{client}."""
    person = state.person(request.path_params["user"])
    for client in person.clients:
        if client.id == request.path_params["client"]:
            person.clients.remove(client)
            _fire(state, "client:remove", person, client, "api")
            return JSONResponse({})
    raise Refusal(404, "client_not_found", "Client not found")


async def conversations(state: SmoochState, request: Request) -> Response:
    """GET conversations?filter[userId]=."""
    user = request.query_params.get("filter[userId]")
    if not user:
        raise Refusal(400, "bad_request", "filter[userId] is required")
    person = state.person(user)
    found = [
        _conversation(state, c) for c, owner in state.conversations.items() if owner == person.id
    ]
    return JSONResponse({"conversations": found})


async def create_conversation(state: SmoochState, request: Request) -> Response:
    """POST conversations."""
    body = await read(request, bodies.ConversationV2)
    first = body.participants[0]
    person = state.person(first.userId or first.userExternalId or "")
    conversation_id = state.new_id()
    state.conversations[conversation_id] = person.id
    return JSONResponse({"conversation": _conversation(state, conversation_id)}, 201)


async def say(state: SmoochState, request: Request) -> Response:
    """POST messages, delivered on the newest active client."""
    conversation = request.path_params["conversation"]
    person = state.holder(conversation)
    body = await read(request, bodies.MessageV2)
    said = body.model_dump(exclude_none=True, by_alias=True)
    message = {
        "id": state.new_id(),
        "received": stamp(state.clock()),
        "author": said["author"],
        "content": said["content"],
        "source": {"type": "api:conversations"},
    }
    state.messages.append({"conversation": conversation} | said | {"id": message["id"]})
    active = [c for c in (person.clients if person else []) if c.status == "active"]
    if person and active:
        destination = {"type": active[-1].platform, "integrationId": active[-1].integration_id}
        told: dict[str, Any] = {"message": {"id": message["id"]}, "destination": destination}
        told |= {"externalMessages": [], "isFinalEvent": True}
        payload = {"user": _truncated(person), "conversation": _short(conversation)} | told
        state.fire_v2("conversation:message:delivery:channel", payload)
    return JSONResponse({"messages": [message]}, 201)


async def activity(state: SmoochState, request: Request) -> Response:
    """POST activity."""
    state.holder(request.path_params["conversation"])
    await read(request, bodies.ActivityV2)
    return JSONResponse({})


def _truncated(person: Person) -> dict[str, Any]:
    return {"id": person.id} | ({"externalId": person.external_id} if person.external_id else {})


def _user(state: SmoochState, person: Person) -> dict[str, Any]:
    profile = {"profile": {}, "metadata": {}, "identities": [], "signedUpAt": stamp(state.clock())}
    return _truncated(person) | profile | person.given


def _client(client: Client) -> dict[str, Any]:
    known = {"externalId": client.address} if client.status == "active" else {}
    return {
        "id": client.id,
        "type": client.platform,
        "status": client.status,
        "integrationId": client.integration_id,
        "displayName": client.address,
    } | known


def _short(conversation_id: str) -> dict[str, Any]:
    return {"id": conversation_id, "type": "personal"}


def _conversation(state: SmoochState, conversation_id: str) -> dict[str, Any]:
    now = stamp(state.clock())
    return _short(conversation_id) | {"isDefault": False, "createdAt": now, "lastUpdatedAt": now}


def _fire(
    state: SmoochState, kind: str, person: Person, client: Client, reason: str, **more: Any
) -> None:
    payload = {
        "user": _truncated(person),
        "conversation": _short(client.criteria["conversationId"]),
        "client": _client(client),
        "reason": reason,
        "source": {"type": "api"},
    }
    state.fire_v2(kind, payload | more)


_VIEWS: list[tuple[str, str, View]] = [
    ("/users", "POST", create_user),
    ("/users/{user}", "GET", get_user),
    ("/users/{user}/clients", "GET", clients),
    ("/users/{user}/clients", "POST", link),
    ("/users/{user}/clients/{client}", "DELETE", unlink),
    ("/conversations", "GET", conversations),
    ("/conversations", "POST", create_conversation),
    ("/conversations/{conversation}/messages", "POST", say),
    ("/conversations/{conversation}/activity", "POST", activity),
]


def routes(state: SmoochState) -> list[Route]:
    """Everything is below an app."""
    found: list[tuple[str, str, Any]] = [*_VIEWS]
    found += [
        (path, method, partial(_of_v2, view))
        for path, method, view in (*smooch_more.V2_VIEWS, *smooch_hooks.V2_VIEWS)
    ]
    return [
        Route("/v2/apps/{app}" + path, _bound(state, view), methods=[method])
        for path, method, view in found
    ]


async def _of_v2(view: Any, state: SmoochState, request: Request) -> Response:
    """A view that serves several versions."""
    response: Response = await view(state, request, "v2")
    return response


def _bound(state: SmoochState, view: View) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        state.check_auth(request)
        state.check_app(request.path_params["app"])
        return await view(state, request)

    return endpoint
