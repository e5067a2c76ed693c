"""Runs any ASGI app on a free loopback port: inside a running loop, or in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

_GRACE = 1  # seconds that open connections get at the end


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE
    )
    return uvicorn.Server(config)


def _listener(port: int) -> tuple[socket.socket, str]:
    """A bound socket, so that the port cannot be taken in between, and its address."""
    listener = socket.create_server(("127.0.0.1", port))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serve `app` while the block runs; gives its address. Port 0 is any free one."""
    listener, url = _listener(port)
    server = _server(app)
    # _serve leaves signals alone: they belong to whoever runs the loop.
    task = asyncio.create_task(server._serve([listener]))
    try:
        while not server.started:
            if task.done():
                await task
                raise RuntimeError("the server stopped before it had started")
            await asyncio.sleep(0.005)
        yield url
    finally:
        server.should_exit = True
        await task
        listener.close()


@contextmanager
def serving_in_thread(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """The same for code that has no loop."""
    ready = threading.Event()
    addresses: list[str] = []
    failures: list[BaseException] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        done = asyncio.Event()
        async with serving(app, port) as url:
            addresses.append(url)
            stop.append((asyncio.get_running_loop(), done))
            ready.set()
            await done.wait()

    def body() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=body, name="standin", daemon=True)
    thread.start()
    ready.wait()
    if failures:
        raise failures[0]
    try:
        yield addresses[0]
    finally:
        loop, done = stop[0]
        loop.call_soon_threadsafe(done.set)
        thread.join()
