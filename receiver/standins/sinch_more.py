"""What else the Sinch stand-in answers: contacts found and merged, capabilities, consents."""

from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.standins.core import Refusal, Strict, read
from receiver.standins.sinch_bodies import Recipient
from receiver.standins.sinch_state import SinchState

_LISTS = {"OPT_OUT_ALL", "OPT_OUT_MARKETING", "OPT_OUT_NOTIFICATION"}


class Merge(Strict):
    """POST contacts/{id}:merge."""

    source_id: str
    strategy: Literal["MERGE"] | None = None


class Profile(Strict):
    """POST contacts:getChannelProfile."""

    app_id: str
    recipient: Recipient
    channel: Literal["MESSENGER", "INSTAGRAM", "VIBER", "LINE"]


class Query(Strict):
    """POST capability:query."""

    app_id: str
    recipient: Recipient
    request_id: str | None = None


async def find(state: SinchState, request: Request) -> Response:
    """GET contacts, by channel and identity or by external_id."""
    state.need_contacts()
    asked = request.query_params
    if "external_id" in asked and "identity" in asked:
        raise Refusal(400, "INVALID_ARGUMENT", "external_id or identity, not both")
    if ("channel" in asked) != ("identity" in asked):
        raise Refusal(400, "INVALID_ARGUMENT", "channel and identity go together")
    found = [contact for contact in state.contacts.values() if _fits(contact, dict(asked))]
    return JSONResponse({"contacts": found, "next_page_token": ""})


def _fits(contact: dict[str, Any], asked: dict[str, str]) -> bool:
    if "external_id" in asked:
        return bool(contact.get("external_id") == asked["external_id"])
    return "identity" not in asked or any(
        (i["channel"], i["identity"]) == (asked["channel"], asked["identity"])
        for i in contact["channel_identities"]
    )


async def delete(state: SinchState, request: Request) -> Response:
    """DELETE contacts/{contact}."""
    state.need_contacts()
    contact = state.contact(request.path_params["contact"])
    del state.contacts[contact["id"]]
    state.fire({"contact_delete_notification": {"contact": contact}}, app=False)
    return JSONResponse({})


async def merge(state: SinchState, request: Request) -> Response:
    """POST contacts/{contact}:merge; the one in the path is kept."""
    state.need_contacts()
    kept = state.contact(request.path_params["contact"])
    gone = state.contact((await read(request, Merge)).source_id)
    state.merge(gone, kept)
    return JSONResponse(kept)


async def conflicts(state: SinchState, request: Request) -> Response:
    """GET contacts:identityConflicts."""
    state.need_contacts()
    return JSONResponse({"conflicts": [], "next_page_token": ""})


async def profile(state: SinchState, request: Request) -> Response:
    """POST contacts:getChannelProfile."""
    body = await read(request, Profile)
    state.check_app(body.app_id)
    return JSONResponse({"profile_name": "Ann Example"})


async def capability(state: SinchState, request: Request) -> Response:
    """POST capability:query, answered by a callback."""
    body = await read(request, Query)
    state.check_app(body.app_id)
    given = body.model_dump(exclude_none=True)
    number = given.setdefault("request_id", state.new_id())
    found = given["recipient"].get("identified_by", {}).get("channel_identities")
    if found is None:
        found = state.contact(given["recipient"]["contact_id"])["channel_identities"]
    for identity in found:
        told = {
            "request_id": number,
            "contact_id": given["recipient"].get("contact_id", ""),
            "channel": identity["channel"],
            "identity": identity["identity"],
            "capability_status": "CAPABILITY_FULL",
            "channel_capabilities": [],
        }
        state.fire({"capability_notification": told})
    return JSONResponse(given)


async def consents(state: SinchState, request: Request) -> Response:
    """GET apps/{app}/consents/{list}."""
    state.check_app(request.path_params["app"])
    if request.path_params["list"] not in _LISTS:
        raise Refusal(400, "INVALID_ARGUMENT", "there is no such list")
    found = state.opted_out.get(request.path_params["list"], [])
    named = [{"identity": identity} for identity in found]
    return JSONResponse({"identities": named, "next_page_token": ""})


async def consent(state: SinchState, request: Request) -> Response:
    """GET apps/{app}/consents/identities/{identity}."""
    state.check_app(request.path_params["app"])
    wanted = request.path_params["identity"]
    there = [name for name, identities in state.opted_out.items() if wanted in identities]
    records = [{"identity": wanted, "list_type": name} for name in there]
    return JSONResponse({"identity": wanted, "audit_records": records})


async def app(state: SinchState, request: Request) -> Response:
    """GET apps/{app}."""
    state.check_app(request.path_params["app"])
    told = {"id": state.app_id, "display_name": "Stand-in", "processing_mode": state.mode}
    return JSONResponse(told | {"channel_credentials": []})


VIEWS = [
    ("contacts", "GET", find),
    ("contacts:identityConflicts", "GET", conflicts),
    ("contacts:getChannelProfile", "POST", profile),
    ("contacts/{contact}", "DELETE", delete),
    ("contacts/{contact}:merge", "POST", merge),
    ("capability:query", "POST", capability),
    ("apps/{app}", "GET", app),
    ("apps/{app}/consents/{list}", "GET", consents),
    ("apps/{app}/consents/identities/{identity}", "GET", consent),
]
