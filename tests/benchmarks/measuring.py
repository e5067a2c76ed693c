"""What the dispatch peers share: how much to do, what they note, the result as one JSON line."""

import json
import os
import time

DATABASE = os.environ["BENCH_DATABASE"]
EVENTS = int(os.environ["BENCH_EVENTS"])
USERS = int(os.environ["BENCH_USERS"])
RATE = int(os.environ["BENCH_RATE"])
PACED = int(RATE * float(os.environ["BENCH_SECONDS"]))

notes: list[tuple[int, float, float]] = []  # (number, made at, started at), as they are started


def note(number: int, made_at: float) -> None:
    """A job has started."""
    notes.append((number, made_at, time.time()))


def drained() -> tuple[float, bool]:
    """Events a second, and whether each user's came in order; begins anew."""
    rate, ordered = len(notes) / (time.time() - notes[0][2]), in_order()
    notes.clear()
    return rate, ordered


def in_order() -> bool:
    """Whether each user's jobs were started in the order of their numbers."""
    last: dict[int, int] = {}
    for number, _, _ in notes:
        if last.get(number % USERS, -1) > number:
            return False
        last[number % USERS] = number
    return True


def report(rate: float, ordered: bool) -> None:
    """The last line of the output."""
    waits = sorted((started - made) * 1000 for _, made, started in notes)
    found = {"rate": round(rate, 1), "in_order": ordered and in_order()}
    for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1)):
        found[name] = round(waits[min(int(len(waits) * share), len(waits) - 1)], 2)
    print(json.dumps(found), flush=True)
