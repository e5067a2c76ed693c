"""The credentials that need no asking: a bearer token as it was given."""

from collections.abc import Generator

import httpx


class Bearer(httpx.Auth):
    """A token that somebody else keeps fresh."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header
        yield request
