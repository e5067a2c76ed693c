"""
The receiver under full load for minutes: `python -m tests.soak.memory --minutes 10`.

What it holds is looked at every second: resident memory, files and sockets, the size of SQLite's
log. Each webhook is new, so the database grows: some 600 MB a minute (TMPDIR says where).
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from pathlib import Path

from receiver.bench import bodies
from receiver.bench.load import Connection, Load, Order, loop_factory, percentile
from receiver.serving import free_port
from tests.soak import command
from tests.soak.client import ACCOUNTS, until_served
from tests.soak.command import Tell
from tests.soak.processes import KINDS, SPARE, Hookline, database, toml

EVERY = 1.0  # seconds between two looks
SIGNED = 500  # webhooks that get their times of one moment
_COUNTER = str(Path(__file__).parent / "counting.py")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. works: with a worker in the same process."""

    minutes: float = 10.0
    connections: int = 64
    users: int = 2000
    works: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """rss: MiB. descriptors: files and sockets. wal: MiB of SQLite's log."""

    rss: float
    descriptors: int
    wal: float


@dataclass(frozen=True, slots=True)
class Result:
    """rss_*: MiB; rss_growth: from after the first minute (or a fifth of the time) to the end, the
    medians of ten looks each. rss_every: one in sixty of them. open_*: files and sockets."""

    seconds: float
    answered: int
    rate: float
    p99: float
    not_200: int
    broken: int
    rss_first: float
    rss_last: float
    rss_max: float
    rss_growth: float
    rss_every: list[float]
    open_before: int
    open_max: int
    open_after: int
    wal_max: float
    database_mib: float
    exit_code: int
    surprises: int

    def problems(self) -> list[str]:
        """The promises that were broken."""
        found = {
            "there was no load": not self.answered,
            "webhooks were not answered 200": self.not_200,
            "connections ended under a request": self.broken,
            "sockets were not given back": self.open_after > self.open_before + SPARE,
            "it did not stop as it should": self.exit_code,
            "there are tracebacks in the log": self.surprises,
        }
        return [words for words, broken in found.items() if broken]


@dataclass(slots=True)
class _Load(Load):
    """One whose connections can be closed."""

    transports: list[asyncio.BaseTransport] = field(default_factory=list)

    async def connect(self) -> None:
        """One more connection."""
        address = ("127.0.0.1", self.order.port)
        made = await self.loop.create_connection(lambda: Connection(self), *address)
        self.transports.append(made[0])

    def close(self) -> None:
        """Go away."""
        self.done.cancel()
        for transport in self.transports:
            transport.close()


def run(plan: Plan, url: str, folder: Path, tell: Tell = command.nobody) -> Result:
    """Do it on this empty database."""
    port = free_port()
    settings = {
        "database_url": url,
        "port": port,
        "admin_port": free_port(),
        "log_level": "error",
        "handlers": [_COUNTER] if plan.works else [],
    }
    arguments = ("serve",) if plan.works else ("serve", "--no-work")
    with Hookline(folder / "served", toml(settings, ACCOUNTS), *arguments) as process:
        process.start()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(_measure(plan, process, port, url, tell))


async def _measure(plan: Plan, process: Hookline, port: int, url: str, tell: Tell) -> Result:
    await until_served(process, port)
    before = process.descriptors()
    loop = asyncio.get_running_loop()
    order = Order(port, "", plan.connections, 0, plan.minutes * 60)
    load = _Load(order, _requests(plan.users), loop.create_future(), loop)
    looks: list[Look] = []
    looking = asyncio.create_task(_look(plan, process, url, looks, tell))
    took = await load.run()
    looking.cancel()
    times, looks = sorted(load.times), [*looks, _now(process, url)]
    load.close()
    after = await asyncio.to_thread(process.freed, before)
    code = await asyncio.to_thread(process.stop)
    rss = [look.rss for look in looks]
    return Result(
        seconds=round(took, 1),
        answered=len(times),
        rate=round(len(times) / took, 1),
        p99=percentile(times, 0.99),
        not_200=sum(n for status, n in load.statuses.items() if status != b"200"),
        broken=load.broken,
        rss_first=rss[0],
        rss_last=rss[-1],
        rss_max=max(rss),
        rss_growth=growth(rss, int(min(60, plan.minutes * 12) / EVERY)),
        rss_every=rss[:: max(1, len(rss) // 60)],
        open_before=before,
        open_max=max(look.descriptors for look in looks),
        open_after=after,
        wal_max=max(look.wal for look in looks),
        database_mib=_size(url),
        exit_code=code,
        surprises=process.surprises(),
    )


def _requests(users: int) -> Iterator[bytes]:
    """All different, signed shortly before they are sent."""
    hooks = (bodies.hooks(SIGNED, users, start) for start in count(0, SIGNED))
    return (hook.request() for hook in chain.from_iterable(hooks))


async def _look(plan: Plan, process: Hookline, url: str, looks: list[Look], tell: Tell) -> None:
    began = time.monotonic()
    while True:
        looks.append(_now(process, url))
        done = (time.monotonic() - began) / (plan.minutes * 60)
        tell(f"{looks[-1].rss} MiB", done)
        await asyncio.sleep(EVERY)


def _now(process: Hookline, url: str) -> Look:
    return Look(process.memory(), process.descriptors(), _size(url, "-wal"))


def _size(url: str, suffix: str = "") -> float:
    """MiB of SQLite's file; 0 where the database is another."""
    file = Path(url.removeprefix("sqlite:///") + suffix)
    return round(file.stat().st_size / 2**20, 1) if file.exists() else 0.0


def growth(rss: Sequence[float], skipped: int) -> float:
    """MiB from the ten looks after the first `skipped` to the last ten."""
    later = rss[min(skipped, len(rss) - 1) :]
    return round(statistics.median(later[-10:]) - statistics.median(later[:10]), 1)


def main() -> None:
    """Run it."""
    parser = command.parser(__doc__, seeded=False)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--users", type=int, default=2000, help="who write in turn")
    parser.add_argument("--work", action="store_true", help="run the worker and a handler as well")
    wanted = parser.parse_args()
    plan = Plan(wanted.minutes, wanted.connections, wanted.users, wanted.work)
    with tempfile.TemporaryDirectory(prefix="hookline-soak-") as name, command.progress() as tell:
        folder = Path(name)
        with database(wanted.database, folder) as (url, _):
            result = run(plan, url, folder, tell)
    figures = {"database": wanted.database, **asdict(plan), **asdict(result)}
    command.finish(figures, result.problems(), as_json=wanted.json)


if __name__ == "__main__":
    main()
