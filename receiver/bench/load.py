"""
The client, a process of its own (`python -m receiver.bench.load ORDER`): connections that are kept
open, one request under way on each, requests that were made beforehand, and as little work for an
answer as can be.

Closed loop: a connection sends the next request when it has its answer. Open loop (a rate):
requests are due by the clock, and one that finds no free connection waits, which counts.
"""

import asyncio
import json
import mmap
import re
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from receiver.bench import machine

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_EMPTY = re.compile(rb"content-length: *0\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Order:
    """What to do. requests: a file of `bodies.write`. repeat: begin again at its end, where the
    server stores nothing. warmup, seconds: how long, the second measured. rate: requests a second
    in an open loop; None: as fast as they are answered. core: where to run."""

    port: int
    requests: str
    connections: int
    warmup: float
    seconds: float
    repeat: bool = False
    rate: float | None = None
    core: int | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of it. rate: answers with 200 a second; times in milliseconds, of all answers.
    statuses: by status, of all; broken: connections that ended under a request, which was sent
    again. ran_out: there were too few requests for the whole time."""

    rate: float
    p50: float
    p99: float
    max: float
    statuses: dict[str, int]
    broken: int
    seconds: float
    ran_out: bool


def requests(file: Path, *, repeat: bool) -> Iterator[bytes]:
    """What `bodies.write` wrote."""
    ends = array("Q", file.with_suffix(".ends").read_bytes())
    with file.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while True:
            start = 0
            for end in ends:
                yield data[start:end]
                start = end
            if not repeat:
                return


@dataclass(slots=True)
class Load:
    """All connections together. times: milliseconds of each measured answer."""

    order: Order
    waiting: Iterator[bytes]
    done: "asyncio.Future[None]"
    loop: asyncio.AbstractEventLoop
    measures: bool = False
    ran_out: bool = False
    broken: int = 0
    statuses: Counter[bytes] = field(default_factory=Counter)
    times: "array[float]" = field(default_factory=lambda: array("d"))
    idle: "deque[Connection]" = field(default_factory=deque)
    due: deque[float] = field(default_factory=deque)

    async def run(self) -> float:
        """Do as ordered; the seconds that were measured."""
        connecting = (self.connect() for _ in range(self.order.connections))
        await asyncio.gather(*connecting)
        clock = asyncio.create_task(self._clock()) if self.order.rate else None
        await asyncio.wait([self.done], timeout=self.order.warmup)
        self.measures, began = True, time.perf_counter()
        await asyncio.wait([self.done], timeout=self.order.seconds)
        self.measures, took = False, time.perf_counter() - began
        if clock is not None:
            clock.cancel()
        return took

    async def connect(self) -> None:
        """One more connection."""
        await self.loop.create_connection(lambda: Connection(self), "127.0.0.1", self.order.port)

    def free(self, connection: "Connection") -> None:
        """It has nothing to do: give it the next request, if one is due."""
        if self.order.rate is None:
            self.give(connection, time.perf_counter())
        elif self.due:
            self.give(connection, self.due.popleft())
        else:
            self.idle.append(connection)

    def give(self, connection: "Connection", began: float) -> None:
        """Send the next request on it."""
        request = next(self.waiting, None)
        if request is not None:
            connection.send(request, began)
        elif not self.done.done():
            self.ran_out = True
            self.done.set_result(None)

    def answered(self, connection: "Connection", status: bytes) -> None:
        """Count it, and go on."""
        now = time.perf_counter()
        if self.measures:
            self.statuses[status] += 1
            self.times.append((now - connection.began) * 1000)
        self.free(connection)

    async def _clock(self) -> None:
        """Make requests due at an even pace."""
        assert self.order.rate is not None
        began, number = time.perf_counter(), 0
        while not self.done.done():
            at = began + number / self.order.rate
            number += 1
            if (pause := at - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            if self.idle:
                self.give(self.idle.popleft(), at)
            else:
                self.due.append(at)


class Connection(asyncio.Protocol):
    """One connection, opened again when the server closes it."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.began = 0.0
        self.request: bytes | None = None
        self.head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self.load.free(self)

    def send(self, request: bytes, began: float) -> None:
        """One request; the next one only after its answer."""
        self.request, self.began = request, began
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.head += data
        if _whole(self.head):
            status, self.head, self.request = self.head[9:12], b"", None
            self.load.answered(self, status)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.load.idle:
            self.load.idle.remove(self)
        if self.load.done.done():
            return
        self.load.broken += self.request is not None
        if self.request is not None:
            self.load.waiting = _before(self.request, self.load.waiting)
        self.load.loop.call_later(0.001, self._again)

    def _again(self) -> None:
        task = self.load.loop.create_task(self.load.connect())
        task.add_done_callback(_ignore)


def _before(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _ignore(task: "asyncio.Task[None]") -> None:
    """The server is gone: its answers are missed without our saying so."""
    if not task.cancelled():
        task.exception()


def _whole(answer: bytes) -> bool:
    """Whether the answer has come to its end."""
    if answer.endswith(_END) and _EMPTY.search(answer):
        return True
    head, found, body = answer.partition(_END)
    if not found:
        return False
    length = _LENGTH.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


async def perform(order: Order) -> Answers:
    """Do as ordered, in this process."""
    loop = asyncio.get_running_loop()
    source = requests(Path(order.requests), repeat=order.repeat)
    load = Load(order, source, loop.create_future(), loop)
    took = await load.run()
    load.done.cancel()
    times = sorted(load.times)
    good = load.statuses[b"200"]
    return Answers(
        rate=round(good / took, 1) if took else 0.0,
        p50=percentile(times, 0.5),
        p99=percentile(times, 0.99),
        max=percentile(times, 1),
        statuses={status.decode("latin-1"): n for status, n in load.statuses.items()},
        broken=load.broken,
        seconds=round(took, 2),
        ran_out=load.ran_out,
    )


def percentile(ordered: "list[float]", share: float) -> float:
    """The value below which `share` of them are; 0 where there are none."""
    if not ordered:
        return 0.0
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 2)


def main(argument: str) -> dict[str, Any]:
    """What a process does that is started with an order as JSON."""
    order = Order(**json.loads(argument))
    machine.pin(0, order.core)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return asdict(runner.run(perform(order)))


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])) + "\n")
