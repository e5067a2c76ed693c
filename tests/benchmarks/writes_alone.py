"""
What is left of Hookline without its work: a webhook comes by the same HTTP, and rows that were made
up go to the same tables by the same statements, as many in a transaction. Nothing is verified, read
or logged. How far the real one is from this is what its own Python costs; how far this is from the
floor is what HTTP, the statements and the disk cost.
"""

import asyncio
import gc
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from starlette.types import Receive, Scope, Send

from receiver import express, serving
from receiver.bench.load import loop_factory
from receiver.commit import GroupCommit
from receiver.ledger import Stored
from receiver.provider import Headers
from storage import dialects, inbox, lanes, sightings
from storage.database import Database
from storage.dialects import Transaction
from storage.inbox import Delivery
from storage.sightings import Sighting
from storage.tables import micros

PEOPLE = 2000  # as many as the bench's webhooks are from
FOLD = 0.5  # seconds
_KNOWN = [
    (Sighting(os.urandom(16), os.urandom(16), "chat", "web", None, "web", None, None,
              "active", -1, 0, 1), random.getrandbits(62))
    for _ in range(PEOPLE)
]  # fmt: skip


class Writes:
    """In the place of the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begin = random.getrandbits(32)

    def start(self, taken_in: Callable[[], None]) -> None:
        """Nothing waits."""

    def stop(self) -> None:
        """Nothing runs."""

    def write(self, batch: Sequence[Delivery]) -> list[Stored]:
        """One event of a known person for each, every second with a once-only value."""
        people = random.choices(_KNOWN, k=len(batch))
        with self._database.write() as tx:
            given = tx.ask_ids(("event", len(batch)))
            tx.lock_lanes(lane for _, lane in people)
            self._insert(tx, batch, given()[0], people)
        return [Stored(1, 1)] * len(batch)

    def _insert(
        self,
        tx: Transaction,
        batch: Sequence[Delivery],
        ids: Sequence[int],
        people: Sequence[tuple[Sighting, int]],
    ) -> None:
        now = micros(datetime.now(UTC))
        beginning = int(time.time()).to_bytes(4, "big")  # as the keys of events begin
        once, events, seen, jobs, begun = [], [], {}, [], set()
        for event_id, delivery, (known, lane) in zip(ids, batch, people, strict=True):
            name = f"{self._begin:08x}{event_id:016x}"
            key = beginning + os.urandom(12)
            about = "message.received", "message:appUser", name, known.user_key, "web", name
            events.append(
                (event_id, key, "chat", event_id, 0, *about, now, now, None, False, delivery.body)
            )
            seen[known.place] = (known.place, known.user_key, "active", -1, now, now)
            jobs.append((1, event_id, "chat", lane, int(lane not in begun), now, 0))
            begun.add(lane)
            if event_id & 1:
                once.append((os.urandom(16), os.urandom(16), now))
        fresh = tx.insert_new("nonce", "key, body, expires_at", once, "key")
        new = tx.insert_new("event", inbox._EVENT, events, "dedup")
        tx.update("identity", sightings.KEY, sightings.CHANGING, list(seen.values()))
        tx.insert("job", lanes._COLUMNS, jobs, state=lanes._STATE)
        assert (len(fresh()), len(new())) == (len(once), len(events))


async def serve(port: int, url: str) -> None:
    """Until SIGTERM."""
    database = Database(url)
    database.migrate()
    with database.write() as tx:
        known = [sighting for sighting, _ in _KNOWN]
        tx.upsert("identity", sightings.COLUMNS, known, sightings.KEY)
    commit = GroupCommit(Writes(database), writers=dialects.writers(url))  # type: ignore[arg-type]
    commit.start()
    at = datetime.now(UTC)

    def take(_: bytes, headers: Headers, body: bytes, tell: Callable[..., None]) -> bool:
        def told(result: object) -> None:
            tell(result if isinstance(result, Exception) else None)

        commit.submit(Delivery("chat", body, (), at), told)
        return True

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        """Those that come in several pieces."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await commit.save(Delivery("chat", body, (), at))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    http = express.protocol(take, timedelta(seconds=10), timedelta(seconds=15))
    config = serving.configure(app, http=http, host="127.0.0.1", port=port)
    folding = asyncio.create_task(_fold(database))
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    async with serving.listening([config]):
        await serving.until_stopped()
    folding.cancel()
    await commit.stop()
    database.close()


async def _fold(database: Database) -> None:
    while True:
        await asyncio.sleep(FOLD)
        await asyncio.to_thread(database.fold)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(int(sys.argv[1]), os.environ["BENCH_DATABASE"]))
