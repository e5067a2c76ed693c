"""Values as strangers write them: read where they can be, None where not, and never an error."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from receiver import fields
from receiver.errors import Unparsed

NOON = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("2026-03-04T12:00:00Z", 0),
        ("2026-03-04T12:00:00.1Z", 100_000),
        ("2026-03-04T12:00:00.123Z", 123_000),
        ("2026-03-04T12:00:00.1234567Z", 123_456),
        ("2026-03-04T12:00:00.999999999Z", 999_999),
        ("2026-03-04T12:00:00", 0),
        ("2026-03-04t12:00:00z", 0),
        (" 2026-03-04T12:00:00Z\n", 0),
        ("2026-03-04 14:00:00.5+02:00", 500_000),
        ("2026-03-04T07:00:00-0500", 0),
        (1772625600, 0),
        (1772625600.25, 250_000),
        ("1772625600.123456789", 123_456),
        (1772625600.123456, 123_456),
        (1772625600.9999998, 999_999),
    ],
)
def test_a_time_is_read_and_digits_beyond_the_microsecond_are_cut(
    written: Any, micros: int
) -> None:
    assert fields.moment({"at": written}, "at") == NOON.replace(microsecond=micros)


@pytest.mark.parametrize(
    "written",
    [
        None,
        True,
        "",
        "soon",
        "2026-03-04",
        "2026-02-30T12:00:00Z",
        "2026-03-04T12:00:00123Z",
        "0001-01-01T00:00:00+14:00",
        "nan",
        "-inf",
        "1e999990",
        "1e999999999",
        "-1e999999999",
        1e300,
        10**400,
        1772625600123,
        [],
    ],
)
def test_a_time_that_cannot_be_read_is_none(written: Any) -> None:
    assert fields.moment({"at": written}, "at") is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a", "a"),
        (7, "7"),
        (15145550100.0, "15145550100"),
        (0.5, "0.5"),
        ("a\0b\ud800", "ab\ufffd"),
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, None),
        ("", None),
        (True, None),
        (None, None),
        (["a"], None),
    ],
)
def test_an_id_is_text(written: Any, read: str | None) -> None:
    assert fields.ident({"id": written}, "id") == read


@pytest.mark.parametrize(
    "number",
    ["1e309", "1E+309", "-1.5e0400", "9" * 250 + "e99", "9" * 300 + "e9", "9" * 309 + ".5"],
)
def test_a_number_that_fits_no_float_makes_a_body_unreadable(number: str) -> None:
    with pytest.raises(Unparsed, match="a number is out of range"):
        fields.load(b'{"a": [' + number.encode() + b"]}")


@pytest.mark.parametrize("number", ["1e308", "1e-400", "9" * 199 + "e99", "9" * 400])
def test_a_number_that_fits_is_read_however_it_is_written(number: str) -> None:
    body = '{"a": ' + number + "}"
    assert fields.load(body.encode()) == json.loads(body)
