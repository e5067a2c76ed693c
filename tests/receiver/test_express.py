"""The short way of a webhook: what is taken, what is answered when, and what goes the usual way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from starlette.types import Receive, Scope, Send

from receiver import express, serving
from receiver.endpoint import FAILED
from receiver.provider import Headers
from tests.parts.ports import free_port
from tests.parts.process import PATH, message, request

SHORT = timedelta(seconds=0.1)
LONG = 20.0  # seconds; over every limit there is

Tell = Callable[[Exception | None], None]


@dataclass
class Desk:
    """Takes what it is offered, and keeps it until the test has decided."""

    offered: list[tuple[bytes, Headers, bytes]] = field(default_factory=list)
    tells: "asyncio.Queue[Tell]" = field(default_factory=asyncio.Queue)
    usual: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def take(self, target: bytes, headers: Headers, body: bytes, tell: Tell) -> bool:
        self.offered.append((target, headers, body))
        self.tells.put_nowait(tell)
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The usual way: 503 for what could not be stored, 202 for the rest."""
        self.usual.append(scope)
        self.bodies.append((await receive())["body"])
        status = 503 if FAILED in scope else 202
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class Line:
    """A connection."""

    desk: Desk
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, bool]:
        """The status, and whether it is the last on this connection."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), b"connection: close" in head

    async def told(self, error: Exception | None) -> None:
        """Decide the oldest that was taken."""
        (await self.desk.tells.get())(error)


@asynccontextmanager
async def connected(
    keep_alive: float = LONG, deadline: timedelta | None = None
) -> AsyncIterator[Line]:
    desk, port = Desk(), free_port()
    limit = deadline or timedelta(seconds=LONG)
    http = express.protocol(desk.take, limit, limit)
    config = serving.configure(desk, http=http, port=port, timeout_keep_alive=keep_alive)
    async with asyncio.timeout(LONG), serving.listening([config]):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield Line(desk, reader, writer)
        writer.close()


def test_what_is_taken_is_answered_when_it_is_on_disk_and_the_connection_goes_on() -> None:
    async def main() -> None:
        async with connected() as line:
            for seed in ("one", "two"):
                line.send(request(message(seed)))
                await line.told(None)
                assert await line.answer() == (200, False)
            assert [offer[0] for offer in line.desk.offered] == [PATH.encode()] * 2
            assert [offer[2] for offer in line.desk.offered] == [message("one"), message("two")]
            assert line.desk.usual == []

    asyncio.run(main())


def test_the_answer_says_that_it_is_the_last_one_where_the_client_wanted_that() -> None:
    async def main() -> None:
        async with connected() as line:
            line.send(request(message(), fields=["Connection: close"]))
            await line.told(None)
            assert await line.answer() == (200, True)
            assert await line.reader.read() == b""

    asyncio.run(main())


@pytest.mark.parametrize("fields", [[], ["Connection: close"]])
def test_what_could_not_be_stored_is_answered_by_the_application(fields: list[str]) -> None:
    async def main() -> None:
        async with connected() as line:
            line.send(request(message(), fields=fields))
            error = TimeoutError("too late")
            await line.told(error)
            assert await line.answer() == (503, bool(fields))
            [scope], [body] = line.desk.usual, line.desk.bodies
            assert (scope["method"], scope["path"], scope["raw_path"]) == (
                "POST",
                PATH,
                PATH.encode(),
            )
            assert scope["headers"] == line.desk.offered[0][1]
            assert scope[FAILED] is error
            assert body == message()

    asyncio.run(main())


@pytest.mark.parametrize("error", [None, TimeoutError("too late")])
def test_who_does_not_wait_for_the_answer_gets_them_in_order(error: Exception | None) -> None:
    first = 200 if error is None else 503

    async def main() -> None:
        async with connected() as line:
            line.send(request(message("first")))
            tell = await line.desk.tells.get()
            line.send(request(message("second")) + request(message("third")))
            await asyncio.sleep(0.05)
            tell(error)
            assert [(await line.answer())[0] for _ in range(3)] == [first, 202, 202]
            assert line.desk.bodies[-2:] == [message("second"), message("third")]
            line.send(request(message("fourth")))
            await line.told(None)
            assert await line.answer() == (200, False)

    asyncio.run(main())


def test_what_comes_in_pieces_or_is_addressed_otherwise_goes_the_usual_way() -> None:
    absolute = f"http://here{PATH}"

    async def main() -> None:
        async with connected() as line:
            data = request(message())
            line.send(data[:-5])
            await asyncio.sleep(0.05)
            line.send(data[-5:])
            assert await line.answer() == (202, False)
            line.send(request(message(), target=absolute, host="here"))
            assert await line.answer() == (202, False)
            line.send(request(method="PUT", length=0))
            assert await line.answer() == (202, False)
            assert line.desk.offered == []

    asyncio.run(main())


def test_a_trailer_is_no_header_of_what_is_taken() -> None:
    data = request(b"", length=None, fields=["Transfer-Encoding: chunked"])

    async def main() -> None:
        async with connected() as line:
            line.send(data + b"2\r\n{}\r\n0\r\nX-Late: 1\r\n\r\n")
            await line.told(None)
            assert await line.answer() == (200, False)
            [(_, headers, body)] = line.desk.offered
            assert b"x-late" not in dict(headers)
            assert body == b"{}"

    asyncio.run(main())


def test_a_connection_that_has_nothing_more_to_say_is_closed() -> None:
    async def main() -> None:
        async with connected(keep_alive=0.3, deadline=SHORT) as line:
            line.send(request(message()))
            await asyncio.sleep(0.4)
            await line.told(None)  # nobody is idle who waits for an answer
            assert await line.answer() == (200, False)
            assert await line.reader.read() == b""

    asyncio.run(main())


def test_a_client_that_has_gone_is_told_nothing() -> None:
    async def main() -> None:
        async with connected() as line:
            line.send(request(message()))
            tell = await line.desk.tells.get()
            line.writer.close()
            await asyncio.sleep(0.05)
            tell(None)
            tell(TimeoutError("too late"))

    asyncio.run(main())
