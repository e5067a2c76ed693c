"""A stand-in for Sinch's SMS (XMS) API: batches, and reports for each recipient."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from receiver.standins.core import Refusal, State, Strict, application, read, stamp
from receiver.standins.hooks import Hooks
from receiver.standins.sinch_state import sinch_headers

View = Callable[["SinchSmsState", Request], Awaitable[Response]]


class Batch(Strict):
    """POST batches. https://developers.sinch.com/docs/sms/api-reference/sms/batches"""

    to: list[str] = Field(min_length=1, max_length=1000)
    body: str | dict[str, str]
    type: Literal["mt_text", "mt_binary", "mt_media"] = "mt_text"
    from_: str | None = Field(default=None, alias="from")
    udh: str | None = None
    delivery_report: Literal["none", "summary", "full", "per_recipient", "per_recipient_final"] = (
        "none"
    )
    callback_url: str | None = Field(default=None, max_length=2048)
    client_reference: str | None = None
    parameters: dict[str, Any] | None = None
    send_at: str | None = None
    expire_at: str | None = None
    feedback_enabled: bool | None = None
    flash_message: bool | None = None
    truncate_concat: bool | None = None
    max_number_of_message_parts: int | None = None
    strict_validation: bool | None = None
    from_ton: int | None = None
    from_npi: int | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Batch":
        if isinstance(self.body, dict) != (self.type == "mt_media"):
            raise ValueError("the body does not fit the type")
        if isinstance(self.body, dict) and "url" not in self.body:
            raise ValueError("body.url is required")
        if self.type == "mt_binary" and self.udh is None:
            raise ValueError("udh is required")
        return self


@dataclass(kw_only=True)
class SinchSmsState(State):
    """The service plan, and what has happened. secret, hooks, unreachable: as for Sinch."""

    service_plan_id: str = "standin-plan"
    token: str = "standin-token"  # noqa: S105 - of nobody
    secret: str = "standin-webhook-secret"  # noqa: S105 - of nobody
    batches: list[dict[str, Any]] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)
    hooks: Hooks = field(init=False)

    def __post_init__(self) -> None:
        self.hooks = Hooks(
            lambda body, now: sinch_headers(self.secret, self.new_id(), body, now),
            self.clock,
            final=lambda status: 400 <= status < 500 and status != 429,
        )


async def send(state: SinchSmsState, request: Request) -> Response:
    """POST batches; reports follow by webhook where they are asked for."""
    body = await read(request, Batch)
    given = body.model_dump(exclude_none=True, by_alias=True)
    batch = given | {
        "id": state.new_id(),
        "canceled": False,
        "created_at": stamp(state.clock()),
        "modified_at": stamp(state.clock()),
    }
    state.batches.append(batch)
    if body.delivery_report.startswith("per_recipient"):
        for number in body.to:
            _report(state, batch, number)
    return JSONResponse(batch, 201)


async def listed(state: SinchSmsState, request: Request) -> Response:
    """GET batches, by pages; the first is 0."""
    page = int(request.query_params.get("page", 0))
    size = int(request.query_params.get("page_size", 30))
    found = state.batches[page * size :][:size]
    counts = {"count": len(state.batches), "page": page, "page_size": len(found)}
    return JSONResponse(counts | {"batches": found})


async def shown(state: SinchSmsState, request: Request) -> Response:
    """GET batches/{batch}."""
    return JSONResponse(_batch(state, request))


async def cancelled(state: SinchSmsState, request: Request) -> Response:
    """DELETE batches/{batch}."""
    batch = _batch(state, request)
    batch["canceled"] = True
    return JSONResponse(batch)


async def report(state: SinchSmsState, request: Request) -> Response:
    """GET batches/{batch}/delivery_report, of all or of one number."""
    return JSONResponse(_summary(_batch(state, request), request))


_VIEWS: list[tuple[str, str, View]] = [
    ("batches", "POST", send),
    ("batches", "GET", listed),
    ("batches/{batch}", "GET", shown),
    ("batches/{batch}", "DELETE", cancelled),
    ("batches/{batch}/delivery_report", "GET", report),
    ("batches/{batch}/delivery_report/{number}", "GET", report),
]


def sinch_sms_app(state: SinchSmsState) -> ASGIApp:
    """The app; what it does and remembers is in `state`."""
    routes = [
        Route(f"/xms/v1/{{plan}}/{path}", _bound(state, view), methods=[method])
        for path, method, view in _VIEWS
    ]
    return application(state, routes, _refuse)


def _bound(state: SinchSmsState, view: View) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {state.token}":
            raise Refusal(401, "unauthorized", "the API token is not valid")
        if request.path_params["plan"] != state.service_plan_id:
            raise Refusal(404, "not_found", "no such service plan")
        return await view(state, request)

    return endpoint


def _batch(state: SinchSmsState, request: Request) -> dict[str, Any]:
    for batch in state.batches:
        if batch["id"] == request.path_params["batch"]:
            return batch
    raise Refusal(404, "not_found", "no such batch")


def _summary(batch: dict[str, Any], request: Request) -> dict[str, Any]:
    """Everything is delivered at once: of the whole batch, or of the one number in the path."""
    number = request.path_params.get("number")
    if number is not None:
        told = {"recipient": number, "code": 0, "status": "Delivered"}
        return told | {"type": "recipient_delivery_report_sms", "batch_id": batch["id"]}
    status = {"code": 0, "status": "Delivered", "count": len(batch["to"])}
    if request.query_params.get("type") == "full":
        status["recipients"] = batch["to"]
    total = {"type": "delivery_report_sms", "total_message_count": len(batch["to"])}
    return total | {"batch_id": batch["id"], "statuses": [status]}


def _report(state: SinchSmsState, batch: dict[str, Any], number: str) -> None:
    failed = number in state.unreachable
    report = {
        "type": "recipient_delivery_report_sms",
        "batch_id": batch["id"],
        "recipient": number.removeprefix("+"),
        "code": 402 if failed else 0,
        "status": "Failed" if failed else "Delivered",
        "at": stamp(state.clock()),
    }
    if "client_reference" in batch:
        report["client_reference"] = batch["client_reference"]
    state.hooks.fire(report)


def _refuse(error: Refusal, path: str) -> dict[str, Any]:
    code = "syntax_invalid_parameter_format" if error.status == 400 else error.code
    return {"code": code, "text": error.words}
