"""`serve` and `work`: a node, its listeners, and a stop that loses nothing."""

import asyncio
import contextlib
import gc
import ipaddress
import os
import sys
import threading
import time

import uvicorn

from receiver import app, express, loops, serving
from receiver.logs import configure, get_logger
from receiver.node import CannotStart, Node
from receiver.plugins import load_handlers
from receiver.registry import PROVIDERS
from receiver.settings import Settings, secrets
from receiver.sink import PAUSE, sink

LONGEST = 9.5  # seconds for a whole stop; those who run containers usually kill after 10

log = get_logger()


def start(settings: Settings, *, receives: bool, works: bool) -> None:
    """Run until SIGTERM or SIGINT. Raises CannotStart, BadHandler or OSError before it serves."""
    with sink(sys.stderr) as out:
        hidden = secrets(settings)
        configure(settings.log_format, settings.log_level, hidden=hidden, stream=out)
        router = load_handlers(settings.handlers)
        _refuse_open_doors(settings, receives)
        node = Node(settings, router, receives, works)
        with asyncio.Runner(loop_factory=loops.kind()) as runner:
            runner.run(_run(node))
    if node.left_behind:
        os._exit(0)  # Python would wait for the threads that the handler has started


def _refuse_open_doors(settings: Settings, receives: bool) -> None:
    """What would let everybody in, or lead nowhere, is no way to start."""
    if receives and not settings.accounts:
        raise CannotStart("no account is configured: add an [accounts.NAME] table to hookline.toml")
    for name, options in settings.accounts.items():
        receives_any = receives and PROVIDERS[options.provider].inbound is not None
        if receives_any and (open_door := options.unguarded()):
            raise CannotStart(f"accounts.{name}.{open_door}")
    if not _loopback(settings.admin_host) and settings.admin_token is None:
        raise CannotStart("admin_host is not the loopback: set admin_token, or leave it there")


def _loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


async def _run(node: Node) -> None:
    async with node.running(), serving.listening(listeners(node)):
        _settle_in()
        log.info("started", receives=node.receives, works=node.works, **_where(node.settings))
        await serving.until_stopped()
        log.info("stopping")
        _end_within(LONGEST)
        node.stop()
    log.info("stopped")


def _settle_in() -> None:
    """Spare Python's search for reference cycles what stays for ever, and do it more rarely: with
    its defaults it took a quarter of a webhook's time, and now and then a tenth of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _end_within(seconds: float) -> None:
    """The end at the latest: a database that hangs is not waited for for ever.

    Nothing that was acknowledged is in memory only, so this is no worse than any other crash.
    """
    timer = threading.Timer(seconds, _give_up)
    timer.daemon = True
    timer.start()


def _give_up() -> None:
    log.error("stopped_early", part="process")
    time.sleep(3 * PAUSE)  # the log is written meanwhile
    os._exit(1)


def listeners(node: Node) -> list[uvicorn.Config]:
    """The public listener, where this node receives, and the admin one."""
    settings = node.settings
    found = []
    if node.public is not None and node.express is not None:
        place = (
            {"uds": settings.uds}
            if settings.uds
            else {"host": settings.host, "port": settings.port}
        )
        trusted = ["*"] if settings.uds else settings.trusted_proxies
        http = express.protocol(node.express, settings.header_timeout, settings.body_timeout)
        found.append(
            serving.configure(node.public, http=http, forwarded_allow_ips=trusted, **place)
        )
    admin = app.admin(node.checks, node.watchdog.lags, settings.admin_token)
    found.append(serving.configure(admin, host=settings.admin_host, port=settings.admin_port))
    return found


def _where(settings: Settings) -> dict[str, str]:
    public = settings.uds or f"{settings.host}:{settings.port}"
    return {"public": public, "admin": f"{settings.admin_host}:{settings.admin_port}"}
