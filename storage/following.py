"""What comes in, as it comes: for somebody who looks on."""

from collections import deque
from collections.abc import Sequence

from storage.dialects import Transaction

# Of two transactions on PostgreSQL the one with the smaller ids may commit later, so ids are looked
# at again for as long as a webhook may take to be stored.
LATE = 5.0  # seconds
BACK = 1000  # ids before the first look that may still come


class Following:
    """The ids of new events, each once: `start` first, then `news` again and again.

    now: in seconds, of a clock that never goes back.
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()  # when, and the greatest id then
        self._floor = 0  # what came up to here is of no interest any more
        self._told: set[int] = set()

    def start(self, tx: Transaction, now: float) -> int:
        """What is there by now is not news. Returns the greatest id."""
        greatest = int(tx.run("SELECT coalesce(max(id), 0) FROM event").scalar_one())
        self._floor = max(0, greatest - BACK)
        self._told = set(self._found(tx))
        self._looks.append((now, greatest))
        return greatest

    def news(self, tx: Transaction, now: float) -> Sequence[int]:
        """The ids that have come since the last call, ascending."""
        found = self._found(tx)
        fresh = [event_id for event_id in found if event_id not in self._told]
        self._looks.append((now, max(found, default=self._floor)))
        while self._looks[0][0] < now - LATE:
            self._floor = max(self._floor, self._looks.popleft()[1])
        self._told = {event_id for event_id in found if event_id > self._floor}
        return fresh

    def _found(self, tx: Transaction) -> list[int]:
        rows = tx.run("SELECT id FROM event WHERE id > ? ORDER BY id", self._floor)
        return [row[0] for row in rows]
