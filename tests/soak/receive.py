"""
`hookline serve` under load, killed without warning at random moments, again and again:
`python -m tests.soak.receive --kills 50 --database postgresql`.

Signed webhooks of Smooch and Sinch, all distinct, come in over connections that are kept open. What
was answered 200 is forgotten by its sender, anything else is sent again, and some of what was
acknowledged is, too. In the end each acknowledged event must be stored, once.
"""

import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from receiver.bench import bodies
from receiver.serving import free_port
from storage.database import Database
from tests.soak import command
from tests.soak.client import ACCOUNTS, Providers, until_served
from tests.soak.command import Tell
from tests.soak.counting import Heard
from tests.soak.processes import KINDS, Hookline, database, toml

STARTING = 0.2  # of the kills come before it serves
PATIENCE = 60.0  # seconds until the work that is left must be done
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. works: the worker runs as well. longest: seconds between a start and a kill.
    minutes: after which it has failed."""

    seed: int
    kills: int = 50
    connections: int = 16
    users: int = 2000
    works: bool = False
    longest: float = 2.0
    minutes: float = 10.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it.

    kills_starting: of the kills, those before it served. restart_max: seconds from the start of the
    process until it served, the longest. again: acknowledged webhooks that were sent once more.
    unanswered: requests to nobody, or whose connection ended under them. missing, doubled: events.
    uncounted: events that the handler did not count exactly once (0 without the worker).
    integrity: what SQLite says.
    """

    kills: int
    kills_starting: int
    restart_max: float
    restart_median: float
    acked: int
    again: int
    unanswered: int
    statuses: dict[int, int]
    stored: int
    missing: int
    doubled: int
    bodies: int
    uncounted: int
    jobs_left: int
    integrity: str
    exit_code: int
    surprises: int
    seconds: float

    def problems(self) -> list[str]:
        """The promises that were broken."""
        found = {
            "there was no load": not self.acked,
            "acknowledged events are missing": self.missing,
            "events are stored twice": self.doubled,
            "events and bodies do not match": self.stored != self.bodies,
            "events were not handled exactly once": self.uncounted or self.jobs_left,
            "it was answered neither 200 nor 503": self.statuses.keys() - {200, 503},
            "the database is damaged": self.integrity != "ok",
            "it did not stop as it should": self.exit_code,
            "there are tracebacks in the log": self.surprises,
        }
        return [words for words, broken in found.items() if broken]


