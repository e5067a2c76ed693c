"""The log line that comes with every webhook, for a twentieth of what structlog's chain costs."""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from pydantic_core import to_json


class Brief:
    """Logs at info what holds nothing private: names from the settings, ids and numbers of our own.

    None of it is hidden. write: takes finished lines of JSON; None: they go the usual way.
    """

    def __init__(self) -> None:
        self.write: Callable[[str], object] | None = None

    def __call__(self, event: str, **fields: object) -> None:
        """One line."""
        if self.write is None:
            structlog.get_logger().info(event, **fields)
            return
        fields.update(event=event, level="info", timestamp=datetime.now(UTC))
        self.write(to_json(fields).decode() + "\n")


brief = Brief()
