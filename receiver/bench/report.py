"""What a bench found, as tables for a person."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from receiver.bench import dispatch, receive


def show_receive(report: receive.Report, console: Console) -> None:
    """One line for each contender."""
    table = _table(
        "", "req/s", "of floor", "of ours", "p50 ms", "p99 ms", "of floor", "not 200", "MiB"
    )
    for one in report.standings:
        table.add_row(
            one.name,
            f"{one.rate:,.0f}",
            _number(one.of_floor, ".3f"),
            _number(one.of_ours, ".3f"),
            f"{one.p50:.1f}",
            f"{one.p99:.1f}",
            _number(one.p99_of_floor, ".1f"),
            str(one.not_200),
            _number(one.memory_end, ".0f"),
        )
    console.print(table)
    _rest(report.machine, report.plan, report.left_out, console)


def show_dispatch(report: dispatch.Report, console: Console) -> None:
    """One line for each engine, and one for each amount of waiting work."""
    table = _table("", "events/s", "p50 ms", "p99 ms", "max ms", "answered ms", "in order", "ours")
    ours = report.paces[0]
    for one in report.paces:
        table.add_row(
            one.name,
            f"{one.rate:,.0f}",
            *(_number(value, ".1f") for value in (one.p50, one.p99, one.max, one.answered)),
            "yes" if one.in_order else "no",
            "" if one is ours else _times(ours.rate, one.rate),
        )
    console.print(table)
    if report.backlog:
        costs = _table("waiting", "claim ms", "of the least", "finish ms")
        for cost in report.backlog:
            told = (f"{cost.claim:.2f}", f"{cost.compared:.2f}", f"{cost.finish:.2f}")
            costs.add_row(f"{cost.waiting:,}", *told)
        console.print(costs)
    _rest(report.machine, report.plan, report.left_out, console)


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _times(ours: float, theirs: float) -> str:
    """How many times the other's rate ours is."""
    return f"{ours / theirs:.1f} x" if theirs else "-"


def _rest(
    machine: Mapping[str, Any],
    plan: Mapping[str, Any],
    left_out: Mapping[str, str],
    console: Console,
) -> None:
    for facts in (machine, plan):
        console.print(_facts(facts.items()), highlight=False, style="dim")
    if machine.get("server_core") is None:
        console.print("One core, or no way to pin: server and client were in each other's way.")
    if machine.get("disk") == "tmpfs":
        console.print("The database was in memory: set TMPDIR to a folder on a disk.")
    for name, reason in left_out.items():
        console.print(f"left out: {name}: {reason}", highlight=False, markup=False)


def _facts(facts: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts if value is not None)
