"""`hookline bench receive` and `bench dispatch`: how fast it is here, beside whatever else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from receiver.cli.app import Failure, WrongUse, app, say_json

if TYPE_CHECKING:
    from receiver.bench.contenders import Peers

family = typer.Typer(
    help="Measure how fast it is on this machine, beside peers. Only ratios of one run count.",
    no_args_is_help=True,
)
app.add_typer(family, name="bench")

DatabaseUrl = Annotated[
    str,
    typer.Option(
        metavar="sqlite|URL",
        help="sqlite, or a PostgreSQL in which databases may be created (they are dropped again).",
    ),
]
PeersFolder = Annotated[
    Path | None, typer.Option("--peers", help="The folder of a peers.toml: measure these as well.")
]
Only = Annotated[list[str], typer.Option("--only", help="Only this peer; may be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@family.command()
def receive(
    database: DatabaseUrl = "sqlite",
    connections: Annotated[int, typer.Option(min=1, help="Kept open.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of each round, measured.")] = 10.0,
    rounds: Annotated[int, typer.Option(min=1, help="Of each contender.")] = 3,
    users: Annotated[int, typer.Option(min=1, help="Persons who write in turn.")] = 2000,
    new: Annotated[
        bool, typer.Option("--new", help="Each webhook is from somebody never seen before.")
    ] = False,
    work: Annotated[bool, typer.Option("--work", help="Run the handlers too.")] = False,
    stored: Annotated[
        list[int],
        typer.Option(
            "--stored",
            metavar="N",
            min=0,
            help="Events in its database before; may be repeated, to compare.",
        ),
    ] = [0],  # noqa: B006
    peers: PeersFolder = None,
    only: Only = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Webhooks a second, from the socket to the disk, beside a uvicorn that does nothing."""
    from rich.console import Console

    from receiver.bench import receive as bench
    from receiver.bench.report import show_receive

    persons, amounts = None if new else users, tuple(dict.fromkeys(stored))
    plan = bench.Plan(database, connections, seconds, rounds, persons, work, amounts)
    with _failing():
        found = _peers(peers, "receive", database, only)
        with _progress(bench.duration(plan, found)) as progress:
            report = bench.run(plan, found, progress)
    say_json(asdict(report)) if as_json else show_receive(report, Console())


@family.command()
def dispatch(
    database: DatabaseUrl = "sqlite",
    events: Annotated[int, typer.Option(min=1, help="That wait when the worker starts.")] = 20_000,
    users: Annotated[int, typer.Option(min=1, help="Whose they are, in turn.")] = 2000,
    rate: Annotated[
        int, typer.Option(min=1, help="Webhooks a second while waits are timed.")
    ] = 200,
    seconds: Annotated[float, typer.Option(min=0.1, help="For how long.")] = 10.0,
    replying: Annotated[
        bool, typer.Option("--replying", help="The handler replies, to a provider that is at hand.")
    ] = False,
    waiting: Annotated[
        str, typer.Option(metavar="N,N", help="Time a claim with so many jobs waiting.")
    ] = "",
    peers: PeersFolder = None,
    only: Only = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Events a second, from the disk to a handler, and how long an event waits for it."""
    from rich.console import Console

    from receiver.bench import dispatch as bench
    from receiver.bench.report import show_dispatch

    amounts = _amounts(waiting)
    plan = bench.Plan(database, events, users, rate, seconds, replying, amounts)
    with _failing():
        found = _peers(peers, "dispatch", database, only)
        with _progress(None) as progress:
            report = bench.run(plan, found, progress)
    say_json(asdict(report)) if as_json else show_dispatch(report, Console())


def _amounts(given: str) -> tuple[int, ...]:
    try:
        return tuple(int(one) for one in given.split(",") if one.strip())
    except ValueError:
        raise WrongUse("--waiting is a list of numbers: 1000,1000000") from None


@contextmanager
def _failing() -> Iterator[None]:
    """What cannot be measured is told in one line."""
    from receiver.bench.processes import Failed

    try:
        yield
    except Failed as error:
        raise Failure(str(error)) from None


def _peers(folder: Path | None, bench: str, database: str, only: Sequence[str]) -> "Peers":
    from receiver.bench import contenders, databases

    databases.kind(database)
    if folder is not None:
        return contenders.peers(folder, bench, database, only)
    if only:
        raise WrongUse("--only names a peer: say --peers FOLDER too")
    return contenders.Peers()


@contextmanager
def _progress(total: float | None) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr, on a terminal. total: seconds; None: it is not known how long."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("preparing", total=total)

        def advance(what: str, spent: float) -> None:
            bar.update(task, description=what, advance=spent)

        yield advance
