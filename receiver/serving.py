"""uvicorn as a library: several listeners in one loop, and our own way to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

GRACE = 8  # seconds for what is under way; the whole stop takes at most 10


class Server(uvicorn.Server):
    """A listener that leaves the signals to `until_stopped`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: there are several listeners and one process."""
        yield


def configure(app: ASGIApp, **options: Any) -> uvicorn.Config:
    """What all listeners have in common. options: host and port, or uds, and uvicorn's own."""
    return uvicorn.Config(
        app,
        **{
            "lifespan": "off",
            "ws": "none",
            "access_log": False,
            "log_config": None,
            "server_header": False,
            "date_header": False,
            "timeout_graceful_shutdown": GRACE,
            "timeout_keep_alive": 75,
            "backlog": 2048,
            **options,
        },
    )


@asynccontextmanager
async def listening(configs: Sequence[uvicorn.Config]) -> AsyncIterator[list[Server]]:
    """All of them accept connections from here on; afterwards none does and all have answered.

    Raises OSError where an address cannot be had.
    """
    servers = [Server(config) for config in configs]
    tasks: list[asyncio.Task[None]] = []
    try:
        for server in servers:
            task = asyncio.create_task(_serve(server))
            tasks.append(task)
            while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.01)
            if task.done():
                task.result()
        yield servers
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(server: Server) -> None:
    """uvicorn logs a refused address and exits the process; here it is an OSError."""
    try:
        await server.serve()
    except SystemExit:
        where = server.config.uds or f"{server.config.host}:{server.config.port}"
        raise OSError(f"cannot listen on {where}: it is in use, or not allowed") from None


async def until_stopped() -> None:
    """Wait for SIGTERM or SIGINT. A second one ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def address(server: Server) -> str:
    """Where a started server listens, as a URL."""
    return f"http://{server.config.host}:{server.config.port}"


def free_port() -> int:
    """A loopback port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
