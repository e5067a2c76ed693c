"""The real `hookline serve` in a process of its own, and plain sockets to talk to it."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from receiver import samples
from storage.database import Database
from storage.queries import EventRow, Filter, events
from tests.conftest import NOW
from tests.parts.ports import free_port

SECRET = "a-secret-of-nobody"
PATH = "/webhooks/support"
COMMAND = [sys.executable, "-P", "-c", "from receiver.cli import main; main()"]

# What most tests need; more settings go before it, more accounts after it.
ACCOUNT = f"""
[accounts.support]
provider = "smooch"
webhook_secrets = ["{SECRET}"]
"""


@dataclass
class Serving:
    """A running process. url, admin: without a trailing slash. log: the file of its stderr."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    admin_port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def database_url(self) -> str:
        """Of the SQLite file that it has where hookline.toml names no database."""
        return f"sqlite:///{self.folder}/hookline.db"

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log so far, without a line that is still being written."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def said(self, event: str, *, within: float = 5.0, **wanted: Any) -> dict[str, Any]:
        """The newest log line of that name with these fields, once it is there."""
        until = time.monotonic() + within
        while True:
            for line in reversed(self.lines):
                if line["event"] == event and wanted.items() <= line.items():
                    return line
            assert time.monotonic() < until, f"no {event} {wanted} in:\n{self.log.read_text()}"
            time.sleep(0.02)

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextmanager
def serve(
    folder: Path,
    toml: str,
    *arguments: str,
    settings: dict[str, str] | None = None,
    ready: int = 200,
) -> Iterator[Serving]:
    """Run it with this hookline.toml, on free ports, until the block ends; ready on entry.

    settings: more of them, as HOOKLINE_... variables without the prefix.
    ready: what `/readyz` answers when it has started: 503 where its database is away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hookline.toml").write_text(toml)
    port, admin_port = free_port(), free_port()
    given = {"PORT": port, "ADMIN_PORT": admin_port, "LOG_FORMAT": "json", **(settings or {})}
    plain = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
    log = folder / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "serve", *arguments],
            cwd=folder,
            env={**plain, **{f"HOOKLINE_{name}": str(value) for name, value in given.items()}},
            stdout=stderr,
            stderr=stderr,
        )
    serving = Serving(process, folder, port, admin_port, log)
    try:
        _wait(serving, ready)
        yield serving
    finally:
        process.kill()
        process.wait()


def _wait(serving: Serving, ready: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if serving.process.poll() is not None:
            break
        try:
            if httpx.get(f"{serving.admin}/readyz", trust_env=False).status_code == ready:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"it did not start:\n{serving.log.read_text()}")


def stored(database_url: str) -> list[EventRow]:
    """All events, the oldest first."""
    database = Database(database_url)
    try:
        with database.read() as tx:
            return list(events(tx, Filter(limit=0)))[::-1]
    finally:
        database.close()


def is_stored(database_url: str, seed: str) -> bool:
    """Whether `message(seed)` is among them."""
    return message_id(seed) in {row.message_id for row in stored(database_url)}


def message_id(seed: str) -> str:
    """The id of `message(seed)`."""
    return str(json.loads(message(seed))["messages"][0]["_id"])


def message(seed: str = "1", **changes: Any) -> bytes:
    """A Smooch v1.1 message; another seed is another event."""
    body = samples.make("smooch", "message:appUser", seed=seed, now=NOW, version="v1.1")
    body["messages"][0] |= changes
    return json.dumps(body).encode()


def request(
    body: bytes = b"",
    *,
    method: str = "POST",
    target: str = PATH,
    key: str | None = SECRET,
    fields: Sequence[str] = (),
    host: str | None = "hooks.example.com",
    length: int | None = -1,
    version: str = "1.1",
) -> bytes:
    """A request as bytes. host, key or length None: without that field. length -1: the body's."""
    lines = [f"{method} {target} HTTP/{version}"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [f"X-API-Key: {key}"] if key is not None else []
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length < 0 else length}")
    lines += fields
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, size: int = 1000) -> bytes:
    """The body in chunks."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


@dataclass(frozen=True)
class Answer:
    """One response; header names in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Talk:
    """A connection. Reading ends with TimeoutError after `timeout` seconds of silence.

    source: the address that it comes from, one of this machine's 127.x.y.z.
    """

    def __init__(self, port: int, timeout: float = 15.0, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout, (source, 0))
        self._read = b""

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> bool:
        """Whether the other side still took it."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def reset(self) -> None:
        """Go away without a word of goodbye: RST in place of FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def answer(self, *, bodiless: bool = False) -> Answer | None:
        """The next response; None where the connection ends without one."""
        while b"\r\n\r\n" not in self._read:
            if not self._more():
                return None
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in rest)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if first.split(" ")[1] == "100":
            return self.answer(bodiless=bodiless)
        size = 0 if bodiless else int(headers.get("content-length", 0))
        while len(self._read) < size and self._more():
            pass
        body, self._read = self._read[:size], self._read[size:]
        return Answer(int(first.split(" ")[1]), headers, body)

    def line(self) -> bytes:
        """The next line and, of a response that is only told to go on, the empty one after it."""
        while b"\r\n\r\n" not in self._read and self._more():
            pass
        first, _, self._read = self._read.partition(b"\r\n\r\n")
        return first

    def closed(self) -> bool:
        """Whether the other side closes, with nothing more to say, before the timeout."""
        try:
            while self._more():
                pass
        except TimeoutError:
            return False
        return not self._read

    def _more(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            return False
        self._read += data
        return bool(data)


def ask(port: int, data: bytes, timeout: float = 15.0) -> Answer | None:
    """Send this on a connection of its own; the first response, None where there is none."""
    with Talk(port, timeout) as talk:
        talk.send(data)
        return talk.answer()
