"""How long to wait before another attempt: pure functions, the chance passed in."""

from datetime import timedelta

FIRST = timedelta(seconds=5)
LONGEST = timedelta(hours=12)


def retry_delay(attempt: int, chance: float) -> timedelta:
    """The wait after attempt number `attempt` (from 1): 5 s, 20 s, 80 s ... at most 12 h.

    Twelve attempts span two to three days. `chance`, from 0 to 1, adds up to a quarter: jitter
    only adds, so that no attempt comes sooner than promised.
    """
    plain: timedelta = min(FIRST * 4 ** min(attempt - 1, 12), LONGEST)
    return plain * (1 + chance / 4)


def clamp(wanted: timedelta, least: timedelta) -> timedelta:
    """A provider's Retry-After, but never sooner than our own back-off nor later than an hour."""
    return max(least, min(wanted, timedelta(hours=1)))
