"""
POST /webhooks/{account}: a plain ASGI callable, since every layer here is paid for by each webhook.

The statuses are chosen for the providers' retry rules: a 4xx only for what is wrong with the
request itself, a 503 for whatever is wrong with us, a 200 only when it is on disk.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from starlette.types import Receive, Scope, Send

from receiver.accounts import Account
from receiver.commit import Full, GroupCommit
from receiver.errors import Refused
from receiver.logs import get_logger
from receiver.receive import receive
from storage.database import AWAY
from storage.inbox import Delivery

PREFIX = "/webhooks/"
RETRY_AFTER = 5  # seconds; Smooch's own back-off is longer, Sinch's first retry comes after 5
LINGER = 1.0  # seconds for which a body that is too long is still read, so that the 413 is seen
LARGE = 64 * 1024  # bytes from which a body is read off the loop
ACK_DEADLINE = 5.0  # seconds; Smooch gives up waiting after 20

log = get_logger()

_GREETING = b"This address takes webhooks by POST.\n"


class BadBody(Exception):
    """The body did not come as it should; `status` says how to answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Gone(Exception):
    """The client went away before its body was complete."""


class WebhookEndpoint:
    """Verify, parse, store, answer.

    max_body: bytes. body_timeout: seconds for the whole body.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        commit: GroupCommit,
        clock: Callable[[], datetime],
        *,
        max_body: int,
        body_timeout: float,
    ) -> None:
        self._accounts = accounts
        self._commit = commit
        self._clock = clock
        self._max_body = max_body
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered whatever happens."""
        began = time.perf_counter()
        name = scope["path"][len(PREFIX) :].removesuffix("/")
        account = self._accounts.get(name)
        if account is None or not account.receives:
            await _answer(send, 404)
            tell_lost(scope, "unknown account")
            return
        if scope["method"] != "POST":
            await _other_method(scope, account.name, send)
            return
        status, fields = await self._handle(account, scope, receive)
        if status == 0:
            log.info("webhook_aborted", account=account.name, reason="no complete body came")
            return
        if status == 413:
            await _cut_off(send, receive)
        else:
            await _answer(send, status)
        if status != 200:
            fields["client"] = _client(scope)
        fields["ms"] = round((time.perf_counter() - began) * 1000, 2)
        _tell(status, account.name, fields)

    async def _handle(
        self, account: Account, scope: Scope, receive_: Receive
    ) -> tuple[int, dict[str, Any]]:
        """The status, and what the log says beside it. Status 0: there is nobody to answer."""
        try:
            _check_encoding(scope["headers"])
            body = await self._body(scope["headers"], receive_)
            delivery = await self._read(account, scope["headers"], body)
            async with asyncio.timeout(ACK_DEADLINE):
                new = await self._commit.save(delivery)
        except Refused as refused:
            return 401, {"reason": str(refused)}
        except BadBody as bad:
            return bad.status, {"reason": str(bad)}
        except Gone:
            return 0, {}
        except Full:
            return 503, {"reason": "too much is waiting"}
        except TimeoutError:
            return 503, {"reason": f"not stored within {ACK_DEADLINE:g} s"}
        except AWAY as error:
            return 503, {"reason": f"the database: {type(error).__name__}"}
        except Exception as error:
            log.exception("webhook_bug", account=account.name, error=type(error).__name__)
            return 500, {"reason": "a bug of ours"}
        return 200, {"events": len(delivery.events), "new": new, "unparsed": delivery.error}

    async def _read(
        self, account: Account, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> Delivery:
        now = self._clock()
        if len(body) > LARGE:
            return await asyncio.to_thread(receive, account, headers, body, now)
        return receive(account, headers, body, now)

    async def _body(self, headers: list[tuple[bytes, bytes]], receive_: Receive) -> bytes:
        """The whole body. Raises BadBody (413, 408) or Gone."""
        for key, value in headers:
            if key == b"content-length" and value.isdigit() and int(value[:20]) > self._max_body:
                raise BadBody(413, f"over {self._max_body} bytes")
        message = await receive_()  # nearly always all of it; if none comes, the edge ends this
        if message["type"] == "http.request" and not message.get("more_body"):
            return self._checked(message.get("body", b""))
        try:
            async with asyncio.timeout(self._body_timeout):  # costs more than all before it
                return await self._rest(message, receive_)
        except TimeoutError:
            raise BadBody(408, f"no complete body within {self._body_timeout:g} s") from None

    async def _rest(self, message: Any, receive_: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            if message["type"] != "http.request":
                raise Gone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body or not message.get("more_body"):
                return self._checked(b"".join(parts))
            message = await receive_()

    def _checked(self, body: bytes) -> bytes:
        if len(body) > self._max_body:
            raise BadBody(413, f"over {self._max_body} bytes")
        return body


def _check_encoding(headers: list[tuple[bytes, bytes]]) -> None:
    """No provider compresses webhooks; nothing is ever unpacked before it is verified."""
    for key, value in headers:
        if key == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise BadBody(415, "a content encoding")


def _start(status: int, *extra: tuple[bytes, bytes]) -> dict[str, Any]:
    headers = [(b"content-length", b"0"), *extra]
    return {"type": "http.response.start", "status": status, "headers": headers}


_EMPTY = {"type": "http.response.body", "body": b""}
_PREPARED = {status: _start(status) for status in (200, 401, 404, 415, 500)}
_PREPARED |= {status: _start(status, (b"connection", b"close")) for status in (408, 413)}
_PREPARED[503] = _start(503, (b"retry-after", str(RETRY_AFTER).encode()))
_PREPARED[405] = _start(405, (b"allow", b"GET, HEAD, POST"))


async def _answer(send: Send, status: int) -> None:
    await send(_PREPARED[status])
    await send(_EMPTY)


async def _cut_off(send: Send, receive: Receive) -> None:
    """Answer 413, then close. What is still being sent is thrown away for a moment before that:
    closed with something unread, a connection is reset, and the answer with it.
    """
    await send(_PREPARED[413])
    await send({**_EMPTY, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while (await receive()).get("more_body"):
                pass
    await send(_EMPTY)


async def _other_method(scope: Scope, account: str, send: Send) -> None:
    """Providers probe a target by HEAD or GET; anything else is refused."""
    method = scope["method"]
    if method not in ("GET", "HEAD"):
        await _answer(send, 405)
        _tell(405, account, {"reason": "method", "client": _client(scope)})
        return
    length = str(len(_GREETING)).encode()
    headers = [(b"content-length", length), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _GREETING if method == "GET" else b""})
    log.info("webhook_probed", account=account, method=method)


def _client(scope: Scope) -> str | None:
    """The peer's address; None on a Unix socket."""
    return scope["client"][0] if scope.get("client") else None


def tell_lost(scope: Scope, reason: str) -> None:
    """Log a 404 with the path as it came, for whoever registered the wrong one."""
    path = scope["raw_path"][:100].decode("ascii", "replace")
    _tell(404, None, {"reason": reason, "path": path, "client": _client(scope)})


def _tell(status: int, account: str | None, fields: dict[str, Any]) -> None:
    if status == 200:
        log.info("webhook_received", account=account, **fields)
    elif status >= 500:
        log.error("webhook_deferred", account=account, status=status, **fields)
    else:
        log.warning("webhook_refused", account=account, status=status, **fields)
