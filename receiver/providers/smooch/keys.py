"""Dedup keys: the same for every delivery of one event, different for two genuine events."""

from datetime import timedelta
from typing import Any

from receiver import fields

# A digest stands in where the provider gives neither an id nor a time. The same bytes may mean two
# genuine events (a button pressed twice), so it counts for one round of retries only.
WINDOW = timedelta(hours=1)
LENGTH = 512  # characters: an index row of a database holds no more than a few kilobytes


def key(trigger: str | None, *parts: str) -> str:
    """The trigger and the parts, joined; an endless one is cut and told apart by its digest."""
    joined = ":".join([trigger or "unknown", *parts])
    if len(joined) <= LENGTH:
        return joined
    return f"{joined[: LENGTH // 2]}:{fields.digest(joined.encode())}"


def stand_in(trigger: str | None, raw: bytes, position: int | None) -> dict[str, Any]:
    """`id` and `dedup_window` from the bytes. `position`: None where they hold one event only."""
    parts = [fields.digest(raw)] if position is None else [fields.digest(raw), str(position)]
    return {"id": key(trigger, *parts), "dedup_window": WINDOW}


def final(value: Any) -> str:
    """How `isFinalEvent` stands in a key: "true", "false", or nothing where it is not said."""
    return str(value).lower() if isinstance(value, bool) else ""
