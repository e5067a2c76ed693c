"""
OAuth 2 client credentials: a token fetched when first needed, kept, and renewed in time.

The flows yield requests and are sent responses, so they do no I/O of their own. One fetch serves
all calls that wait for it: the lock is held while the token is asked for.
https://developers.sinch.com/docs/conversation/api-reference/conversation/#authentication
"""

import threading
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import datetime, timedelta

import anyio
import httpx

from receiver import fields
from receiver.answers import refusal, summary
from receiver.credentials import Bearer
from receiver.errors import Rejected, SendError, Unauthorized, Unavailable, Unparsed
from receiver.options import reveal
from receiver.providers.sinch.options import SinchOptions

MARGIN = timedelta(seconds=60)  # a token is renewed this long before it ends
SHORTEST = timedelta(seconds=30)  # the least that Sinch documents for expires_in


class AccessToken(httpx.Auth):
    """One token for each account. A call that gets 401 fetches a new one, once.

    What the token's host answers is raised as a SendError: nothing has been sent by then.
    """

    requires_response_body = True

    def __init__(
        self, url: str, key_id: str, key_secret: str, clock: Callable[[], datetime]
    ) -> None:
        self._url = url
        self._basic = httpx.BasicAuth(key_id, key_secret)
        self._clock = clock
        self._token: str | None = None
        self._renew_at: datetime | None = None
        self._lock = threading.Lock()
        self._async_lock = anyio.Lock()

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """For a client in threads."""
        refused: str | None = None
        for _ in range(2):
            with self._lock:
                if self._needs_another(refused):
                    response = yield self._ask()
                    response.read()
                    self._keep(response)
                refused = self._put_on(request)
            response = yield request
            if response.status_code != 401:
                return

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """For a client in an event loop."""
        refused: str | None = None
        for _ in range(2):
            async with self._async_lock:
                if self._needs_another(refused):
                    response = yield self._ask()
                    await response.aread()
                    self._keep(response)
                refused = self._put_on(request)
            response = yield request
            if response.status_code != 401:
                return

    def _needs_another(self, refused: str | None) -> bool:
        """Whether there is no good token: none yet, ending soon, or the one just refused."""
        if self._token is None or self._renew_at is None:
            return True
        return self._token == refused or self._clock() >= self._renew_at

    def _put_on(self, request: httpx.Request) -> str | None:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return self._token

    def _ask(self) -> httpx.Request:
        request = httpx.Request("POST", self._url, data={"grant_type": "client_credentials"})
        return next(self._basic.auth_flow(request))

    def _keep(self, response: httpx.Response) -> None:
        """{"access_token", "expires_in": seconds, "token_type": "bearer"}"""
        request = httpx.Request("POST", self._url)
        if not response.is_success:
            raise _of_the_token(refusal(request, response))
        try:
            body = fields.load(response.content)
        except Unparsed as error:
            raise Unavailable(summary(request, response, str(error))) from None
        token = fields.text(body, "access_token")
        if token is None:
            raise Unavailable(summary(request, response, "access_token is missing"))
        life = _seconds(fields.get(body, "expires_in"))
        self._token = token
        self._renew_at = self._clock() + life - min(MARGIN, life / 2)


def _of_the_token(error: SendError) -> SendError:
    """A refused credential comes as 400 too, and a human mends it: never final for the action."""
    if isinstance(error, Rejected):
        return Unauthorized(str(error), status=error.status, code=error.code)
    return error


def _seconds(value: object) -> timedelta:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**7:
        return timedelta(seconds=value)
    return SHORTEST


def auth(options: SinchOptions, clock: Callable[[], datetime]) -> httpx.Auth | None:
    """The given token, else one fetched with the key; None where the settings lack both."""
    if options.token:
        return Bearer(reveal(options.token))
    if not options.key_id or not options.key_secret:
        return None
    return AccessToken(options.token_url, options.key_id, reveal(options.key_secret), clock)
