"""Each program of this package, for a few seconds; and that what they look for would be found."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import missing
from tests.parts import postgres
from tests.parts.postgres import Server
from tests.soak import command, dispatch, memory, outcome, receive, slow_clients
from tests.soak.outcome import Outcome


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL of this file's own, since it is restarted."""
    try:
        with postgres.server() as running:
            yield running
    except FileNotFoundError as error:
        missing(str(error))


@pytest.mark.parametrize(("database", "works"), [("sqlite_url", True), ("postgres_url", False)])
def test_what_was_acknowledged_is_stored_once_however_often_it_is_killed(
    database: str, works: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plan = receive.Plan(
        seed=5, kills=3, connections=8, users=20, works=works, longest=0.5, minutes=1
    )
    result = receive.run(plan, str(request.getfixturevalue(database)), tmp_path)
    assert result.problems() == []
    assert result.kills == 3
    assert result.again > 0
    assert result.unanswered > 0


def test_killed_workers_and_a_restarted_database_send_nothing_twice(
    server: Server, tmp_path: Path
) -> None:
    url = postgres.create_database(server.url, "soak_dispatch")
    plan = dispatch.Plan(
        seed=6, events=600, users=100, workers=2, kills=3, restarts=1, delay=0.2, lease=3
    )
    result = dispatch.run(plan, url, server, tmp_path)
    assert result.problems() == []
    assert (result.kills, result.restarts) == (3, 1)


def test_a_storm_of_restarts_sends_nothing_twice_and_leaves_nothing(tmp_path: Path) -> None:
    plan = dispatch.Plan(
        seed=7, events=200, users=50, workers=1, kills=2, stops=3, restarts=0, delay=0.2, lease=3
    )
    result = dispatch.run(plan, f"sqlite:///{tmp_path}/hookline.db", None, tmp_path)
    assert result.problems() == []
    assert (result.kills, result.stops) == (2, 3)


def test_slow_clients_are_closed_and_cost_the_others_nothing(tmp_path: Path) -> None:
    plan = slow_clients.Plan(
        seed=8, clients=60, seconds=1.5, rate=50, connections=4, header=0.5, body=0.5
    )
    result = slow_clients.run(plan, tmp_path)
    assert result.problems(plan) == []
    assert result.slow_ended.keys() == {"idle closed", "head 408", "body 408"}
    assert result.slow_opened > plan.clients, "they came again"


def test_under_full_load_nothing_is_left_open(tmp_path: Path) -> None:
    plan = memory.Plan(minutes=0.03, connections=32, users=20, works=True)
    result = memory.run(plan, f"sqlite:///{tmp_path}/hookline.db", tmp_path)
    assert result.problems() == []
    assert 0 < result.rss_first <= result.rss_max
    assert result.open_max >= result.open_before + plan.connections
    assert result.wal_max > 0


@pytest.mark.parametrize("program", [receive, dispatch, slow_clients, memory])
def test_each_program_tells_how_it_is_run(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--help"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"python -m {program.__name__}" in told
    assert ("--seed" in told) == (program is not memory)
    assert "--json" in told


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["events are missing"], 1)])
def test_a_result_is_one_json_object_and_an_exit_code(
    problems: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.finish({"acked": 3}, problems, as_json=True)
    assert ended.value.code == code
    assert json.loads(capsys.readouterr().out) == {"acked": 3, "problems": problems}


STORED = receive.Result(
    kills=1,
    kills_starting=0,
    restart_max=1.0,
    restart_median=1.0,
    acked=10,
    again=2,
    unanswered=1,
    statuses={200: 12, 503: 1},
    stored=10,
    missing=0,
    doubled=0,
    bodies=10,
    uncounted=0,
    jobs_left=0,
    integrity="ok",
    exit_code=0,
    surprises=0,
    seconds=3.0,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"acked": 0},
        {"missing": 1},
        {"doubled": 1},
        {"bodies": 11},
        {"uncounted": 1},
        {"jobs_left": 1},
        {"statuses": {200: 12, 401: 1}},
        {"integrity": "row 3 missing from index"},
        {"exit_code": 1},
        {"surprises": 1},
    ],
)
def test_an_event_that_was_lost_is_told(wrong: dict[str, object]) -> None:
    assert STORED.problems() == []
    assert len(replace(STORED, **wrong).problems()) == 1  # type: ignore[arg-type]


GOOD = Outcome(
    stored=10,
    done=10,
    repeats=2,
    effects={"sent": 9, "uncertain": 1},
    sent=9,
    doubled=0,
    not_sent=0,
    unordered=0,
    jobs_left=0,
    dead=1,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"stored": 9},
        {"done": 9},
        {"effects": {"sent": 10, "uncertain": 1}},
        {"effects": {"sent": 9, "dead": 1}},
        {"doubled": 1},
        {"not_sent": 1},
        {"unordered": 1},
        {"jobs_left": 1},
        {"dead": 2},
    ],
)
def test_an_effect_that_went_wrong_is_told(wrong: dict[str, object]) -> None:
    assert GOOD.problems(10) == []
    assert replace(GOOD, **wrong).problems(10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("numbers", "wrong"), [([0, 1, 2, 3], 0), ([0, 2, 2, 1], 0), ([2, 0, 3, 1], 2), ([4, 0, 2], 2)]
)
def test_the_order_is_looked_at_for_each_person(numbers: list[int], wrong: int) -> None:
    assert outcome.unordered(numbers, users=2) == wrong
