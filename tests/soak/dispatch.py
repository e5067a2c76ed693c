"""
Workers over one database, killed and stopped at random, and the database with them:
`python -m tests.soak.dispatch --events 50000 --kills 40`.

While events come in, each is answered by a handler with one reply, which goes to a stand-in of its
provider. In the end each event is done, each reply has arrived once (but for those that count as
uncertain), the order of each person is kept, and nothing is left over.

A storm of restarts: `python -m tests.soak.dispatch --events 10000 --workers 1 --kills 10 --stops 10
--restarts 0 --database sqlite`.
"""

import contextlib
import random
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from receiver.accounts import accounts
from receiver.bench import bodies
from receiver.receive import receive
from receiver.serving import free_port
from receiver.settings import Settings
from storage import inbox
from storage.database import AWAY, Database
from tests.parts.postgres import Server
from tests.soak import command, outcome
from tests.soak.command import Tell
from tests.soak.outcome import Outcome
from tests.soak.processes import KINDS, Hookline, database, toml
from tests.soak.standing_in import Providers, providers

BATCH = 100  # events stored in one transaction
STALLED = 60.0  # seconds without a reply, after which a lane must be stuck
LOOK = 0.02  # seconds
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    kills, stops: workers that end by SIGKILL and SIGTERM, and are started again. restarts: of the
    database, at once and orderly in turn. delay: seconds that a provider takes for its answer.
    lease: seconds, after which the work of a killed worker is free. minutes: after which it has
    failed.
    """

    seed: int
    events: int = 50_000
    users: int = 1000
    workers: int = 4
    kills: int = 40
    stops: int = 0
    restarts: int = 2
    delay: float = 0.03
    lease: int = 6
    minutes: float = 10.0


@dataclass(slots=True)
class _Run:
    """done: how many of each kind of disturbance there were. exit_codes: of stopped workers."""

    plan: Plan
    chance: random.Random
    workers: Sequence[Hookline]
    server: Server | None
    tell: Tell
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    exit_codes: set[int] = field(default_factory=set)

    def schedule(self) -> deque[tuple[float, str]]:
        """(share of the replies that have arrived, what happens then), all through the run."""
        plan = self.plan
        kinds = ["kills"] * plan.kills + ["stops"] * plan.stops
        self.chance.shuffle(kinds)
        slots = len(kinds) or 1
        found = [((n + self.chance.random()) / slots, kind) for n, kind in enumerate(kinds)]
        found += [((n + 1) / (plan.restarts + 1), "restarts") for n in range(plan.restarts)]
        return deque(sorted((0.95 * share, kind) for share, kind in found))

    def disturb(self, kind: str) -> None:
        """Kill, stop or restart."""
        _KINDS[kind](self)
        self.done[kind] += 1

    def kill(self) -> None:
        worker = self.chance.choice(self.workers)
        worker.kill()
        worker.start()

    def stop(self) -> None:
        worker = self.chance.choice(self.workers)
        up = worker.heeds_stop()
        code = worker.stop()
        if up:
            self.exit_codes.add(code)
        worker.start()

    def restart(self) -> None:
        assert self.server is not None
        self.server.stop(immediate=self.done["restarts"] % 2 == 0)
        self.server.start("fsync=off", "max_connections=200", "log_min_messages=fatal")


_KINDS: dict[str, Callable[[_Run], None]] = {
    "kills": _Run.kill,
    "stops": _Run.stop,
    "restarts": _Run.restart,
}


@dataclass(frozen=True, slots=True)
class Result:
    """stuck: nothing moved any more, or the time was over. exit_codes: of the workers that
    were stopped, and not while they started."""

    events: int
    kills: int
    stops: int
    restarts: int
    outcome: Outcome
    stuck: bool
    exit_codes: list[int]
    surprises: int
    seconds: float

    def problems(self) -> list[str]:
        """The promises that were broken."""
        found = {
            "it did not come to an end": self.stuck,
            "a worker did not stop as it should": self.exit_codes != [0],
            "there are tracebacks in a log": self.surprises,
        }
        own = [words for words, broken in found.items() if broken]
        return own + self.outcome.problems(self.events)


def run(
    plan: Plan, url: str, server: Server | None, folder: Path, tell: Tell = command.nobody
) -> Result:
    """Do it on this empty database. server: what has it, to be restarted; None: none does."""
    began = time.monotonic()
    opened = Database(url)
    with contextlib.closing(opened), providers(plan.delay) as there:
        opened.migrate()
        with _working(plan, url, folder, there) as workers, _feeding(plan, opened, there) as fed:
            going = _Run(plan, random.Random(plan.seed), workers, server, tell)
            stuck = not _watch(going, opened, there, fed)
            going.exit_codes |= {worker.stop_when_up() for worker in workers}
        started = [int(line) for line in (folder / "notes").read_text().splitlines()]
        found = outcome.read(opened, there, started, plan.users)
    return Result(
        **{"events": plan.events, **going.done},
        outcome=found,
        stuck=stuck,
        exit_codes=sorted(going.exit_codes),
        surprises=sum(worker.surprises() for worker in workers),
        seconds=round(time.monotonic() - began, 1),
    )


@contextmanager
def _working(plan: Plan, url: str, folder: Path, there: Providers) -> Iterator[list[Hookline]]:
    with ExitStack() as stack:
        workers = []
        for number in range(plan.workers):
            settings = {
                "database_url": url,
                "admin_port": free_port(),
                "handlers": [str(_HERE / "replying.py")],
                "lease": f"{plan.lease}s",
                "log_level": "error",
            }
            written, notes = toml(settings, there.accounts), str(folder / "notes")
            worker = Hookline(folder / f"worker{number}", written, "work", SOAK_NOTES=notes)
            workers.append(stack.enter_context(worker))
            worker.start()
        yield workers


@contextmanager
def _feeding(plan: Plan, opened: Database, there: Providers) -> Iterator[threading.Thread]:
    """Store the events as a receiver does, from here on; a batch that fails is stored again."""
    known = accounts(Settings.model_validate({"accounts": there.accounts}).accounts)
    ending = threading.Event()

    def store(hooks: Sequence[bodies.Hook]) -> None:
        now = datetime.now(UTC)
        deliveries = [receive(known[h.account], h.fields(), h.body, now) for h in hooks]
        with opened.write() as tx:
            inbox.save(tx, deliveries, now)

    def feed() -> None:
        hooks = bodies.hooks(plan.events, plan.users)
        while some := list(islice(hooks, BATCH)):
            while not ending.is_set():
                try:
                    store(some)
                    break
                except AWAY:
                    ending.wait(0.1)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield thread
    finally:
        ending.set()
        thread.join()


def _watch(going: _Run, opened: Database, there: Providers, fed: threading.Thread) -> bool:
    """Disturb as planned until all is done; whether it came to that."""
    plan, schedule = going.plan, going.schedule()
    until = time.monotonic() + plan.minutes * 60
    seen, moved = 0, time.monotonic()
    while (now := time.monotonic()) < until and now - moved < STALLED:
        arrived = there.count()
        if arrived > seen:
            seen, moved = arrived, now
        going.tell(f"{arrived} replies, {going.done}", arrived / plan.events)
        if schedule and arrived >= schedule[0][0] * plan.events:
            going.disturb(schedule.popleft()[1])
        elif not schedule and not fed.is_alive() and _is_done(opened):
            return True
        time.sleep(LOOK if schedule else 10 * LOOK)
    return False


def _is_done(opened: Database) -> bool:
    """Whether no work is left but what waits for a human."""
    try:
        with opened.read() as tx:
            return not tx.run("SELECT 1 FROM job WHERE state <> 4 LIMIT 1").fetchall()
    except AWAY:
        return False


def main() -> None:
    """Run it."""
    parser = command.parser(__doc__)
    parser.add_argument("--database", choices=KINDS, default="postgresql")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--users", type=int, default=1000, help="whose they are, in turn")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=40, help="workers ended by SIGKILL")
    parser.add_argument("--stops", type=int, default=0, help="workers ended by SIGTERM")
    parser.add_argument("--restarts", type=int, default=2, help="of the database")
    parser.add_argument("--delay", type=float, default=0.03, help="of the providers' answers, in s")
    parser.add_argument("--minutes", type=float, default=10.0, help="after which it has failed")
    wanted = vars(parser.parse_args())
    kind, as_json = wanted.pop("database"), wanted.pop("json")
    plan = Plan(**wanted)
    if kind == "sqlite" and (plan.workers > 1 or plan.restarts):
        parser.error("SQLite has one worker and no server: --workers 1 --restarts 0")
    with tempfile.TemporaryDirectory(prefix="hookline-soak-") as name, command.progress() as tell:
        folder = Path(name)
        with database(kind, folder) as (url, server):
            result = run(plan, url, server, folder, tell)
    told = asdict(result)
    found = told.pop("outcome") | {"uncertain": result.outcome.uncertain}
    figures = {"database": kind, "seed": plan.seed, "workers": plan.workers, **told, **found}
    command.finish(figures, result.problems(), as_json=as_json)


if __name__ == "__main__":
    main()
