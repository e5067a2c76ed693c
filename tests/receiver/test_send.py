"""The sender against servers that answer, and servers that do not: real sockets throughout."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from handlers.actions import Typing
from receiver.errors import SendError, Throttled, Unavailable, Uncertain
from receiver.options import AccountOptions
from receiver.provider import Exchange, Outbound, Provider, Recipient, Sent
from receiver.send import LIMIT, Sender

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A server on a port of its own; what it was asked, and how often."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def serving(behave: Behaviour, greeting: bytes = b"") -> AsyncIterator[Server]:
    """Reads the head of a request, then does as told, then hangs up."""
    server = Server("")
    writers = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        writer.write(greeting)
        try:
            server.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await behave(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def says(answer: bytes) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return behave


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def trickles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not reader.at_eof():
        writer.write(b"x")
        await asyncio.sleep(0.02)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, 0 s: close with a RST
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def with_body(body: bytes, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), headers, body)


class Bearer(httpx.Auth):
    """Fetches a token from elsewhere first."""

    def __init__(self, url: str) -> None:
        self.url = url

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        yield httpx.Request("POST", self.url)
        request.headers["Authorization"] = "Bearer canary"
        yield request


def provider(
    *requests: httpx.Request, closed: list[str] | None = None, auth: httpx.Auth | None = None
) -> Provider:
    """One whose exchange makes these requests and tells the statuses of their answers."""

    def carry_out(action: Any, recipient: Recipient, options: Any) -> Exchange:
        told = []
        try:
            for request in requests:
                response = yield request
                if response.status_code == 429:
                    raise Throttled("slow down")
                told.append((response.status_code, response.content))
        finally:
            if closed is not None:
                closed.append("closed")
        return Sent(raw={"told": told})

    return Provider("fake", AccountOptions, None, Outbound(carry_out, lambda *_: auth))


async def send(fake: Provider, deadline: float = 5.0) -> Sent:
    async with Sender(lambda: NOW, deadline=deadline) as sender:
        return await sender.send(
            "main", fake, AccountOptions(provider="fake"), Typing(), Recipient()
        )


def attempt(
    behave: Behaviour, method: str = "POST", deadline: float = 5.0
) -> tuple[Sent | SendError, Server]:
    """One request to a server that behaves so, and what came of it."""

    async def run() -> tuple[Sent | SendError, Server]:
        async with serving(behave) as server:
            fake = provider(httpx.Request(method, f"{server.url}/v1/secret-path"))
            try:
                return await send(fake, deadline), server
            except SendError as error:
                return error, server

    return asyncio.run(run())


def test_the_answer_reaches_the_exchange_read_and_unpacked() -> None:
    packed = gzip.compress(b'{"a": 1}')
    sent, _ = attempt(says(with_body(packed, b"Content-Encoding: gzip\r\n")))
    assert isinstance(sent, Sent)
    assert sent.raw["told"] == [(200, b'{"a": 1}')]


def test_an_exchange_may_take_several_requests() -> None:
    async def run() -> Sent:
        async with serving(says(OK)) as server:
            urls = (f"{server.url}/1", f"{server.url}/2")
            return await send(provider(*(httpx.Request("GET", url) for url in urls)))

    assert asyncio.run(run()).raw["told"] == [(200, b"{}"), (200, b"{}")]


# What happens -> what is known of a POST, and of a GET, which may be done again.
LOST = {
    "never answers": (never, 0.3, "timeout"),
    "one byte at a time": (trickles, 0.3, "timeout"),
    "reset before the answer": (resets, 5, "connection"),
    "hangs up before the answer": (says(b""), 5, "bad_response"),
    "hangs up in the middle": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
        5,
        "bad_response",
    ),
    "no HTTP": (says(b"\x16\x03\x01 what?\r\n\r\n"), 5, "bad_response"),
    "too large": (says(with_body(b"x" * 300 * 1024)), 5, "response_too_large"),
    "too large once unpacked": (
        says(with_body(gzip.compress(bytes(50_000_000)), b"Content-Encoding: gzip\r\n")),
        5,
        "response_too_large",
    ),
    "broken gzip": (says(with_body(b"not gzip", b"Content-Encoding: gzip\r\n")), 5, "bad_response"),
}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("POST", Uncertain),
        ("PATCH", Uncertain),
        ("GET", Unavailable),
        ("PUT", Unavailable),
        ("DELETE", Unavailable),
    ],
)
@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_uncertain_where_the_request_had_an_effect(
    fault: str, method: str, expected: type[SendError]
) -> None:
    behave, deadline, code = LOST[fault]
    error, server = attempt(behave, method, deadline)
    assert type(error) is expected
    assert isinstance(error, SendError)
    assert error.code == code
    assert "secret-path" not in str(error)
    assert len(server.requests) == 1


def test_the_largest_answer_that_is_taken_is_taken_whole() -> None:
    sent, _ = attempt(says(with_body(b"x" * LIMIT)))
    assert isinstance(sent, Sent)
    assert len(sent.raw["told"][0][1]) == LIMIT


def failure(request: httpx.Request, auth: httpx.Auth | None = None) -> SendError:
    with pytest.raises(SendError) as caught:
        asyncio.run(send(provider(request, auth=auth)))
    return caught.value


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_refused_connection_has_sent_nothing() -> None:
    error = failure(httpx.Request("POST", f"http://127.0.0.1:{free_port()}/"))
    assert (type(error), error.code) == (Unavailable, "connection")


def test_an_unknown_host_has_sent_nothing() -> None:
    error = failure(httpx.Request("POST", "http://nowhere.invalid/"))
    assert (type(error), error.code) == (Unavailable, "dns")
    assert "nowhere.invalid" in str(error)


def test_a_server_without_tls_has_sent_nothing() -> None:
    async def run() -> None:
        async with serving(says(OK), greeting=b"220 mail.example.com ready\r\n") as server:
            url = server.url.replace("http:", "https:")
            await send(provider(httpx.Request("POST", url)))

    with pytest.raises(Unavailable) as caught:
        asyncio.run(run())
    assert caught.value.code == "tls"


def test_a_token_that_cannot_be_fetched_has_sent_nothing() -> None:
    async def run() -> None:
        async with serving(says(OK)) as api, serving(says(b"")) as issuer:
            request = httpx.Request("POST", api.url)
            try:
                await send(provider(request, auth=Bearer(issuer.url)))
            finally:
                assert (len(issuer.requests), len(api.requests)) == (1, 0)

    with pytest.raises(Unavailable):
        asyncio.run(run())


def test_a_token_that_never_comes_has_sent_nothing() -> None:
    async def run() -> None:
        async with serving(says(OK)) as api, serving(never) as issuer:
            request = httpx.Request("POST", api.url)
            await send(provider(request, auth=Bearer(issuer.url)), deadline=0.3)

    with pytest.raises(Unavailable) as caught:
        asyncio.run(run())
    assert caught.value.code == "timeout"


def test_a_redirect_is_handed_on_and_no_credential_follows_it() -> None:
    async def run() -> tuple[Sent, int]:
        async with serving(says(OK)) as other, serving(says(OK)) as issuer:
            moved = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
            async with serving(says(moved % other.url.encode())) as api:
                request = httpx.Request("GET", api.url)
                sent = await send(provider(request, auth=Bearer(issuer.url)))
                return sent, len(other.requests)

    sent, reached = asyncio.run(run())
    assert sent.raw["told"] == [(302, b"")]
    assert reached == 0


def test_no_cookie_goes_from_one_account_to_another() -> None:
    async def run() -> list[bytes]:
        cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 0\r\n\r\n"
        async with serving(says(cookie)) as server:
            await send(provider(*(httpx.Request("GET", server.url) for _ in range(2))))
            return server.requests

    requests = asyncio.run(run())
    assert len(requests) == 2
    assert not any(b"cookie" in request.lower() for request in requests)


def test_what_the_adapter_reads_in_the_answer_passes_through() -> None:
    error, _ = attempt(says(b"HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n"))
    assert type(error) is Throttled


@pytest.mark.parametrize(
    "answer", [OK, b"", b"HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n"]
)
def test_the_exchange_is_always_closed(answer: bytes) -> None:
    closed: list[str] = []

    async def run() -> None:
        async with serving(says(answer)) as server:
            with suppress(SendError):
                await send(provider(httpx.Request("POST", server.url), closed=closed))

    asyncio.run(run())
    assert closed == ["closed"]


def test_a_bug_in_an_adapter_is_not_hidden() -> None:
    def carry_out(*_: Any) -> Exchange:
        raise KeyError("app_id")
        yield

    broken = Provider("fake", AccountOptions, None, Outbound(carry_out, lambda *_: None))
    with pytest.raises(KeyError):
        asyncio.run(send(broken))


def test_an_account_keeps_its_auth_and_another_has_its_own() -> None:
    made: list[Any] = []

    def auth(options: Any, clock: Callable[[], datetime]) -> None:
        made.append((options, clock()))

    def carry_out(*_: Any) -> Exchange:
        return Sent()
        yield

    fake = Provider("fake", AccountOptions, None, Outbound(carry_out, auth))
    options = AccountOptions(provider="fake")

    async def run() -> None:
        async with Sender(lambda: NOW) as sender:
            for account in ("a", "a", "b"):
                await sender.send(account, fake, options, Typing(), Recipient())

    asyncio.run(run())
    assert made == [(options, NOW), (options, NOW)]


def test_a_refused_credential_leaves_nothing_uncertain() -> None:
    """The request was answered 401 and the new token never comes: it was not carried out."""

    class Renewing(httpx.Auth):
        def auth_flow(
            self, request: httpx.Request
        ) -> Generator[httpx.Request, httpx.Response, None]:
            response = yield request
            if response.status_code == 401:
                yield httpx.Request("POST", f"http://127.0.0.1:{free_port()}/token")

    async def run() -> None:
        refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        async with serving(says(refused)) as api:
            await send(provider(httpx.Request("POST", api.url), auth=Renewing()))

    with pytest.raises(Unavailable):
        asyncio.run(run())
