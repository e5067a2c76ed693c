"""What became of the events of `tests.soak.dispatch`: read from the database and the stand-ins."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from receiver.bench.bodies import number_of
from storage.database import Database
from tests.soak.standing_in import Providers


@dataclass(frozen=True, slots=True)
class Outcome:
    """done: events whose handler has succeeded. repeats: starts of the handler beyond one for each
    event. effects: actions that were queued, by status. sent: replies that arrived; doubled: of
    those, the ones that had arrived before; not_sent: actions that are "sent" and never arrived.
    unordered: of one person's, what ended, began or arrived before something earlier. jobs_left:
    unfinished work; dead: what waits for a human, the uncertain actions."""

    stored: int
    done: int
    repeats: int
    effects: dict[str, int]
    sent: int
    doubled: int
    not_sent: int
    unordered: int
    jobs_left: int
    dead: int

    @property
    def uncertain(self) -> int:
        """Actions of which nobody knows whether they arrived, held by policy."""
        return self.effects.get("uncertain", 0)

    def problems(self, events: int) -> list[str]:
        """The promises that were broken, for so many events."""
        found = {
            "events are not stored once": self.stored != events,
            "events are not done": self.done != events,
            "effects are not queued once": sum(self.effects.values()) != events,
            "effects are neither sent nor uncertain": self.effects.keys() - {"sent", "uncertain"},
            "effects were sent twice": self.doubled,
            "effects that count as sent were not": self.not_sent,
            "the order of a person's events was not kept": self.unordered,
            "work is left over": self.jobs_left,
            "something but the uncertain effects waits for a human": self.dead != self.uncertain,
        }
        return [words for words, broken in found.items() if broken]


def read(database: Database, providers: Providers, started: list[int], users: int) -> Outcome:
    """started: the numbers of the webhooks whose handler was started, as it happened."""
    replies = Counter(providers.replies())
    with database.read() as tx:
        stored = tx.run("SELECT count(*) FROM event").fetchone()[0]
        jobs = tx.run("SELECT state, count(*) FROM job GROUP BY state").fetchall()
        runs = tx.run(
            "SELECT e.message_id, r.finished_at FROM run r JOIN event e ON e.id = r.event_id"
            " WHERE r.outcome = 'done' ORDER BY r.finished_at"
        ).fetchall()
        actions = tx.run(
            "SELECT e.message_id, a.status FROM action a JOIN event e ON e.id = a.event_id"
        ).fetchall()
    sent = [number_of(row[0]) for row in actions if row[1] == "sent"]
    return Outcome(
        stored=stored,
        done=len({row[0] for row in runs}),
        repeats=len(started) - len(set(started)),
        effects=dict(Counter(row[1] for row in actions)),
        sent=len(replies),
        doubled=sum(replies.values()) - len(replies),
        not_sent=sum(number not in replies for number in sent),
        unordered=unordered(started, users)
        + unordered(providers.replies(), users)
        + unordered((number_of(row[0]) for row in runs), users),
        jobs_left=sum(row[1] for row in jobs if row[0] != 4),
        dead=sum(row[1] for row in jobs if row[0] == 4),
    )


def unordered(numbers: Iterable[int], users: int) -> int:
    """How many come after a later one of the same person."""
    last: dict[int, int] = {}
    wrong = 0
    for number in numbers:
        person = number % users
        wrong += number < last.get(person, -1)
        last[person] = max(number, last.get(person, -1))
    return wrong
