"""The two listeners' applications: webhooks for the internet, health for ourselves."""

import hmac
from collections.abc import Callable
from hashlib import sha256

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.endpoint import PREFIX, WebhookEndpoint, tell_lost
from receiver.options import reveal


async def _hello(_: Request) -> Response:
    """Providers look at the root of a domain before they accept it as a target."""
    return PlainTextResponse("This is a webhook receiver.\n")


def _bears(request: Request, token: SecretStr) -> bool:
    given = request.headers.get("authorization", "").encode("latin-1", "replace")
    wanted = f"Bearer {reveal(token)}".encode()
    return hmac.compare_digest(sha256(given).digest(), sha256(wanted).digest())


async def _nothing(request: Request, _: Exception) -> Response:
    tell_lost(request.scope, "unknown path")
    return Response(status_code=404)


def public(endpoint: WebhookEndpoint) -> ASGIApp:
    """Webhooks go straight to their endpoint; Starlette has the rest. Never a redirect."""
    rest = Starlette(routes=[Route("/", _hello)], exception_handlers={404: _nothing})
    rest.router.redirect_slashes = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await endpoint(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return app


def admin(
    ready: Callable[[], dict[str, str | None]],
    lags: Callable[[], dict[str, dict[str, float]]],
    token: SecretStr | None = None,
) -> ASGIApp:
    """`/livez` says that the process runs, `/readyz` that it can do its work.

    ready: the checks by name, each with what is wrong, or None; called in a thread.
    lags: how long each event loop lets others wait, in seconds (`Watchdog.lags`); told beside the
    checks, and no reason to fail.
    token: what a request must bear (`Authorization: Bearer ...`) to see more than `/livez`.
    """

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    def readyz(request: Request) -> Response:
        if token is not None and not _bears(request, token):
            return Response(status_code=401, headers={"www-authenticate": "Bearer"})
        checks = ready()
        status = 503 if any(checks.values()) else 200
        return JSONResponse({"ready": status == 200, "checks": checks, "lag": lags()}, status)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz)])
