"""`hookline bench receive`: webhooks a second from the socket to the disk, beside the floor."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from receiver.bench import bodies, contenders, databases, machine
from receiver.bench import stored as history
from receiver.bench.contenders import FLOOR, OURS, Contender, Peers
from receiver.bench.load import Answers, Order
from receiver.bench.processes import Failed, last_line

FASTEST = 25_000  # requests a second that are prepared; a contender that stores does not reach it
WARMUP = 2.0  # seconds, and never more than a fifth of what is measured


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. database: "sqlite" or a PostgreSQL's URL. users: persons who write in turn;
    None: each webhook is from somebody new. works: with a worker in the same process.
    stored: Hookline is measured with each of these numbers of events in its database before."""

    database: str = "sqlite"
    connections: int = 64
    seconds: float = 10.0
    rounds: int = 3
    users: int | None = 2000
    works: bool = False
    stored: tuple[int, ...] = (0,)

    @property
    def warmup(self) -> float:
        """Seconds."""
        return min(WARMUP, self.seconds / 5)


@dataclass(frozen=True, slots=True)
class Round:
    """One contender, once. memory: MiB of all its processes when it began and ended."""

    name: str
    number: int
    answers: Answers
    memory_start: float | None
    memory_end: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A contender's medians. of_floor: its rate as a share of the floor's in the same round;
    p99_of_floor: likewise; of_ours: its rate as a share of Hookline's, with the first amount that
    the plan has stored. not_200: answers that were not, of all rounds."""

    name: str
    rate: float
    of_floor: float | None
    p50: float
    p99: float
    p99_of_floor: float | None
    of_ours: float | None
    max: float
    not_200: int
    memory_start: float | None
    memory_end: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All of it."""

    bench: str
    machine: dict[str, Any]
    plan: dict[str, Any]
    standings: list[Standing]
    left_out: dict[str, str]
    rounds: list[Round]


# Called while something lasts: (what, seconds more of it that are done).
Progress = Callable[[str, float], None]


def run(plan: Plan, peers: Peers, progress: Progress) -> Report:
    """Measure all, in turn. Raises Failed where the floor or Hookline cannot be measured."""
    ours = [contenders.hookline(amount, works=plan.works) for amount in plan.stored]
    running = [contenders.floor(), *ours, *peers.there]
    left_out = dict(peers.left_out)
    rounds: list[Round] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-bench-")))
        filled = {n: _filled(stack, plan, n, folder, progress) for n in plan.stored if n}
        for number in range(plan.rounds):
            file = prepare(plan, folder, number)
            for contender in [one for one in running if one.name not in left_out]:
                try:
                    with _database(plan, folder, filled.get(contender.stored)) as url:
                        rounds.append(_measure(plan, contender, number, file, url, progress))
                except Failed as error:
                    if contender not in peers.there:
                        raise Failed(f"{contender.name}: {error}") from None
                    left_out[contender.name] = str(error)
        told = machine.describe(folder) | databases.facts(plan.database)
    kept = [one for one in rounds if one.name not in left_out]
    shown = {**asdict(plan), "database": databases.kind(plan.database)}  # a URL has a password
    return Report("receive", told, shown, standings(kept), left_out, kept)


def duration(plan: Plan, peers: Peers) -> float:
    """Seconds of load that `run` will take, and of filling databases, about."""
    each = plan.rounds * (plan.warmup + plan.seconds)
    return each * (1 + len(plan.stored) + len(peers.there)) + sum(plan.stored) / history.PACE


def prepare(plan: Plan, folder: Path, number: int) -> Path:
    """The requests of this round, as many as the fastest could take, in a file."""
    count = max(1000, int(FASTEST * (plan.warmup + plan.seconds)))
    hooks = bodies.hooks(count, plan.users or count * plan.rounds, number * count)
    return bodies.write((hook.request() for hook in hooks), folder / "requests")


def _filled(stack: ExitStack, plan: Plan, amount: int, folder: Path, progress: Progress) -> str:
    """The URL of a database with so many events."""
    url = stack.enter_context(databases.temporary(plan.database, folder))
    history.fill(url, amount, lambda spent: progress(f"storing {amount:,}", spent))
    return url


@contextmanager
def _database(plan: Plan, folder: Path, filled: str | None) -> Iterator[str]:
    """The URL of one for one measurement: this one, or an empty one where it is None."""
    if filled is None:
        with databases.temporary(plan.database, folder) as url:
            yield url
    else:
        yield filled
        history.settle(filled)


def _measure(
    plan: Plan, contender: Contender, number: int, file: Path, url: str, progress: Progress
) -> Round:
    """One contender on this database. Raises Failed."""
    pinned = machine.cores()
    with contenders.serving(contender, url, file.parent, pinned.server) as server:
        before = machine.memory(server.group)
        order = Order(
            server.port,
            str(file),
            plan.connections,
            plan.warmup,
            plan.seconds,
            repeat=not contender.stores,
            core=pinned.client,
        )
        answers = loaded(order, lambda spent: progress(contender.name, spent))
        if not answers.statuses.get("200"):
            raise Failed(f"answered {answers.statuses or 'nothing'}: {last_line(server.log)}")
        return Round(contender.name, number, answers, before, machine.memory(server.group))


def loaded(order: Order, progress: Callable[[float], None]) -> Answers:
    """The client's answers; it runs as a process of its own. Raises Failed."""
    command = [sys.executable, "-m", "receiver.bench.load", json.dumps(asdict(order))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603
    try:
        for spent in _ticks(process, 2 * (order.warmup + order.seconds) + 30):
            progress(spent)
        out, error = process.communicate()
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        said = error.decode("utf-8", "replace").strip().splitlines()
        raise Failed(f"the client failed: {(said or ['it said nothing'])[-1]}")
    return Answers(**json.loads(out))


def _ticks(process: "subprocess.Popen[bytes]", limit: float) -> Iterator[float]:
    """How much time has gone by since the last one, while the process runs."""
    began = last = time.monotonic()
    while process.poll() is None:
        if last - began > limit:
            raise Failed("the client does not end")
        time.sleep(0.1)
        now = time.monotonic()
        yield now - last
        last = now


def standings(rounds: Sequence[Round]) -> list[Standing]:
    """The medians of each contender, in the order in which they took their turns."""
    floors = {one.number: one.answers for one in rounds if one.name == FLOOR}
    ours = [one for one in rounds if one.name.startswith(OURS)]
    firsts = {one.number: one.answers for one in reversed(ours)}  # of each round
    names = dict.fromkeys(one.name for one in rounds)
    return [_standing([r for r in rounds if r.name == name], floors, firsts) for name in names]


def _standing(
    own: Sequence[Round], floors: Mapping[int, Answers], firsts: Mapping[int, Answers]
) -> Standing:
    answers = [one.answers for one in own]

    def against(others: Mapping[int, Answers], name: str) -> float | None:
        pairs = [(getattr(r.answers, name), getattr(others[r.number], name)) for r in own]
        shares = [mine / theirs for mine, theirs in pairs if theirs]
        return round(statistics.median(shares), 3) if shares else None

    return Standing(
        name=own[0].name,
        rate=round(statistics.median(a.rate for a in answers)),
        of_floor=against(floors, "rate"),
        p50=statistics.median(a.p50 for a in answers),
        p99=statistics.median(a.p99 for a in answers),
        p99_of_floor=against(floors, "p99"),
        of_ours=against(firsts, "rate"),
        max=max(a.max for a in answers),
        not_200=sum(n for a in answers for status, n in a.statuses.items() if status != "200"),
        memory_start=own[0].memory_start,
        memory_end=own[-1].memory_end,
    )
