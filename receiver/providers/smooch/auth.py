"""
How a call to Smooch is authenticated: a JWT made from the key, Basic, or a token as given.

https://docs.smooch.io/rest/#authentication
"""

import json
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any

import httpx
from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm

from receiver.credentials import Bearer
from receiver.options import reveal
from receiver.providers.smooch.options import SmoochOptions

LIFE = timedelta(hours=1)
MARGIN = timedelta(minutes=5)  # a token is renewed this long before it ends


class _AnyLength(HMACAlgorithm):
    """HS256 for the secrets that Smooch gives out: 24 characters, of which PyJWT would warn."""

    def check_key_length(self, key: bytes) -> str | None:
        return None


_JWS = PyJWS()
_JWS.unregister_algorithm("HS256")
_JWS.register_algorithm("HS256", _AnyLength(HMACAlgorithm.SHA256))


def token(key_id: str, secret: str, claims: dict[str, Any]) -> str:
    """A JWT with these claims, and no others, signed with the key."""
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return _JWS.encode(payload, secret, algorithm="HS256", headers={"kid": key_id})


class KeyToken(httpx.Auth):
    """A JWT that lives for an hour, made when it is first needed and again before it ends."""

    def __init__(self, key_id: str, secret: str, scope: str, clock: Callable[[], datetime]) -> None:
        self._key_id = key_id
        self._secret = secret
        self._scope = scope
        self._clock = clock
        self._token = ""
        self._renew_at: datetime | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._current()}"
        yield request

    def _current(self) -> str:
        now = self._clock()
        if self._renew_at is None or now >= self._renew_at:
            claims = {
                "scope": self._scope,
                "iat": int(now.timestamp()),
                "exp": int((now + LIFE).timestamp()),
            }
            self._token = token(self._key_id, self._secret, claims)
            self._renew_at = now + LIFE - MARGIN
        return self._token


def auth(options: SmoochOptions, clock: Callable[[], datetime]) -> httpx.Auth | None:
    """What the account's settings ask for; None where they lack the credential."""
    if options.auth_kind == "token":
        return Bearer(reveal(options.token)) if options.token else None
    if not options.key_id or not options.key_secret:
        return None
    secret = reveal(options.key_secret)
    if options.auth_kind == "basic":
        return httpx.BasicAuth(options.key_id, secret)
    return KeyToken(options.key_id, secret, options.scope, clock)
