"""
POST /webhooks/{account}: a plain ASGI callable, since every layer here is paid for by each webhook.

The statuses are chosen for the providers' retry rules: a 4xx only for what is wrong with the
request itself, a 503 for whatever is wrong with us, a 200 only when it is on disk.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send

from receiver.accounts import Account
from receiver.brief import brief
from receiver.commit import GroupCommit
from receiver.errors import Refused
from receiver.incoming import PACKED, BadBody, Gone, Packed, Reader
from receiver.ledger import Full, NonceReused, Result, Stored
from receiver.logs import get_logger
from receiver.notebook import Notebook
from receiver.provider import PATH_TOKEN, Headers
from receiver.quarantine import refusal
from receiver.receive import admit
from storage.database import AWAY

PREFIX = "/webhooks/"
RETRY_AFTER = 5  # seconds; Smooch's own back-off is longer, Sinch's first retry comes after 5
LINGER = 1.0  # seconds for which a body that is too long is still read, so that the 413 is seen

# In a scope: the error with which `express` could not store it, which is answered then.
FAILED = "hookline.failed"

log = get_logger()

# In a path, what may be a token: it is not logged.
_TOKEN = re.compile(r"(webhooks/[^/]+)/.+")

_GREETING = b"This address takes webhooks by POST.\n"


class WebhookEndpoint:
    """Verify, parse, store, answer.

    notebook: takes down what is refused, and which secret proved the rest.
    max_body: bytes. body_timeout: seconds for the whole body.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        commit: GroupCommit,
        notebook: Notebook,
        clock: Callable[[], datetime],
        *,
        max_body: int,
        body_timeout: float,
    ) -> None:
        self._accounts = accounts
        self._at = {f"{PREFIX}{name}": one for name, one in accounts.items() if one.receives}
        self._targets = {path.encode(): account for path, account in self._at.items()}
        self._stored: list[tuple[str, Stored, float]] = []  # not logged yet
        self._commit = commit
        self._notebook = notebook
        self._clock = clock
        self._reader = Reader(max_body, body_timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered whatever happens."""
        began = time.perf_counter()
        account, token = self._at.get(scope["path"]), ""
        if account is None:
            account, token = self._addressed(scope["path"])
        if account is None:
            await _answer(send, 404)
            tell_lost(scope, "unknown account")
            return
        if scope["method"] != "POST":
            await _other_method(scope, account.name, send)
            return
        if token:
            scope["headers"] = [*scope["headers"], (PATH_TOKEN, token.encode())]
        status, told = await self._handle(account, scope, receive)
        if status == 0:
            log.info("webhook_aborted", account=account.name, reason="no complete body came")
            return
        if status == 413:
            await _cut_off(send, receive)
        else:
            await _answer(send, status)
        if isinstance(told, str):
            ms = _ms(began, time.perf_counter())
            _tell(status, account.name, reason=told, client=_client(scope), ms=ms)
        else:
            brief("webhook_received", **_outcome(account.name, told, began, time.perf_counter()))

    def express(
        self,
        target: bytes,
        headers: Headers,
        body: bytes,
        tell: Callable[[Exception | None], None],
    ) -> bool:
        """The same for a POST that is as it should be, without waiting. False: it is not.

        tell: called later. None: it is on disk. An error: it could not be stored, and `__call__`
        is to answer it, with the error as FAILED in the scope.
        """
        began = time.perf_counter()
        account = self._targets.get(target)
        if account is None:
            return False
        try:
            self._reader.check(headers, body)
            delivery = admit(account, headers, body, self._clock())
            self._commit.submit(delivery, partial(self._expressed, account.name, began, tell))
        except Exception:  # it comes again in `__call__`, where it is answered
            return False
        self._notebook.used(account.name, delivery.secret)
        return True

    def _expressed(
        self,
        account: str,
        began: float,
        tell: Callable[[Exception | None], None],
        result: Result,
    ) -> None:
        if isinstance(result, Exception):
            tell(result)
            return
        tell(None)
        if not self._stored:
            asyncio.get_running_loop().call_soon(self._tell_stored)
        self._stored.append((account, result, began))

    def _tell_stored(self) -> None:
        """Log what one transaction stored, all together, which is a third of the work."""
        stored, self._stored = self._stored, []
        now = time.perf_counter()
        brief.lines("webhook_received", [_outcome(*one, now) for one in stored])

    def _addressed(self, path: str) -> tuple[Account | None, str]:
        """Whose path it is, and what stands in it after the account's name: "" or a token."""
        name, more, token = path[len(PREFIX) :].removesuffix("/").partition("/")
        account = self._accounts.get(name)
        inbound = account.provider.inbound if account else None
        if inbound is None or (more and not (token and PATH_TOKEN in inbound.proofs)):
            return None, ""
        return account, token

    async def _handle(
        self, account: Account, scope: Scope, receive_: Receive
    ) -> tuple[int, str | Stored]:
        """The status, and why, or what was stored. Status 0: there is nobody to answer."""
        body = b""
        try:
            body = await self._reader.read(scope["headers"], receive_, _client(scope))
            if FAILED in scope:
                raise scope[FAILED]
            delivery = admit(account, scope["headers"], body, self._clock())
            self._notebook.used(account.name, delivery.secret)
            stored = await self._commit.save(delivery)
        except NonceReused as reused:
            log.critical("nonce_reused", account=account.name, stored=False)
            return self._refused(account, scope, body, 401, str(reused))
        except Refused as refused:
            return self._refused(account, scope, body, 401, str(refused))
        except Packed as packed:
            return self._refused(account, scope, packed.body, 415, PACKED)
        except BadBody as bad:
            return bad.status, str(bad)
        except Gone:
            return 0, ""
        except Full:
            return 503, "too much is waiting"
        except TimeoutError as error:
            return 503, str(error)
        except AWAY as error:
            return 503, f"the database: {type(error).__name__}"
        except Exception as error:
            log.exception("webhook_bug", account=account.name, error=type(error).__name__)
            return 500, "a bug of ours"
        return 200, stored

    def _refused(
        self, account: Account, scope: Scope, body: bytes, status: int, reason: str
    ) -> tuple[int, str]:
        """Keep it, since it may be our own settings that are wrong."""
        kept = refusal(
            account,
            scope["headers"],
            body,
            peer=_client(scope),
            status=status,
            reason=reason,
            now=self._clock(),
        )
        self._notebook.refused(kept)
        return status, reason


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
        _tell(405, account, reason="method", client=_client(scope))
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
    path = _TOKEN.sub(r"\1/...", scope["raw_path"][:100].decode("ascii", "replace"))
    _tell(404, None, reason=reason, path=path, client=_client(scope))


def _tell(status: int, account: str | None, **fields: Any) -> None:
    if status >= 500:
        log.error("webhook_deferred", account=account, status=status, **fields)
    else:
        log.warning("webhook_refused", account=account, status=status, **fields)


def _outcome(account: str, stored: Stored, began: float, ended: float) -> dict[str, object]:
    """What is logged of it."""
    told: dict[str, object] = {
        "account": account,
        "events": stored.events,
        "new": stored.new,
        "unparsed": stored.unparsed,
        "ms": _ms(began, ended),
    }
    if stored.replayed:
        told["replay"] = True
    if stored.spooled:
        told["spooled"] = True
    return told


def _ms(began: float, ended: float) -> float:
    """Milliseconds, with two digits, for half of what `round` costs."""
    return int((ended - began) * 100_000) / 100
