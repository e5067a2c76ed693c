"""A small HTTP server that remembers what it was asked and answers as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Web:
    """answers: (status, body) by "METHOD /path"; `default` for all others."""

    url: str
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    default: tuple[int, bytes] = (200, b"{}")
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def web() -> Iterator[Web]:
    """Serve on a free port of the loopback."""
    told = Web("")

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.asked.append(Asked(self.command, self.path, headers, body))
            status, answer = told.answers.get(f"{self.command} {self.path}", told.default)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
