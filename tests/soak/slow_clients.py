"""
A thousand slow clients beside normal traffic: `python -m tests.soak.slow_clients`.

A third of them say nothing, a third send part of a head and then a byte a second, a third the same
with a body; who is closed comes again. Told are the times of the normal requests without them and
beside them, how long a slow one was held at most, and the files and sockets that were open.
"""

import asyncio
import contextlib
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from receiver.bench import bodies
from receiver.bench.load import Answers, Order
from receiver.bench.receive import loaded
from receiver.serving import free_port
from tests.parts.process import request
from tests.soak import command
from tests.soak.client import ACCOUNTS, until_served
from tests.soak.command import Tell
from tests.soak.processes import SPARE, Hookline, toml

LATE = 5.0  # seconds after its deadline, until which a slow client must have been closed
PACE = 1.0  # seconds between two bytes of a slow client
FAR = 60  # bytes that it has not sent when it becomes slow, at least
_WHOLE = request(b"x" * 500, target="/webhooks/chat")
_HEAD = _WHOLE.index(b"\r\n\r\n")
# kind -> between which places of a request it becomes slow, by chance. The second, where this part
# of the request would be whole, it never reaches.
KINDS = {"idle": (0, 0), "head": (1, _HEAD), "body": (_HEAD + 4, len(_WHOLE))}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. seconds: of each of the two measurements. header, body: the deadlines, in
    seconds. rate: normal requests a second, on so many connections."""

    seed: int
    clients: int = 1000
    seconds: float = 30.0
    rate: float = 200.0
    connections: int = 16
    header: float = 10.0
    body: float = 15.0

    def deadline(self, kind: str) -> float:
        """Seconds that a slow client of this kind has."""
        return self.body if kind == "body" else self.header


@dataclass(slots=True)
class Slow:
    """All slow clients.

    opened: connections so far. all_there: they are as many as clients. held: the longest that one
    of each kind was, in seconds. ends: by kind, with the status that was told before it was closed.
    """

    port: int
    clients: int
    chance: random.Random
    stopping: bool = False
    opened: int = 0
    all_there: asyncio.Event = field(default_factory=asyncio.Event)
    held: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    ends: Counter[tuple[str, str | None]] = field(default_factory=Counter)

    async def client(self, kind: str) -> None:
        """One that comes again whenever it is closed."""
        while not self.stopping:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.opened += 1
            if self.opened == self.clients:
                self.all_there.set()
            began = time.monotonic()
            try:
                told = await self._dawdle(kind, reader, writer)
            finally:
                writer.close()
            self.held[kind] = max(self.held[kind], time.monotonic() - began)
            self.ends[kind, told[9:12].decode() or None] += 1
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _dawdle(
        self, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """Send slowly until it is closed; what was told before."""
        first, end = KINDS[kind]
        told, slow = bytearray(), self.chance.randint(first, max(first, end - FAR))
        writer.write(_WHOLE[:slow])
        for position in range(slow, 10**6):
            writer.write(_WHOLE[position : min(position + 1, end - 1)] if end else b"")
            try:
                async with asyncio.timeout(PACE):
                    while data := await reader.read(1000):
                        told += data
            except TimeoutError:
                continue
            except OSError:
                pass
            break
        return bytes(told)


@dataclass(frozen=True, slots=True)
class Result:
    """quiet, beside: milliseconds of normal requests. held: seconds, of the longest. open_*: files
    and sockets of the server. left_open: slow clients that were not closed in time."""

    quiet: dict[str, float]
    beside: dict[str, float]
    not_200: int
    slow_opened: int
    slow_ended: dict[str, int]
    slow_held: dict[str, float]
    left_open: int
    open_before: int
    open_most: int
    open_after: int
    exit_code: int
    surprises: int

    def problems(self, plan: Plan) -> list[str]:
        """The promises that were broken."""
        late = [kind for kind, s in self.slow_held.items() if s > plan.deadline(kind) + LATE]
        found = {
            "normal requests were not answered 200": self.not_200,
            "slow clients were not closed": self.left_open,
            f"slow clients were held too long: {late}": late,
            "there were no slow clients": self.open_most - self.open_before < plan.clients / 2,
            "what they had open is not free again": self.open_after > self.open_before + SPARE,
            "it did not stop as it should": self.exit_code,
            "there are tracebacks in the log": self.surprises,
        }
        return [words for words, broken in found.items() if broken]


def run(plan: Plan, folder: Path, tell: Tell = command.nobody) -> Result:
    """Do it, on SQLite."""
    _allow(plan.clients + 200)
    port = free_port()
    settings = {
        "port": port,
        "admin_port": free_port(),
        "header_timeout": plan.header,
        "body_timeout": plan.body,
        "log_level": "error",
    }
    count = int(plan.rate * (plan.seconds + 2)) + 100
    files = [
        bodies.write((h.request() for h in bodies.hooks(count, 500, start)), folder / str(start))
        for start in (0, count)
    ]
    with Hookline(folder / "served", toml(settings, ACCOUNTS), "serve", "--no-work") as process:
        process.start()
        return asyncio.run(
            _measure(plan, process, Slow(port, plan.clients, random.Random(plan.seed)), files, tell)
        )


async def _measure(
    plan: Plan, process: Hookline, slow: Slow, files: list[Path], tell: Tell
) -> Result:
    await until_served(process, slow.port)
    quiet = await _normal(plan, slow.port, files[0], lambda done: tell("quiet", done / 2))
    await asyncio.sleep(0.5)  # until the connections of those are closed
    before = process.descriptors()
    async with _dawdling(plan, slow) as tasks:
        beside = await _normal(
            plan, slow.port, files[1], lambda done: tell("beside slow clients", 0.5 + done / 2)
        )
        most = process.descriptors()
        slow.stopping = True
        left = (await asyncio.wait(tasks, timeout=max(plan.header, plan.body) + LATE))[1]
    after = await asyncio.to_thread(process.freed, before)
    code = await asyncio.to_thread(process.stop)
    return Result(
        quiet=_times(quiet),
        beside=_times(beside),
        not_200=sum(n for a in (quiet, beside) for s, n in a.statuses.items() if s != "200"),
        slow_opened=slow.opened,
        slow_ended={f"{kind} {told or 'closed'}": n for (kind, told), n in slow.ends.items()},
        slow_held={kind: round(seconds, 1) for kind, seconds in slow.held.items()},
        left_open=len(left),
        open_before=before,
        open_most=most,
        open_after=after,
        exit_code=code,
        surprises=process.surprises(),
    )


async def _normal(plan: Plan, port: int, file: Path, tell: Any) -> Answers:
    """The answers to an even stream of requests, from a client that is a process of its own."""
    order = Order(port, str(file), plan.connections, 1.0, plan.seconds, rate=plan.rate)
    spent = 0.0

    def progress(more: float) -> None:
        nonlocal spent
        spent += more
        tell(spent / plan.seconds)

    return await asyncio.to_thread(loaded, order, progress)


@asynccontextmanager
async def _dawdling(plan: Plan, slow: Slow) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """All slow clients, connected on entry, gone at the end."""
    kinds = list(KINDS)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(slow.client(kinds[number % len(kinds)]))
            for number in range(plan.clients)
        ]
        await slow.all_there.wait()
        yield tasks
        for task in tasks:
            task.cancel()


def _times(answers: Answers) -> dict[str, float]:
    return {"p50": answers.p50, "p99": answers.p99, "max": answers.max}


def _allow(sockets: int) -> None:
    """Let this process and those that it starts open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < sockets:
        resource.setrlimit(resource.RLIMIT_NOFILE, (sockets, hard))


def main() -> None:
    """Run it."""
    parser = command.parser(__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--rate", type=float, default=200.0, help="normal requests a second")
    parser.add_argument("--connections", type=int, default=16, help="of normal requests")
    wanted = vars(parser.parse_args())
    as_json = wanted.pop("json")
    plan = Plan(**wanted)
    with tempfile.TemporaryDirectory(prefix="hookline-soak-") as name, command.progress() as tell:
        result = run(plan, Path(name), tell)
    command.finish(asdict(plan) | asdict(result), result.problems(plan), as_json=as_json)


if __name__ == "__main__":
    main()
