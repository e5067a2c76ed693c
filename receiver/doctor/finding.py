"""What a check found: one line, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

Level = Literal["ok", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    check:  what was looked at: "database", "webhook" ...
    todo:   what to do; None where all is well.
    account: whose; None for what all share.
    """

    level: Level
    check: str
    detail: str
    todo: str | None = None
    account: str | None = None


ok: Callable[..., Finding] = partial(Finding, "ok")
warning: Callable[..., Finding] = partial(Finding, "warning")
bad: Callable[..., Finding] = partial(Finding, "bad")
