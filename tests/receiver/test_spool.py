"""The spool's files: order, bytes, bounds, and what is left of them after a crash."""

import resource
import signal
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from receiver import spool as spools
from receiver.records import HEAD, encode
from receiver.spool import Spool, Unreadable, Unusable
from storage.inbox import Delivery
from tests.conftest import NOW

BODIES = [b"", b"\n", b"one\ntwo\n", bytes(range(256)) * 40, b"\x9dHL1" * 3, b"{}"]
ROOM = 2**20  # bytes


@contextmanager
def opened(folder: Path, max_bytes: int = ROOM) -> Iterator[Spool]:
    spool = Spool(folder, max_bytes)
    spool.open()
    try:
        yield spool
    finally:
        spool.close()


def delivery(number: int, body: bytes = b"body") -> Delivery:
    return Delivery("support", body + b"-%d" % number, (), NOW + timedelta(seconds=number))


def fill(folder: Path, count: int = 3) -> Path:
    """A spool that a process left behind; its one segment."""
    with opened(folder) as spool:
        spool.append([delivery(number) for number in range(count)], begin=True)
    [segment] = folder.glob("*.spool")
    return segment


def drained(spool: Spool, limit: int = 100) -> tuple[list[Delivery], list[Unreadable]]:
    """Everything in it, and what was no record."""
    found: list[Delivery] = []
    odd: list[Unreadable] = []
    while not spool.finish():
        some, passed = spool.read(limit)
        spool.drop()
        found += some
        odd += passed
    return found, odd


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_what_goes_in_comes_out_in_order_and_byte_for_byte(limit: int, tmp_path: Path) -> None:
    sent = [delivery(number, body) for number, body in enumerate(BODIES)]
    sent.append(sent[0]._replace(nonce="n-1", expires_at=NOW + timedelta(days=1)))
    with opened(tmp_path) as spool:
        assert [spool.append([one], begin=True) for one in sent] == [1] * len(sent)
        assert drained(spool, limit) == (sent, [])
        assert not list(tmp_path.glob("*.spool"))


def test_it_survives_its_process(tmp_path: Path) -> None:
    fill(tmp_path)
    with opened(tmp_path) as spool:
        assert spool.holds
        spool.append([delivery(3)], begin=False)
        assert drained(spool) == ([delivery(number) for number in range(4)], [])


