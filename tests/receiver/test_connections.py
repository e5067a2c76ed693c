"""Connections to providers: used again, one for each request under way, never a broken one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from receiver.connections import Connections

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request on a connection with the same; counts the connections."""

    def __init__(self, answer: bytes, *, hangs_up: bool) -> None:
        self.answer, self.hangs_up = answer, hangs_up
        self.url = ""
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.busy = 0
        self.all_here = asyncio.Event()
        self.expected = 1

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        ended = (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError)
        with contextlib.suppress(*ended):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.busy += 1
                if self.busy >= self.expected:
                    self.all_here.set()
                await self.all_here.wait()
                writer.write(self.answer)
                await writer.drain()
                if self.hangs_up:
                    break
        writer.close()


@asynccontextmanager
async def serving(answer: bytes = OK, *, hangs_up: bool = False) -> AsyncIterator[Server]:
    server = Server(answer, hangs_up=hangs_up)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    try:
        yield server
    finally:
        listener.close()
        for writer in server.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def get(connections: Connections, url: str) -> bytes:
    request = httpx.Request("GET", url)
    async with connections.taken(request.url) as connection:
        response = await connection.handle_async_request(request)
        return await response.aread()


def test_a_connection_is_used_again() -> None:
    async def main() -> None:
        connections = Connections()
        async with serving() as server:
            for _ in range(3):
                assert await get(connections, server.url) == b"{}"
            assert server.connections == 1
            await connections.aclose()

    asyncio.run(main())


def test_requests_at_once_have_one_each_and_later_ones_use_these() -> None:
    async def main() -> None:
        connections = Connections()
        async with serving() as server:
            server.expected = 5
            async with asyncio.timeout(10):
                await asyncio.gather(*[get(connections, server.url) for _ in range(5)])
                await asyncio.gather(*[get(connections, server.url) for _ in range(5)])
            assert server.connections == 5
            await connections.aclose()

    asyncio.run(main())


def test_where_the_server_has_hung_up_it_is_called_again() -> None:
    async def main() -> None:
        connections = Connections()
        async with serving(hangs_up=True) as server:
            for _ in range(3):
                assert await get(connections, server.url) == b"{}"
                await asyncio.sleep(0.05)
            assert server.connections == 3
            await connections.aclose()

    asyncio.run(main())


def test_what_broke_in_the_middle_is_not_used_again() -> None:
    async def main() -> None:
        connections = Connections()
        async with serving(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", hangs_up=True
        ) as server:
            with pytest.raises(httpx.RemoteProtocolError):
                await get(connections, server.url)
            server.answer, server.hangs_up = OK, False
            assert await get(connections, server.url) == b"{}"
            assert server.connections == 2
            await connections.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("url", ["ftp://example.com/", "unix:///run/x"])
def test_nothing_is_sent_by_other_protocols(url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        asyncio.run(get(Connections(), url))
