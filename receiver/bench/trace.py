"""
What a bench's handlers leave behind: which webhook they were given, and when, in the order in which
they were started. Shared memory, so that noting costs less than a microsecond.
"""

import mmap
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COUNT = struct.Struct("<Q")
_NOTE = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class Note:
    """number: of the webhook. at: microseconds since 1970."""

    number: int
    at: int


class Trace:
    """One process writes, another reads. Made with room for so many notes by `create`."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 0)

    @classmethod
    def create(cls, file: Path, room: int) -> "Trace":
        """An empty one."""
        file.write_bytes(bytes(_COUNT.size + room * _NOTE.size))
        return cls(file)

    def note(self, number: int) -> None:
        """This webhook's handler has started."""
        (count,) = _COUNT.unpack_from(self._memory)
        at = _COUNT.size + count * _NOTE.size
        _NOTE.pack_into(self._memory, at, number, time.time_ns() // 1000)
        _COUNT.pack_into(self._memory, 0, count + 1)

    def __len__(self) -> int:
        return int(_COUNT.unpack_from(self._memory)[0])

    def __iter__(self) -> Iterator[Note]:
        for index in range(len(self)):
            yield Note(*_NOTE.unpack_from(self._memory, _COUNT.size + index * _NOTE.size))


def in_order(notes: list[Note], users: int) -> bool:
    """Whether each person's webhooks were started in the order of their numbers."""
    last: dict[int, int] = {}
    for note in notes:
        person = note.number % users
        if last.get(person, -1) > note.number:
            return False
        last[person] = note.number
    return True
