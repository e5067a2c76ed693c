"""
A stand-in for Sinch's Conversation API and its token host, in one app.

    state = SinchState()
    async with serving(sinch_app(state)) as url:
        # base_url = url, auth_url = f"{url}/oauth2/token"
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from receiver.standins import sinch_bodies as bodies
from receiver.standins import sinch_hooks, sinch_more
from receiver.standins.core import Refusal, application, check_mask, read, stamp
from receiver.standins.sinch_state import SinchState, sinch_headers

__all__ = ["SinchState", "sinch_app", "sinch_headers"]

View = Callable[[SinchState, Request], Awaitable[Response]]

_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND"}


async def token(state: SinchState, request: Request) -> Response:
    """Client credentials by Basic and a form."""
    state.tokens_fetched += 1
    key = base64.b64encode(f"{state.key_id}:{state.key_secret}".encode()).decode()
    form = (await request.body()).decode()
    if request.headers.get("authorization") != f"Basic {key}":
        return JSONResponse({"error": "invalid_client"}, 401)
    if form != "grant_type=client_credentials":
        return JSONResponse({"error": "unsupported_grant_type"}, 400)
    made = f"token-{state.new_id()}"
    state.tokens.add(made)
    return JSONResponse(
        {"access_token": made, "expires_in": state.token_life, "scope": "", "token_type": "bearer"}
    )


async def send_message(state: SinchState, request: Request) -> Response:
    """POST messages:send, queued and delivered (or failed) by webhook."""
    body = await read(request, bodies.SendMessage)
    identity, contact_id = _whom(state, body.app_id, body.recipient, body.channel_priority_order)
    message_id = state.new_id()
    state.messages.append({"id": message_id} | body.model_dump(exclude_none=True))
    failed = identity["identity"] in state.unreachable
    for status in ("QUEUED_ON_CHANNEL", "FAILED" if failed else "DELIVERED"):
        report: dict[str, Any] = {
            "message_id": message_id,
            "conversation_id": "" if state.mode == "DISPATCH" else f"c{contact_id}",
            "status": status,
            "channel_identity": identity,
            "contact_id": contact_id,
            "metadata": body.message_metadata or "",
            "processing_mode": state.mode,
        }
        if status == "FAILED":
            report["reason"] = {"code": "RECIPIENT_NOT_REACHABLE", "description": "not there"}
        state.fire({"message_delivery_report": report})
    return JSONResponse({"message_id": message_id, "accepted_time": stamp(state.clock())})


async def send_event(state: SinchState, request: Request) -> Response:
    """POST events:send."""
    body = await read(request, bodies.SendEvent)
    _whom(state, body.app_id, body.recipient, body.channel_priority_order)
    event_id = state.new_id()
    state.events.append({"id": event_id} | body.model_dump(exclude_none=True))
    return JSONResponse({"event_id": event_id, "accepted_time": stamp(state.clock())})


def _whom(
    state: SinchState, app_id: str, recipient: bodies.Recipient, order: list[Any] | None
) -> tuple[dict[str, Any], str]:
    """The identity that is written to, and the contact's id ("" in DISPATCH mode)."""
    state.check_app(app_id)
    if recipient.contact_id is None:
        assert recipient.identified_by is not None
        first = recipient.identified_by.channel_identities[0].model_dump(exclude_none=True)
        return {"app_id": ""} | first, _contact_of(state, first)
    if state.mode == "DISPATCH":
        raise Refusal(400, "INVALID_ARGUMENT", "contact_id cannot be used in DISPATCH mode")
    known = state.contact(recipient.contact_id)["channel_identities"]
    if not known and not state.adopt:
        raise Refusal(400, "INVALID_ARGUMENT", "the contact has no channel identity")
    word = order[0] if order else "SMS"
    fallback = known[0] if known else {"channel": word, "identity": recipient.contact_id}
    chosen = next((i for i in known if i["channel"] == word), fallback)
    return {"app_id": ""} | chosen, recipient.contact_id


def _contact_of(state: SinchState, identity: dict[str, Any]) -> str:
    """The contact with this identity; in CONVERSATION mode one is made where there is none."""
    if state.mode == "DISPATCH":
        return ""
    for contact in state.contacts.values():
        if identity in contact["channel_identities"]:
            return str(contact["id"])
    made = _add(state, {"channel_identities": [identity], "language": "UNSPECIFIED"})
    return str(made["id"])


async def create_contact(state: SinchState, request: Request) -> Response:
    """POST contacts."""
    state.need_contacts()
    body = await read(request, bodies.NewContact)
    return JSONResponse(_add(state, body.model_dump(exclude_none=True)))


def _add(state: SinchState, given: dict[str, Any]) -> dict[str, Any]:
    contact = {"id": state.new_id(), "display_name": "", "external_id": ""} | given
    state.contacts[contact["id"]] = contact
    state.fire({"contact_create_notification": {"contact": contact}}, app=False)
    return contact


async def get_contact(state: SinchState, request: Request) -> Response:
    """GET contacts/{contact}."""
    state.need_contacts()
    return JSONResponse(state.contact(request.path_params["contact"]))


async def patch_contact(state: SinchState, request: Request) -> Response:
    """PATCH contacts/{contact}?update_mask=...: only what the mask names."""
    state.need_contacts()
    contact = state.contact(request.path_params["contact"])
    given = (await read(request, bodies.ContactPatch)).model_dump(exclude_none=True)
    check_mask(request, given)
    contact |= given
    state.fire({"contact_update_notification": {"contact": dict(contact)}}, app=False)
    answer = JSONResponse(contact)
    survivor = state.merging.pop(contact["id"], None)
    if survivor is not None:
        there = state.contacts.setdefault(survivor, {"id": survivor, "channel_identities": []})
        state.merge(contact, there)
    return answer


_VIEWS: list[tuple[str, str, View]] = [
    ("messages:send", "POST", send_message),
    ("events:send", "POST", send_event),
    ("contacts", "POST", create_contact),
    ("contacts/{contact}", "GET", get_contact),
    ("contacts/{contact}", "PATCH", patch_contact),
    *sinch_more.VIEWS,
    *sinch_hooks.VIEWS,
]


def sinch_app(state: SinchState) -> ASGIApp:
    """The app; what it does and remembers is in `state`."""
    api = [
        Route(f"/{version}/projects/{{project}}/{path}", _bound(state, view), methods=[method])
        for version in ("v1", "v1beta")
        for path, method, view in _VIEWS
    ]

    async def oauth(request: Request) -> Response:
        return await token(state, request)

    return application(state, [Route("/oauth2/token", oauth, methods=["POST"]), *api], _refuse)


def _bound(state: SinchState, view: View) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or value not in state.tokens:
            raise Refusal(401, "UNAUTHENTICATED", "the access token is not valid")
        if request.path_params["project"] != state.project_id:
            raise Refusal(404, "NOT_FOUND", "project not found")
        return await view(state, request)

    return endpoint


def _refuse(error: Refusal, path: str) -> dict[str, Any]:
    status = _STATUS.get(error.status, error.code)
    told = {"code": error.status, "message": error.words, "status": status, "details": []}
    return {"error": told}
