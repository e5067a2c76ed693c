"""
What a transaction knows of people, so that it need not ask twice. Where this process is the only
writer the next transaction knows it too: most webhooks are from people who wrote before.
"""

from dataclasses import dataclass, field
from typing import Any

LIMIT = 8192  # users: then it is begun anew


@dataclass(slots=True)
class Memory:
    """As the database has it, or as the present transaction will leave it.

    users:   user key -> `people.Known`, of those that are there.
    places:  place -> user key -> `sightings.Sighting`: everybody who was seen there, or nobody.
    clients: client id -> the places at which that client was seen.
    lasting: False: it may be incomplete, so it is of no use to the next transaction.
    """

    users: dict[bytes, Any] = field(default_factory=dict)
    places: dict[bytes, dict[bytes, Any]] = field(default_factory=dict)
    clients: dict[str, set[bytes]] = field(default_factory=dict)
    lasting: bool = True

    def forget(self) -> None:
        """Know nothing."""
        self.users.clear()
        self.places.clear()
        self.clients.clear()
        self.lasting = True

    def settle(self) -> None:
        """The transaction has been committed."""
        if not self.lasting or len(self.users) > LIMIT:
            self.forget()
