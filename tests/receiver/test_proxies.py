"""What a proxy does with a webhook on its way, and what of it must make no difference."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from receiver.registry import PROVIDERS
from tests.conftest import missing
from tests.parts import nginx as proxies
from tests.parts.cable import cable
from tests.parts.process import (
    ACCOUNT,
    PATH,
    SECRET,
    Answer,
    Serving,
    Talk,
    ask,
    chunked,
    message,
    message_id,
    request,
    serve,
    stored,
)
from tests.receiver.reception import texted

SINCH = f"""
[accounts.texts]
provider = "sinch"
webhook_secrets = ["{SECRET}"]
"""
AGAIN = {
    "proxy_next_upstream off;": "proxy_next_upstream error timeout non_idempotent;",
    "# The provider sends again; nginx must not.": "",
}
UPSTREAM = "server 127.0.0.1:8000 max_fails=0;"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A receiver that waits two seconds for a body."""
    toml = f'body_timeout = "2s"\n{ACCOUNT}{SINCH}'
    with serve(tmp_path_factory.mktemp("server"), toml, "--no-work") as running:
        yield running


@contextmanager
def proxied(folder: Path, upstream: int, changes: dict[str, str]) -> Iterator[int]:
    """The port of nginx in front of it."""
    try:
        with proxies.nginx(folder, upstream, changes) as port:
            yield port
    except FileNotFoundError as error:
        missing(str(error))


@pytest.fixture(scope="module")
def proxy(server: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """nginx that waits as long, and speaks HTTP/2 where it knows how to be told."""
    changes = {"client_body_timeout 15s;": "client_body_timeout 2s;"}
    if proxies.version() >= (1, 25, 1):
        changes["server_tokens off;"] = "server_tokens off; http2 on;"
    with proxied(tmp_path_factory.mktemp("nginx"), server.port, changes) as port:
        yield port


@pytest.fixture(params=["direct", "nginx"])
def way(request: pytest.FixtureRequest) -> str:
    """How a request gets there."""
    return str(request.param)


@pytest.fixture
def port(way: str, server: Serving, request: pytest.FixtureRequest) -> int:
    """The port at which that way begins."""
    return server.port if way == "direct" else int(request.getfixturevalue("proxy"))


def test_a_proxy_that_sends_a_webhook_again_makes_no_second_event(
    server: Serving, tmp_path: Path
) -> None:
    with cable(server.port) as line:
        ways = f"server 127.0.0.1:{line.port} max_fails=0;\n{UPSTREAM[:-1]} backup;"
        changes = {**AGAIN, UPSTREAM: ways}
        with proxied(tmp_path / "nginx", server.port, changes) as port:
            line.cut_after = b"POST "
            answer = ask(port, request(message("twice")))
        assert line.cuts == 1, "the first answer was lost"
    assert answer is not None
    assert answer.status == 200
    rows = [row for row in stored(server.database_url) if row.message_id == message_id("twice")]
    assert len(rows) == 1
    told = [line["new"] for line in server.lines if line["event"] == "webhook_received"]
    assert told[-2:] == [1, 0]


def test_a_client_that_asks_first_and_sends_nothing_is_not_waited_for(
    way: str, port: int, server: Serving
) -> None:
    data = request(message(f"{way} nothing"), fields=["Expect: 100-continue"])
    head, _, _ = data.partition(b"\r\n\r\n")
    with Talk(port) as talk:
        talk.send(head + b"\r\n\r\n")
        assert talk.line().startswith(b"HTTP/1.1 100 ")
        answer = talk.answer()
        assert answer is None or answer.status == 408
        assert talk.closed()
    ids = {row.message_id for row in stored(server.database_url)}
    assert message_id(f"{way} nothing") not in ids


def signed(body: bytes, nonce: str) -> list[str]:
    """The fields that Sinch sends with this body."""
    inbound = PROVIDERS["sinch"].inbound
    assert inbound is not None
    headers = inbound.sign(body, SECRET.encode(), datetime.now(UTC), nonce)
    return [f"{name}: {value}" for name, value in headers.items()]


@pytest.mark.parametrize("size", [7, 100, None])
def test_a_signature_is_that_of_the_bytes_however_they_were_cut_on_the_way(
    size: int | None, way: str, port: int, server: Serving
) -> None:
    body = texted(1000 * (size or 0) + len(way))
    fields = signed(body, f"{way}-{size}")
    target = "/webhooks/texts"
    if size is None:
        data = request(body, target=target, key=None, fields=fields)
    else:
        coding = [*fields, "Transfer-Encoding: chunked"]
        cut = chunked(body, size)
        data = request(cut, target=target, key=None, fields=coding, length=None)
    answer = ask(port, data)
    assert answer is not None
    assert answer.status == 200
    assert [row.body for row in stored(server.database_url) if row.body == body] == [body]


def test_the_same_json_written_otherwise_is_not_what_was_signed(way: str, port: int) -> None:
    body = texted(5)
    other = json.dumps(json.loads(body), separators=(",", ":")).encode()
    assert (other != body, json.loads(other)) == (True, json.loads(body))
    fields = signed(body, f"{way}-rewritten")
    answer = ask(port, request(other, target="/webhooks/texts", key=None, fields=fields))
    assert answer is not None
    assert answer.status == 401


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """https://www.rfc-editor.org/rfc/rfc9113#section-4.1"""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: str, value: str) -> bytes:
    """A field without index and Huffman code: https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2"""
    return b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


def ask_http2(port: int, body: bytes, key: str) -> int:
    """The status of one POST over HTTP/2, without TLS."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": PATH,
        ":authority": proxies.NAME,
        "x-api-key": key,
    }
    head = b"".join(literal(name, value) for name, value in fields.items())
    with socket.create_connection(("127.0.0.1", port), 10) as talk:
        talk.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        talk.sendall(frame(1, 4, 1, head) + frame(0, 1, 1, body))
        with talk.makefile("rb") as file:
            while True:
                start = file.read(9)
                payload = file.read(int.from_bytes(start[:3], "big"))
                if start[3] == 1:
                    return _status(payload.lstrip(b"\x20\x3f"))


def _status(block: bytes) -> int:
    """The first field, which has 200 as number 8 of the static table, or its digits."""
    return 200 if block[0] == 0x88 else int(block[2:5])


def test_every_version_of_http_gives_the_same_row(proxy: int, server: Serving) -> None:
    if proxies.version() < (1, 25, 1):
        pytest.skip("this nginx has another way to be told of HTTP/2")
    bodies = [message(f"version {number}") for number in range(3)]
    one, old = ask(proxy, request(bodies[0])), ask(proxy, request(bodies[1], version="1.0"))
    assert isinstance(one, Answer)
    assert isinstance(old, Answer)
    assert (one.status, old.status, ask_http2(proxy, bodies[2], SECRET)) == (200, 200, 200)
    rows = [row for row in stored(server.database_url) if row.body in bodies]
    assert [row.body for row in rows] == bodies
    same = {(row.account, row.type, row.trigger, row.user, row.channel, row.error) for row in rows}
    assert len(same) == 1
    assert ask_http2(proxy, bodies[2], "wrong") == 401
