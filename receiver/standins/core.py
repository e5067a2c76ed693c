"""What all stand-ins share: what they remember, how they are asked, how they refuse."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from receiver.standins.faults import Faults

Body = TypeVar("Body", bound=BaseModel)


def utc_now() -> datetime:
    """The clock of a stand-in that is given none."""
    return datetime.now(UTC)


def stamp(when: datetime) -> str:
    """2024-06-18T12:34:56.789Z"""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Seen:
    """One request as it came, the refused ones too. `status`: None where a fault answered.

    headers: names lower-cased. path: still percent-encoded.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError if it is none."""
        return json.loads(self.body)


@dataclass(kw_only=True)
class State:
    """What a stand-in remembers, to be looked at and prepared by tests.

    requests: all, in the order in which they came. faults: the script of what goes wrong.
    """

    clock: Callable[[], datetime] = utc_now
    requests: list[Seen] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def new_id(self) -> str:
        """24 hexadecimal digits, in order and never the same."""
        return f"5f{next(self._ids):022x}"


class Strict(BaseModel):
    """A body in which nothing is missing, wrong or unknown."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Refusal(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.code = code
        self.words = words


async def read(request: Request, model: type[Body]) -> Body:
    """The JSON body, checked. Raises Refusal (400, or 415 for another content type)."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/json":
        raise Refusal(415, "unsupported_media_type", "Content-Type must be application/json")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Refusal(400, "bad_request", f"{where}: {first['msg']}") from None


def check_mask(request: Request, given: dict[str, Any]) -> None:
    """Raises Refusal (400) unless `update_mask` names what the body holds."""
    if set(request.query_params.get("update_mask", "").split(",")) != set(given):
        raise Refusal(400, "bad_request", "update_mask must name what is in the body")


def application(
    state: State, routes: list[Route], refuse: Callable[[Refusal, str], dict[str, Any]]
) -> ASGIApp:
    """The stand-in. `refuse`: how this provider writes an error, given the path."""

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = Refusal(error.status_code, "not_found", error.detail)
        assert isinstance(error, Refusal)
        return JSONResponse(refuse(error, request.url.path), error.status)

    handlers: Any = {Refusal: refused, HTTPException: refused}
    return Standin(Starlette(routes=routes, exception_handlers=handlers), state)


class Standin:
    """Writes every request down and lets the script decide what becomes of it."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        seen = await _seen(scope, receive)
        self._state.requests.append(seen)
        fault = self._state.faults.take(seen.path)
        again = _replayed(seen.body, receive)
        noting = _noting(seen, send)
        if fault is None:
            return await self._app(scope, again, noting)
        return await fault(self._app, scope, again, send)


async def _seen(scope: Scope, receive: Receive) -> Seen:
    body = bytearray()
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return Seen(
        method=scope["method"],
        path=(scope.get("raw_path") or scope["path"].encode()).decode().partition("?")[0],
        query=scope["query_string"].decode(),
        headers={name.decode(): value.decode("latin-1") for name, value in scope["headers"]},
        body=bytes(body),
    )


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def _noting(seen: Seen, send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.status = message["status"]
        await send(message)

    return noting
