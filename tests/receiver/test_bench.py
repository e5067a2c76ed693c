"""The benches measure what they say; how fast it is here is nobody's business."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handlers.events import MessageReceived
from handlers.people import User
from receiver.bench import bodies, stored
from receiver.bench.trace import Note, in_order
from receiver.registry import PROVIDERS
from storage import inbox
from storage.database import Database
from storage.dialects import Transaction
from storage.inbox import Delivery

BENCH = [sys.executable, "-c", "from receiver.cli import main; main()", "bench"]


def bench(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """What a bench says with --json."""
    done = subprocess.run(
        [*BENCH, *arguments, "--json"],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr.decode()
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_receiving_is_measured_beside_the_floor_and_the_peers_that_can_be(tmp_path: Path) -> None:
    peers = tmp_path / "peers"
    peers.mkdir()
    (peers / "peers.toml").write_text(
        '[receive.nobody]\ndatabases = ["sqlite"]\n'
        'needs = [["{own}", "-c", "import no_such_part"]]\nrun = ["{own}"]\n'
    )
    short = ("--seconds=0.5", "--rounds=1", "--connections=4")
    report = bench(tmp_path, "receive", *short, f"--peers={peers}")
    assert [one["name"] for one in report["standings"]] == ["floor", "hookline"]
    for one in report["standings"]:
        assert one["rate"] > 0
        assert one["not_200"] == 0
        assert 0 < one["p50"] <= one["p99"] <= one["max"]
    assert report["standings"][0]["of_floor"] == 1
    assert report["machine"]["database"] == "sqlite"
    assert "no_such_part" in report["left_out"]["nobody"]
    assert list(tmp_path.iterdir()) == [peers], "it leaves nothing behind"


def test_receiving_is_measured_with_a_filled_database_beside_an_empty_one(tmp_path: Path) -> None:
    short = ("--seconds=0.5", "--rounds=2", "--connections=4")
    report = bench(tmp_path, "receive", *short, "--stored=0", "--stored=3000")
    standings = {one["name"]: one for one in report["standings"]}
    assert list(standings) == ["floor", "hookline", "hookline on 3,000"]
    assert report["plan"]["stored"] == [0, 3000]
    assert standings["hookline"]["of_ours"] == 1
    assert standings["hookline on 3,000"]["of_ours"] > 0
    assert not any(one["not_200"] for one in report["standings"])
    assert list(tmp_path.iterdir()) == []


def test_a_filled_database_is_as_a_year_of_use_leaves_it(database_url: str) -> None:
    told: list[float] = []
    stored.fill(database_url, 25_000, told.append)
    assert sum(told) * stored.PACE == pytest.approx(25_000)
    database = Database(database_url)
    try:
        with database.read() as tx:
            assert _count(tx, "event") == _count(tx, "event WHERE body IS NULL") == 25_000
            assert _count(tx, "app_user") == _count(tx, "identity") == 1000
            assert _count(tx, "event e JOIN identity i ON i.user_key = e.user_key") == 25_000
            assert _count(tx, "job") == 0
        with database.write() as tx:
            now = datetime.now(UTC)
            event = MessageReceived(id="one more", user=User("u1"), occurred_at=now)
            assert inbox.save(tx, [Delivery("chat", b"{}", (event,), now)], now) == [1]
        stored.settle(database_url)
        with database.read() as tx:
            assert (_count(tx, "event"), _count(tx, "job")) == (25_001, 0)
    finally:
        database.close()


def _count(tx: Transaction, rows: str) -> int:
    return int(tx.run(f"SELECT count(*) FROM {rows}").scalar_one())


def test_dispatching_is_measured_with_its_order_and_its_claims(tmp_path: Path) -> None:
    sizes = ("--events=300", "--users=20", "--rate=50", "--seconds=0.5")
    report = bench(tmp_path, "dispatch", *sizes, "--waiting=100,1000")
    [pace] = report["paces"]
    assert pace["rate"] > 0
    assert pace["in_order"]
    assert 0 < pace["p50"] <= pace["p99"] <= pace["max"]
    assert [cost["waiting"] for cost in report["backlog"]] == [100, 1000]
    assert list(tmp_path.iterdir()) == []


def test_the_webhooks_are_distinct_genuine_and_read_by_our_own_parsers() -> None:
    hooks = list(bodies.hooks(400, 40))
    sizes = [len(hook.body) for hook in hooks]
    assert 1200 < sum(sizes) / len(sizes) < 1400
    keys = set()
    for number, hook in enumerate(hooks):
        inbound = PROVIDERS[{"chat": "smooch", "texts": "sinch"}[hook.account]].inbound
        assert inbound is not None
        [event] = inbound.parse(hook.body)
        assert bodies.number_of(event.message_id or "") == number
        assert event.user is not None
        assert event.identities
        keys.add((hook.account, event.id))
    assert len(keys) == 400


@pytest.mark.parametrize(
    ("numbers", "ordered"),
    [([0, 1, 2, 3], True), ([1, 0, 3, 2], True), ([0, 3, 1, 2], False), ([0, 0, 1], True)],
)
def test_order_is_checked_for_each_person(numbers: list[int], ordered: bool) -> None:
    notes = [Note(number, at) for at, number in enumerate(numbers)]
    assert in_order(notes, users=2) is ordered