def test_an_empty_one_takes_nothing_that_can_go_to_the_database(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        assert not spool.holds
        assert spool.append([delivery(1)], begin=False) is None
        spool.append([delivery(1)], begin=True)
        assert (spool.holds, spool.append([delivery(2)], begin=False)) == (True, 1)
        drained(spool)
        assert spool.append([delivery(3)], begin=False) is None


def test_what_was_read_comes_again_until_it_is_dropped(tmp_path: Path) -> None:
    fill(tmp_path)
    with opened(tmp_path) as spool:
        assert spool.read(2) == spool.read(2) == ([delivery(0), delivery(1)], [])
        assert not spool.finish()
        spool.drop()
        assert spool.read(2) == ([delivery(2)], [])
    with opened(tmp_path) as again:
        assert drained(again)[0][0] == delivery(0), "a segment goes as a whole"


def test_it_is_not_empty_while_something_comes(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    with opened(tmp_path) as spool:
        spool.read(10)
        spool.append([delivery(1)], begin=False)
        spool.drop()
        assert not spool.finish()
        assert drained(spool) == ([delivery(1)], [])


def test_stored_segments_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SEGMENT", 1000)
    with opened(tmp_path) as spool:
        for number in range(100):
            spool.append([delivery(number)], begin=True)
        before = len(list(tmp_path.glob("*.spool")))
        for _ in range(50):
            spool.read(1)
            spool.drop()
        spool.read(1)
        assert before > 5
        assert len(list(tmp_path.glob("*.spool"))) == pytest.approx(before / 2, abs=1)
        assert drained(spool) == ([delivery(number) for number in range(50, 100)], [])


def test_a_full_one_takes_the_first_that_fit(tmp_path: Path) -> None:
    size = len(encode(delivery(1)))
    with opened(tmp_path, max_bytes=size * 5 + 10) as spool:
        assert spool.append([delivery(n) for n in range(3)], begin=True) == 3
        assert spool.append([delivery(n) for n in range(3, 6)], begin=False) == 2
        assert spool.append([delivery(6)], begin=False) == 0
        assert drained(spool) == ([delivery(n) for n in range(5)], [])
        assert spool.append([delivery(7)], begin=True) == 1


def test_a_torn_tail_is_passed_over_wherever_it_was_torn(tmp_path: Path) -> None:
    whole = fill(tmp_path / "whole").read_bytes()
    last = len(encode(delivery(2)))
    for cut in range(1, last):
        folder = tmp_path / str(cut)
        segment = fill(folder)
        segment.write_bytes(whole[: len(whole) - cut])
        with opened(folder) as spool:
            spool.append([delivery(9)], begin=False)
            found, [odd] = drained(spool)
        assert found == [delivery(0), delivery(1), delivery(9)]
        assert (odd.torn, odd.size) == (True, last - cut)


def test_a_damaged_record_is_set_aside_wherever_it_is_damaged(tmp_path: Path) -> None:
    whole = fill(tmp_path / "whole").read_bytes()
    start = len(encode(delivery(0)))
    size = len(encode(delivery(1)))
    for at in range(start, start + size, 3):
        folder = tmp_path / str(at)
        segment = fill(folder)
        segment.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        damaged = segment.read_bytes()[start : start + size]
        with opened(folder) as spool:
            found, [odd] = drained(spool)
        assert found == [delivery(0), delivery(2)]
        assert (odd.torn, odd.size) == (False, size)
        assert Path(odd.aside).read_bytes() == damaged


@pytest.mark.parametrize("garbage", [b"", b"\0" * 5000, b"\x9dHL1" * 100, b"{}", b"\xff" * 10])
def test_a_file_of_garbage_stops_nothing(garbage: bytes, tmp_path: Path) -> None:
    fill(tmp_path).rename(tmp_path / "00000002.spool")
    (tmp_path / "00000001.spool").write_bytes(garbage)
    (tmp_path / "notes.spool").write_bytes(b"no segment")
    with opened(tmp_path) as spool:
        found, odd = drained(spool)
    assert found == [delivery(n) for n in range(3)]
    assert sum(one.size for one in odd) == len(garbage)


def test_a_record_of_another_form_is_set_aside(tmp_path: Path) -> None:
    payload = b'{"account": 1}\nbody'
    odd_one = HEAD.pack(b"\x9dHL1", len(payload), zlib.crc32(payload)) + payload
    segment = fill(tmp_path)
    segment.write_bytes(odd_one + segment.read_bytes())
    with opened(tmp_path) as spool:
        found, [odd] = drained(spool)
    assert (len(found), odd.size) == (3, len(odd_one))


def test_a_disk_that_takes_no_more_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    first, large, last = delivery(1), delivery(2, b"x" * 9000), delivery(3)
    with opened(tmp_path) as spool:
        spool.append([first], begin=True)
        with files_of_at_most(3000), pytest.raises(OSError, match="too large"):
            spool.append([large], begin=True)
        assert spool.append([last], begin=False) == 1
    with opened(tmp_path) as spool:
        assert drained(spool) == ([first, last], [])


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond that: a disk that is full, in effect."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(Unusable, match="another process"):
        Spool(tmp_path, ROOM).open()
    with opened(tmp_path):
        pass


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file", tmp_path / "file" / "spool"):
        with pytest.raises(Unusable, match=str(place)):
            Spool(place, ROOM).open()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    segment = fill(tmp_path / "spool")
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert segment.stat().st_mode & 0o777 == 0o600
