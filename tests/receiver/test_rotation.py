"""Several secrets at once: none is refused, and it is seen which one is still needed."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver import quarantine
from receiver.notebook import fingerprint
from storage import uses
from storage.database import Database
from storage.uses import Use
from tests.conftest import NOW
from tests.parts.process import COMMAND, stored
from tests.receiver.reception import NEW, OLD, SINCH, SMOOCH, Clock, body_of, known, receiving

LATER = NOW + timedelta(hours=1)


def listing(folder: Path, url: str, *secrets: str, more: str = "") -> list[dict[str, Any]]:
    """What `hookline secrets` says. more: settings of the account."""
    (folder / "hookline.toml").write_text(
        f'database_url = "{url}"\n[accounts.{SMOOCH}]\nprovider = "smooch"\n'
        f"webhook_secrets = {json.dumps(secrets)}\n{more}\n"
    )
    done = subprocess.run(
        [*COMMAND, "secrets", "--json"], cwd=folder, capture_output=True, check=True
    )
    assert not [secret for secret in (OLD, NEW) if secret.encode() in done.stdout]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("account", [SMOOCH, SINCH])
def test_a_rotation_under_load_refuses_nothing(account: str, database: Database) -> None:
    numbers = iter(range(1000))

    async def send(count: int, *secrets: str, held: tuple[str, ...]) -> list[int]:
        async with receiving(database.url, *held) as here:
            posts = [
                here.send(account, body_of(account, next(numbers)), secrets[n % len(secrets)])
                for n in range(count)
            ]
            return list(await asyncio.gather(*posts))

    stages = [
        ((OLD,), (OLD,)),
        ((OLD, NEW), (OLD,)),
        ((OLD, NEW), (OLD, NEW)),
        ((NEW, OLD), (NEW,)),
        ((NEW,), (NEW,)),
    ]
    for held, sent_with in stages:
        assert asyncio.run(send(20, *sent_with, held=held)) == [200] * 20
    assert asyncio.run(send(1, OLD, held=(NEW,))) == [401]
    assert len(stored(database.url)) == 100
    with database.read() as tx:
        found = {use.fingerprint: use.uses for use in uses.known(tx)}
    assert found == {fingerprint(account, secret.encode()): 50 for secret in (OLD, NEW)}


@pytest.mark.parametrize("account", [SMOOCH, SINCH])
def test_an_old_secret_ends_at_its_time_and_the_new_one_does_not(
    account: str, database: Database
) -> None:
    clock, numbers = Clock(), iter(range(1000))

    async def main() -> list[list[int]]:
        found = []
        options = {"old_secrets_until": LATER}
        async with receiving(database.url, NEW, OLD, clock=clock, options=options) as here:
            for now in (NOW, LATER - timedelta(seconds=1), LATER, LATER + timedelta(days=1)):
                clock.now = now
                sent = [
                    here.send(account, body_of(account, next(numbers)), secret)
                    for secret in (OLD, NEW) * 5
                ]
                found.append(list(await asyncio.gather(*sent)))
        return found

    assert asyncio.run(main()) == [[200] * 10] * 2 + [[401, 200] * 5] * 2
    assert len(stored(database.url)) == 30
    with database.read() as tx:
        found = {use.fingerprint: (use.uses, use.last_at) for use in uses.known(tx)}
    assert found[fingerprint(account, OLD.encode())][0] == 10
    assert found[fingerprint(account, NEW.encode())][0] == 20


def test_what_was_refused_for_its_old_secret_is_taken_when_that_is_given_more_time(
    database: Database,
) -> None:
    clock = Clock(LATER)

    async def main() -> list[int]:
        options = {"old_secrets_until": LATER}
        async with receiving(database.url, NEW, OLD, clock=clock, options=options) as here:
            return [await here.send(a, body_of(a, 1), OLD) for a in (SMOOCH, SINCH)]

    assert asyncio.run(main()) == [401, 401]
    for until, genuine in ((LATER, False), (LATER + timedelta(hours=1), True)):
        again = known(NEW, OLD, old_secrets_until=until)
        judged = list(quarantine.reverify(database, again, None, LATER, dry_run=False))
        assert [one.genuine for one in judged] == [genuine] * 2
    assert len(stored(database.url)) == 2


def test_when_a_secret_ends_is_shown(database: Database, tmp_path: Path) -> None:
    more = "old_secrets_until = 2026-11-21T13:00:00Z"
    new, old = listing(tmp_path, database.url, NEW, OLD, more=more)
    assert (new["until"], old["until"]) == (None, "2026-11-21T13:00:00.000Z")


def test_the_last_use_of_each_secret_is_shown(database: Database, tmp_path: Path) -> None:
    clock = Clock()

    async def main() -> None:
        async with receiving(database.url, OLD, NEW, clock=clock) as here:
            for number in range(3):
                await here.send(SMOOCH, body_of(SMOOCH, number), OLD)
        clock.now = LATER
        async with receiving(database.url, OLD, NEW, clock=clock) as here:
            await here.send(SMOOCH, body_of(SMOOCH, 3), OLD)

    asyncio.run(main())
    old, new = listing(tmp_path, database.url, OLD, NEW)
    assert (old["position"], old["uses"], new["position"], new["uses"]) == (1, 4, 2, 0)
    assert (old["first_at"], old["last_at"]) == (
        "2026-11-21T12:00:00.000Z",
        "2026-11-21T13:00:00.000Z",
    )
    assert (new["first_at"], new["last_at"]) == (None, None)
    assert old["fingerprint"] == fingerprint(SMOOCH, OLD.encode())


def test_a_secret_that_was_dropped_is_still_listed(database: Database, tmp_path: Path) -> None:
    async def main() -> None:
        async with receiving(database.url, OLD) as here:
            await here.send(SMOOCH, body_of(SMOOCH, 1), OLD)

    asyncio.run(main())
    new, old = listing(tmp_path, database.url, NEW)
    assert (new["position"], new["uses"]) == (1, 0)
    assert (old["position"], old["uses"]) == (None, 1)


def test_processes_count_together(databases: Callable[[], Database]) -> None:
    processes = [databases() for _ in range(2)]

    def note(number: int) -> None:
        when = NOW + timedelta(seconds=number)
        both = [Use("a", name, 1, when, when) for name in ("11111111", "22222222")]
        with processes[number % 2].write() as tx:
            uses.add(tx, both if number % 3 else both[::-1])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, range(40)))
    with processes[0].read() as tx:
        found = uses.known(tx)
    assert [use.uses for use in found] == [40, 40]
    assert {use.last_at for use in found} == {NOW + timedelta(seconds=39)}


def test_one_secret_has_another_fingerprint_in_each_account() -> None:
    names = {fingerprint(account, OLD.encode()) for account in (SMOOCH, SINCH, "a", "b")}
    assert len(names) == 4
    assert all(len(name) == 8 for name in names)
