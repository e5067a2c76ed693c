"""
Webhooks on disk while the database is away: files that are only appended to, and synced before
anybody is answered.

    <folder>/lock               held by the process that owns the folder
    <folder>/00000001.spool     a segment: records, one after the other; the lowest is the oldest
    <folder>/aside-...          what could not be read, or not be stored: for a human

A process never appends to a segment of an earlier one, so what a crash tore is at the end of a
segment and was never acknowledged. A record is taken out by deleting its segment when all of it is
stored; after a crash in between, some are stored again, which their dedup keys make harmless.
"""

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from receiver.records import HEAD, decode, encode, next_record, payload_at
from storage.inbox import Delivery

SEGMENT = 4 * 1024 * 1024  # bytes after which another segment is begun
CHUNK = 4 * 1024 * 1024  # bytes that are read at once, or one record


class Unusable(Exception):
    """The folder is no place for a spool; the message says why."""


@dataclass(slots=True)
class _Segment:
    """size: the bytes that are durable."""

    number: int
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes that are no record. aside: where they are now. torn: they ended the segment."""

    aside: str
    size: int
    torn: bool


class Spool:
    """The folder. Any thread may append; one thread reads and drops.

    max_bytes: of all segments together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Condition()
        self._segments: list[_Segment] = []
        self._file: int | None = None  # of the last segment, where it is ours
        self._owner: int | None = None
        self._holds = False
        self._offset = 0  # in the first segment: what stands before is stored
        self._ahead = 0  # in the same one: what `read` gave

    def open(self) -> None:
        """Take the folder, and what is left in it. Raises Unusable."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._owner = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            _check_writable(self._folder)
        except OSError as error:
            self.close()
            raise Unusable(f"{self._folder}: {error.strerror}") from None
        try:
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise Unusable(f"{self._folder}: another process has it") from None
        files = (path for path in self._folder.glob("*.spool") if path.stem.isdigit())
        found = sorted(files, key=lambda path: int(path.stem))
        self._segments = [_Segment(int(path.stem), path, path.stat().st_size) for path in found]
        self._holds = bool(found)

    def close(self) -> None:
        """Give the folder back. What is in it stays."""
        for handle in (self._file, self._owner):
            if handle is not None:
                os.close(handle)
        self._file = self._owner = None

    @property
    def holds(self) -> bool:
        """Whether there is anything: then whatever comes has to queue behind it."""
        return self._holds

    @property
    def size(self) -> int:
        """Bytes that are not stored yet."""
        with self._lock:
            return sum(segment.size for segment in self._segments) - self._offset

    def wait(self, seconds: float) -> bool:
        """Until it holds something, at most so long; whether it does."""
        with self._lock:
            return self._lock.wait_for(lambda: self._holds, seconds)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Whoever wants to append waits until the block ends."""
        with self._lock:
            yield

    def append(self, deliveries: Sequence[Delivery], *, begin: bool) -> int | None:
        """How many of them are on disk now: all, or the first so many, when it is full.

        begin: whether an empty spool takes anything; if not, None: the database is the place.
        Raises OSError where the disk does not take them; then none is in it.
        """
        records = [encode(delivery) for delivery in deliveries]
        with self._lock:
            if not (self._holds or begin):
                return None
            count = self._fitting(records)
            if count:
                self._write(b"".join(records[:count]))
                self._holds = True
                self._lock.notify_all()
            return count

    def _fitting(self, records: Sequence[bytes]) -> int:
        left = self._max_bytes - sum(segment.size for segment in self._segments)
        for number, record in enumerate(records):
            left -= len(record)
            if left < 0:
                return number
        return len(records)

    def _write(self, data: bytes) -> None:
        if self._file is None or self._segments[-1].size >= SEGMENT:
            self._begin_segment()
        assert self._file is not None
        segment = self._segments[-1]
        try:
            done = 0
            while done < len(data):
                done += os.pwrite(self._file, data[done:], segment.size + done)
            os.fdatasync(self._file)
        except OSError:
            self._end_segment(cut=True)
            raise
        segment.size += len(data)

    def _begin_segment(self) -> None:
        self._end_segment()
        number = self._segments[-1].number + 1 if self._segments else 1
        path = self._folder / f"{number:08}.spool"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._segments.append(_Segment(number, path, 0))
        _sync(self._folder)

    def _end_segment(self, *, cut: bool = False) -> None:
        """The next record goes to another one. cut: half a record may be at its end."""
        if self._file is None:
            return
        handle, self._file = self._file, None
        try:
            if cut:
                os.ftruncate(handle, self._segments[-1].size)
        finally:
            os.close(handle)

    def read(self, limit: int) -> tuple[list[Delivery], list[Unreadable]]:
        """The oldest ones, at most `limit`, and what was passed over on the way to them.

        The same ones come again until `drop`. Their events are not in it. Raises OSError.
        """
        with self._lock:
            while len(self._segments) > 1 and self._offset >= self._segments[0].size:
                self._remove_first()
            segment = self._segments[0] if self._segments else None
            end = segment.size if segment else 0
        if segment is None or self._offset >= end:
            return [], []
        found: list[Delivery] = []
        odd: list[Unreadable] = []
        self._ahead = self._offset
        with segment.path.open("rb") as file:
            while len(found) < limit and self._ahead < min(end, self._offset + CHUNK):
                file.seek(self._ahead)
                payload = payload_at(file, end - self._ahead)
                delivery = decode(payload) if payload is not None else None
                if payload is None or delivery is None:
                    file.seek(self._ahead)
                    odd.append(self._pass_over(segment, file.read(end - self._ahead)))
                    continue
                found.append(delivery)
                self._ahead += HEAD.size + len(payload)
        return found, odd

    def drop(self) -> None:
        """What `read` gave is stored."""
        with self._lock:
            self._offset = self._ahead

    def finish(self) -> bool:
        """Be empty again, if everything is stored; whether it is. Nothing gets in between."""
        with self._lock:
            if len(self._segments) > 1 or (
                self._segments and self._offset < self._segments[0].size
            ):
                return False
            if self._segments:
                self._end_segment()
                self._remove_first()
            self._holds = False
            return True

    def _remove_first(self) -> None:
        self._segments[0].path.unlink(missing_ok=True)
        del self._segments[0]
        self._offset = self._ahead = 0

    def _pass_over(self, segment: _Segment, rest: bytes) -> Unreadable:
        """Set aside what stands before the next good record, or the rest of the segment."""
        at = next_record(rest)
        bad = rest[:at]
        name = self.set_aside(f"{segment.number:08}-{self._ahead}", bad)
        self._ahead += len(bad)
        return Unreadable(name, len(bad), torn=at is None)

    def set_aside(self, name: str, content: bytes) -> str:
        """Keep this for a human; the file. Raises OSError."""
        path = self._folder / f"aside-{name}"
        with open(path, "wb", opener=_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _sync(self._folder)
        return str(path)


def _check_writable(folder: Path) -> None:
    probe = folder / "probe"
    with open(probe, "wb", opener=_private) as file:
        file.write(b"1")
        file.flush()
        os.fsync(file.fileno())
    probe.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(folder: Path) -> None:
    """Make a new name in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def leftovers(folder: Path) -> tuple[list[Path], list[Path]]:
    """What is in a folder, whoever has it: segments with anything in them, files set aside."""
    segments = [path for path in sorted(folder.glob("*.spool")) if path.stat().st_size]
    return segments, sorted(folder.glob("aside-*"))
