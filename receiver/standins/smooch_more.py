"""What else the Smooch stand-in answers: users changed, history, files, notifications."""

import re
from typing import Any, Literal

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.standins.core import Refusal, Strict, read
from receiver.standins.smooch_bodies import ChangesV1, Content, Profile
from receiver.standins.smooch_merge import merge
from receiver.standins.smooch_state import Person, SmoochState


class ChangesV2(Strict):
    """PATCH users/{user}."""

    signedUpAt: str | None = None
    toBeRetained: bool | None = None
    profile: Profile | None = None
    metadata: dict[str, str | int | float | bool] | None = None


class Named(Strict):
    """A user, by one of the two ids."""

    id: str | None = Field(default=None, alias="_id")
    userId: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Named":
        if (self.id is None) == (self.userId is None):
            raise ValueError("give _id or userId")
        return self


class Merge(Strict):
    """POST appusers/merge."""

    surviving: Named
    discarded: Named


class Sync(Strict):
    """POST users/{zendesk}/sync."""

    survivingZendeskId: str | None = None


class To(Strict):
    """Where a notification goes."""

    integrationId: str
    destinationId: str


class Maker(Strict):
    """Who writes it."""

    role: Literal["appMaker"]
    name: str | None = None
    email: str | None = None
    avatarUrl: str | None = None


class Notification(Strict):
    """POST notifications."""

    destination: To
    author: Maker
    message: dict[str, Any]
    messageSchema: Literal["whatsapp"] | None = None

    @model_validator(mode="after")
    def _readable(self) -> "Notification":
        if self.messageSchema is None:
            Content.model_validate(self.message)
        return self


class Gone(Strict):
    """POST attachments/remove."""

    mediaUrl: str


def _shown(state: SmoochState, person: Person, version: str) -> Response:
    if version == "v2":
        known: dict[str, Any] = {
            "id": person.id,
            "externalId": person.external_id,
            "profile": {},
            "metadata": {},
        }
        return JSONResponse({"user": known | person.given})
    return JSONResponse({"appUser": {"_id": person.id, "clients": []} | person.given})


async def changed(state: SmoochState, request: Request, version: str) -> Response:
    """PUT, PATCH a user: what is not named stays."""
    person = state.person(request.path_params["user"])
    body = await read(request, ChangesV2 if version == "v2" else ChangesV1)
    for name, value in body.model_dump(exclude_none=True).items():
        old = person.given.get(name)
        person.given[name] = old | value if isinstance(old, dict) else value
    return _shown(state, person, version)


async def deleted(state: SmoochState, request: Request, version: str) -> Response:
    """DELETE a user."""
    del state.users[state.person(request.path_params["user"]).id]
    return JSONResponse({}) if version == "v2" else Response()


async def erased(state: SmoochState, request: Request, version: str) -> Response:
    """DELETE the profile."""
    person = state.person(request.path_params["user"])
    person.given = {}
    return _shown(state, person, version)


async def link_requests(state: SmoochState, request: Request, version: str) -> Response:
    """GET linkrequest."""
    state.person(request.path_params["user"])
    kinds = {number: kind for kind, number in state.integrations.items()}
    made = []
    for number in request.query_params.get("integrationIds", "").split(","):
        if number not in kinds:
            raise Refusal(404, "integration_not_found", "Integration not found")
        code = f"lr_{state.new_id()}"
        url = f"https://{kinds[number]}.example.com/?ref={code}"
        made.append({"integrationId": number, "type": kinds[number], "code": code, "url": url})
    return JSONResponse({"linkRequests": made})


async def auth_code(state: SmoochState, request: Request, version: str) -> Response:
    """GET authcode."""
    state.person(request.path_params["user"])
    return JSONResponse({"authCode": f"ac_{state.new_id()}"})


async def merged(state: SmoochState, request: Request, version: str) -> Response:
    """POST merge: told by webhook, the answer is empty."""
    if version == "v1":
        raise Refusal(404, "not_found", "Not Found")
    body = await read(request, Merge)
    kept, gone = (
        state.person(one.id or one.userId or "") for one in (body.surviving, body.discarded)
    )
    merge(state, gone, kept, version)
    return JSONResponse({})


