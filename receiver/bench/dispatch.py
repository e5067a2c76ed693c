"""`hookline bench dispatch`: events a second from the disk to a handler, and how long one waits."""

import json
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from receiver.accounts import accounts
from receiver.bench import backlog, bodies, databases, machine
from receiver.bench.backlog import Backlog
from receiver.bench.contenders import Contender, Peers, filled, settings_file
from receiver.bench.load import Order, percentile
from receiver.bench.processes import HOOKLINE, Command, Failed, last_line, running, wait_listening
from receiver.bench.receive import Progress, loaded
from receiver.bench.trace import Note, Trace, in_order
from receiver.receive import receive
from receiver.serving import free_port
from receiver.settings import Settings
from storage import inbox
from storage.database import Database

BATCH = 250  # events stored in one transaction
STALLED = 30.0  # seconds without any progress

_ANSWER = {
    "message": {"_id": "7780fb56c972e7ed435cbbeb"},
    "messages": [{"id": "7780fb56c972e7ed435cbbeb"}],
    "message_id": "01HSIM0MESSAGE000000000001",
    "access_token": "a token of the bench",
    "token_type": "bearer",
    "expires_in": 3600,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. rate: webhooks a second while the waiting is measured, for `seconds`.
    replying: the handler sends one reply. waiting: with how many jobs to time a claim."""

    database: str = "sqlite"
    events: int = 20_000
    users: int = 2000
    rate: int = 200
    seconds: float = 10.0
    replying: bool = False
    waiting: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """rate: events a second, until all are settled. p50, p99, max: milliseconds from the start of
    the transaction that stores an event to its handler's first line, at the plan's rate; None: not
    measured. in_order: each person's events were started in the order in which they came.
    answered: milliseconds until a webhook was answered meanwhile, which is when it is committed;
    the median, and a part of p50."""

    name: str
    rate: float
    p50: float | None
    p99: float | None
    max: float | None
    in_order: bool
    memory: float | None = None
    answered: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All of it."""

    bench: str
    machine: dict[str, Any]
    plan: dict[str, Any]
    paces: list[Pace]
    left_out: dict[str, str]
    backlog: list[Backlog]


def run(plan: Plan, peers: Peers, progress: Progress) -> Report:
    """Measure Hookline, then the peers, then claims. Raises Failed where Hookline cannot be."""
    left_out = dict(peers.left_out)
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as name:
        folder = Path(name)
        paces = [_hookline(plan, folder, progress)]
        for peer in peers.there:
            try:
                paces.append(_peer(plan, peer, folder, progress))
            except Failed as error:
                left_out[peer.name] = str(error)
        costs: list[Backlog] = []
        if plan.waiting:
            progress("claims", 0)
            with databases.temporary(plan.database, folder) as url:
                costs = backlog.measure(url, list(plan.waiting))
        told = machine.describe(folder) | databases.facts(plan.database)
    shown = {**asdict(plan), "database": databases.kind(plan.database)}  # a URL has a password
    return Report("dispatch", told, shown, paces, left_out, costs)


def _hookline(plan: Plan, folder: Path, progress: Progress) -> Pace:
    with databases.temporary(plan.database, folder) as url:
        progress("filling", 0)
        _fill(url, plan, folder)
        rate, drained, memory = _drained(plan, url, folder, progress)
    with databases.temporary(plan.database, folder) as url:
        waits, started, answered = _waits(plan, url, folder, progress)
    ordered = in_order(drained, plan.users) and in_order(started, plan.users)
    p50, p99, longest = (percentile(waits, share) for share in (0.5, 0.99, 1))
    return Pace("hookline", rate, p50, p99, longest, ordered, memory, answered)


def _fill(url: str, plan: Plan, folder: Path) -> None:
    """Store the events as the receiver does."""
    file = settings_file(folder, url, 0)
    settings = Settings.model_validate(tomllib.loads(file.read_text("utf-8")))
    known = accounts(settings.accounts)
    now = datetime.now(UTC)
    hooks = bodies.hooks(plan.events, plan.users)
    database = Database(url)
    try:
        database.migrate()
        while some := list(islice(hooks, BATCH)):
            deliveries = [receive(known[h.account], h.fields(), h.body, now) for h in some]
            with database.write() as tx:
                inbox.save(tx, deliveries, now)
    finally:
        database.close()


def _drained(
    plan: Plan, url: str, folder: Path, progress: Progress
) -> tuple[float, list[Note], float | None]:
    """Events a second from the first handler's start until nothing is left to do."""
    trace = Trace.create(folder / "trace", 2 * plan.events + 1000)
    pinned, log = machine.cores(), folder / "work.log"
    with ExitStack() as stack:
        base_url = _standing_in(stack, folder, pinned.client) if plan.replying else None
        handlers = ["receiver.bench.replying" if plan.replying else "receiver.bench.noop"]
        settings = settings_file(folder, url, free_port(), handlers, base_url)
        command = Command((*HOOKLINE, "work"), folder, _env(settings, folder))
        process = stack.enter_context(running(command, pinned.server, log))
        database = Database(url)
        stack.callback(database.close)
        ended = _until_done(database, trace, plan, process, log, progress)
        memory = machine.memory(process.pid)
    notes = list(trace)
    took = ended - notes[0].at / 1e6
    if {note.number for note in notes} != set(range(plan.events)):
        raise Failed("some events were not handled")
    return round(plan.events / took, 1), notes, memory


def _standing_in(stack: ExitStack, folder: Path, core: int | None) -> str:
    """The address of a provider that answers at once."""
    port, log = free_port(), folder / "standin.log"
    run = ("{own}", "-m", "receiver.bench.floor", str(port), json.dumps(_ANSWER))
    process = stack.enter_context(running(Command(filled(run), folder, {}), core, log))
    wait_listening(process, port, log)
    return f"http://127.0.0.1:{port}"


def _env(settings: Path, folder: Path) -> dict[str, str]:
    return {"HOOKLINE_CONFIG": str(settings), "BENCH_TRACE": str(folder / "trace")}


def _until_done(
    database: Database, trace: Trace, plan: Plan, process: Any, log: Path, progress: Progress
) -> float:
    """When there is no job left, in seconds since 1970. Raises Failed where nothing moves."""
    seen, moved = -1, time.monotonic()
    while True:
        time.sleep(0.02)
        if process.poll() is not None:
            raise Failed(f"the worker ended: {last_line(log)}")
        if len(trace) >= plan.events and not _left(database):
            return time.time()
        if len(trace) != seen:
            progress("dispatching", (len(trace) - max(seen, 0)) / plan.events)
            seen, moved = len(trace), time.monotonic()
        if time.monotonic() - moved > STALLED:
            raise Failed(f"nothing moves after {seen} events: {last_line(log)}")


def _left(database: Database) -> bool:
    with database.read() as tx:
        return bool(tx.run("SELECT 1 FROM job LIMIT 1").fetchall())


def _waits(
    plan: Plan, url: str, folder: Path, progress: Progress
) -> tuple[list[float], list[Note], float]:
    """Milliseconds that each event waited, in ascending order, under a gentle stream of webhooks to
    one `hookline serve`, which is how a wake-up works on both databases; the notes of its handler;
    and milliseconds until a webhook was answered, the median."""
    count = int(plan.rate * plan.seconds)
    trace = Trace.create(folder / "trace", 2 * count + 1000)
    requests = (hook.request() for hook in bodies.hooks(count, plan.users))
    file = bodies.write(requests, folder / "paced")
    pinned, log, port = machine.cores(), folder / "serve.log", free_port()
    settings = settings_file(folder, url, port, ["receiver.bench.noop"])
    command = Command((*HOOKLINE, "serve"), folder, _env(settings, folder))
    with running(command, pinned.server, log) as process:
        wait_listening(process, port, log)
        order = Order(port, str(file), 8, 0, plan.seconds + 5, rate=plan.rate, core=pinned.client)
        answers = loaded(order, lambda spent: progress("waiting", spent / plan.seconds))
        database = Database(url)
        try:
            _until_done(database, trace, _of(plan, count), process, log, progress)
            stored = _stored(database)
        finally:
            database.close()
    notes = list(trace)
    waits = sorted((note.at - stored[note.number]) / 1000 for note in notes)
    return waits, notes, answers.p50


def _of(plan: Plan, events: int) -> Plan:
    return Plan(plan.database, events, plan.users)


def _stored(database: Database) -> dict[int, int]:
    """When the transaction began that stored each webhook, in microseconds since 1970."""
    with database.read() as tx:
        rows: Iterable[Sequence[Any]] = tx.run("SELECT message_id, received_at FROM event")
        return {bodies.number_of(row[0]): row[1] for row in rows}


def _peer(plan: Plan, peer: Contender, folder: Path, progress: Progress) -> Pace:
    """A peer measures itself and prints the fields of Pace as its last line. Raises Failed."""
    progress(peer.name, 0)
    log = folder / f"{peer.name}.log"
    with databases.temporary(plan.database, folder) as url:
        env = {
            "BENCH_DATABASE": url,
            "BENCH_EVENTS": str(plan.events),
            "BENCH_USERS": str(plan.users),
            "BENCH_RATE": str(plan.rate),
            "BENCH_SECONDS": str(plan.seconds),
        }
        command = Command(filled(peer.run), peer.folder.resolve(), env)
        with running(command, machine.cores().server, log) as process:
            code = process.wait()
    if code:
        raise Failed(last_line(log))
    try:
        return Pace(peer.name, **json.loads(log.read_text("utf-8").splitlines()[-1]))
    except (ValueError, TypeError, IndexError):
        raise Failed(f"told no result: {last_line(log)}") from None