@dataclass(slots=True)
class _Run:
    """kept: the webhooks that were stored before any was sent once more at the end."""

    plan: Plan
    url: str
    process: Hookline
    providers: Providers
    chance: random.Random
    tell: Tell
    restarts: list[float] = field(default_factory=list)
    starting: int = 0
    kept: set[int] = field(default_factory=set)

    async def go(self) -> int:
        """Kill as often as planned, while webhooks come in; the exit code of the last stop."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.providers.run(self.plan.connections))
            for number in range(self.plan.kills):
                self.tell(f"killing, {len(self.providers.acked)} acked", number / self.plan.kills)
                await self._until_killed()
            await self._started()
            self.providers.stopping = True
        self.kept = set(await asyncio.to_thread(_stored, self.url))
        await self.providers.again_at_the_end()
        return await asyncio.to_thread(self.process.stop)

    async def _until_killed(self) -> None:
        if self.restarts and self.chance.random() < STARTING:
            self.process.start()
            await asyncio.sleep(self.chance.uniform(0, self.restarts[-1]))
            self.starting += 1
        else:
            await self._started()
            await asyncio.sleep(self.chance.uniform(0, self.plan.longest))
        self.process.kill()

    async def _started(self) -> None:
        began = time.monotonic()
        self.process.start()
        await until_served(self.process, self.providers.port)
        self.restarts.append(time.monotonic() - began)


def run(plan: Plan, url: str, folder: Path, tell: Tell = command.nobody) -> Result:
    """Do it on this empty database. Raises TimeoutError where it takes too long."""
    port, began = free_port(), time.monotonic()
    settings = {
        "database_url": url,
        "port": port,
        "admin_port": free_port(),
        "lease": "2s",
        "log_level": "error",
        "handlers": [str(_HERE / "counting.py")] if plan.works else [],
    }
    arguments = ("serve",) if plan.works else ("serve", "--no-work")
    chance = random.Random(plan.seed)
    with Hookline(folder / "served", toml(settings, ACCOUNTS), *arguments) as process:
        going = _Run(plan, url, process, Providers(port, plan.users, chance), chance, tell)
        exit_code = asyncio.run(asyncio.wait_for(going.go(), plan.minutes * 60))
        if plan.works:
            _work_off(process, url)
    return _judged(going, exit_code, time.monotonic() - began)


def _work_off(process: Hookline, url: str) -> None:
    """Let a worker end what the stop has left."""
    process.start()
    until = time.monotonic() + PATIENCE
    opened = Database(url)
    try:
        while _count(opened, "SELECT count(*) FROM job") and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        opened.close()
    process.stop()


def _stored(url: str) -> Counter[int]:
    """How many events there are of each webhook."""
    opened = Database(url)
    try:
        with opened.read() as tx:
            rows = tx.run("SELECT message_id FROM event").fetchall()
    finally:
        opened.close()
    return Counter(bodies.number_of(row[0]) for row in rows)


def _judged(going: _Run, exit_code: int, seconds: float) -> Result:
    acked, works, url = going.providers.acked, going.plan.works, going.url
    stored, opened = _stored(url), Database(url)
    try:
        return Result(
            kills=going.plan.kills,
            kills_starting=going.starting,
            restart_max=round(max(going.restarts), 2),
            restart_median=round(statistics.median(going.restarts), 2),
            acked=len(acked),
            again=going.providers.again,
            unanswered=going.providers.statuses[None],
            statuses={s: n for s, n in going.providers.statuses.items() if s is not None},
            stored=stored.total(),
            missing=len(acked - (going.kept & stored.keys())),
            doubled=sum(number > 1 for number in stored.values()),
            bodies=_count(opened, "SELECT count(*) FROM event WHERE body IS NOT NULL"),
            uncounted=_uncounted(opened, stored, going.plan.users) if works else 0,
            jobs_left=_count(opened, "SELECT count(*) FROM job") if works else 0,
            integrity=_integrity(url),
            exit_code=exit_code,
            surprises=going.process.surprises(),
            seconds=round(seconds, 1),
        )
    finally:
        opened.close()


def _uncounted(opened: Database, stored: Counter[int], users: int) -> int:
    """By how much the handlers' counts differ from what is stored, over all persons."""
    said = Counter(number % users for number in stored.elements())
    sql = (
        "SELECT e.message_id, s.body FROM state s"
        " JOIN (SELECT user_key, min(id) AS id FROM event GROUP BY user_key) f"
        " ON f.user_key = s.user_key JOIN event e ON e.id = f.id"
    )
    with opened.read() as tx:
        rows = tx.run(sql).fetchall()
    heard = {bodies.number_of(row[0]) % users: _number(row[1]) for row in rows}
    return sum(abs(said[person] - heard.get(person, 0)) for person in said)


def _number(body: str) -> int:
    return Heard.model_validate_json(body).count


def _count(opened: Database, sql: str) -> int:
    with opened.read() as tx:
        return int(tx.run(sql).fetchone()[0])


def _integrity(url: str) -> str:
    if not url.startswith("sqlite"):
        return "ok"
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def main() -> None:
    """Run it."""
    parser = command.parser(__doc__)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--work", action="store_true", help="run the worker and a handler as well")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=10.0, help="after which it has failed")
    wanted = parser.parse_args()
    plan = Plan(
        wanted.seed,
        wanted.kills,
        wanted.connections,
        works=wanted.work,
        minutes=wanted.minutes,
    )
    with tempfile.TemporaryDirectory(prefix="hookline-soak-") as name, command.progress() as tell:
        folder = Path(name)
        with database(wanted.database, folder) as (url, _):
            result = run(plan, url, folder, tell)
    figures = {"database": wanted.database, "work": plan.works, "seed": plan.seed, **asdict(result)}
    command.finish(figures, result.problems(), as_json=wanted.json)


if __name__ == "__main__":
    main()