async def synced(state: SmoochState, request: Request, version: str) -> Response:
    """POST users/{zendesk}/sync."""
    await read(request, Sync)
    return _shown(state, state.person(request.path_params["user"]), version)


async def history_v1(state: SmoochState, request: Request, version: str) -> Response:
    """GET appusers/{user}/messages; 404 where nobody has said anything yet."""
    person = state.person(request.path_params["user"])
    found = [m for m in state.messages if m.get("user") == person.id]
    if not found:
        raise Refusal(404, "conversation_not_found", "Conversation not found")
    conversation = {"_id": f"c{person.id}"[:24], "unreadCount": 0}
    return JSONResponse({"conversation": conversation, "messages": found[-100:]})


async def history_v2(state: SmoochState, request: Request, version: str) -> Response:
    """GET conversations/{conversation}/messages."""
    conversation = request.path_params["conversation"]
    state.holder(conversation)
    found = [m for m in state.messages if m.get("conversation") == conversation]
    return JSONResponse({"messages": found[-100:], "meta": {"hasMore": False}})


async def conversation(state: SmoochState, request: Request, version: str) -> Response:
    """GET conversations/{conversation}."""
    name = request.path_params["conversation"]
    state.holder(name)
    return JSONResponse({"conversation": {"id": name, "type": "personal"}})


async def notified(state: SmoochState, request: Request, version: str) -> Response:
    """POST notifications."""
    body = await read(request, Notification)
    number = state.new_id()
    state.notifications.append({"id": number} | body.model_dump(exclude_none=True))
    return JSONResponse({"notification": {"_id": number}}, 201)


_PART = re.compile(
    rb'name="source"; filename="(?P<name>[^"]*)"\r\nContent-Type: (?P<type>[^\r]*)\r\n\r\n'
)


async def uploaded(state: SmoochState, request: Request, version: str) -> Response:
    """POST attachments: one file, named source."""
    kind = request.headers.get("content-type", "")
    part = _PART.search(await request.body())
    if not kind.startswith("multipart/form-data; boundary=") or part is None:
        raise Refusal(400, "bad_request", "source is required")
    if request.query_params.get("access") != "public":
        raise Refusal(400, "bad_request", "access must be public")
    url = f"https://media.example.com/{state.new_id()}/{part['name'].decode()}"
    made = {"mediaUrl": url, "mediaType": part["type"].decode()}
    state.attachments.append(url)
    return JSONResponse({"attachment": made} if version == "v2" else made, 201)


async def removed(state: SmoochState, request: Request, version: str) -> Response:
    """POST attachments/remove."""
    url = (await read(request, Gone)).mediaUrl
    if url not in state.attachments:
        raise Refusal(404, "attachment_not_found", "Attachment not found")
    state.attachments.remove(url)
    return JSONResponse({}) if version == "v2" else Response()


_FILES = [("/attachments", "POST", uploaded), ("/attachments/remove", "POST", removed)]

V1_VIEWS = [
    *_FILES,
    ("/notifications", "POST", notified),
    ("/appusers/merge", "POST", merged),
    ("/appusers/{user}", "PUT", changed),
    ("/appusers/{user}", "DELETE", deleted),
    ("/appusers/{user}/profile", "DELETE", erased),
    ("/appusers/{user}/linkrequest", "GET", link_requests),
    ("/appusers/{user}/authcode", "GET", auth_code),
    ("/appusers/{user}/messages", "GET", history_v1),
]
V2_VIEWS = [
    *_FILES,
    ("/users/{user}", "PATCH", changed),
    ("/users/{user}", "DELETE", deleted),
    ("/users/{user}/personalinformation", "DELETE", erased),
    ("/users/{user}/sync", "POST", synced),
    ("/conversations/{conversation}", "GET", conversation),
    ("/conversations/{conversation}/messages", "GET", history_v2),
]
