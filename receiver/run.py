"""`serve` and `work`: a node, its listeners, and a stop that loses nothing."""

import asyncio
import contextlib
import ipaddress

import uvicorn

from receiver import app, edge, serving
from receiver.logs import configure, get_logger
from receiver.node import CannotStart, Node
from receiver.plugins import load_handlers
from receiver.registry import PROVIDERS
from receiver.settings import Settings, secrets

log = get_logger()


def start(settings: Settings, *, receives: bool, works: bool) -> None:
    """Run until SIGTERM or SIGINT. Raises CannotStart, BadHandler or OSError before it serves."""
    configure(settings.log_format, settings.log_level, hidden=secrets(settings))
    router = load_handlers(settings.handlers)
    _refuse_open_doors(settings, receives)
    runner = asyncio.Runner(loop_factory=_loop_factory())
    with runner:
        runner.run(_run(Node(settings, router, receives, works)))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.Loop


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
    async with node.running():
        async with serving.listening(listeners(node)):
            log.info("started", receives=node.receives, works=node.works, **_where(node.settings))
            await serving.until_stopped()
        log.info("stopping")
    log.info("stopped")


def listeners(node: Node) -> list[uvicorn.Config]:
    """The public listener, where this node receives, and the admin one."""
    settings = node.settings
    found = []
    if node.public is not None:
        place = (
            {"uds": settings.uds}
            if settings.uds
            else {"host": settings.host, "port": settings.port}
        )
        trusted = ["*"] if settings.uds else settings.trusted_proxies
        http = edge.protocol(settings.header_timeout, settings.body_timeout)
        found.append(
            serving.configure(node.public, http=http, forwarded_allow_ips=trusted, **place)
        )
    admin = app.admin(node.checks, settings.admin_token)
    found.append(serving.configure(admin, host=settings.admin_host, port=settings.admin_port))
    return found


def _where(settings: Settings) -> dict[str, str]:
    public = settings.uds or f"{settings.host}:{settings.port}"
    return {"public": public, "admin": f"{settings.admin_host}:{settings.admin_port}"}
