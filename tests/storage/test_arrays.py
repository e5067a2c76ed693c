"""PostgreSQL reads the very values of which an array was written."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import arrays

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NUMBER = st.integers(-(2**63), 2**63 - 1)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "text[]": TEXT | st.sampled_from(["", "NULL", '"', "\\", "{}", ",", '\\"', " a "]),
    "bytea[]": st.binary(),
    "bigint[]": NUMBER,
    "boolean[]": st.booleans(),
}


@pytest.fixture
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_an_array_is_read_as_it_was_meant(
    kind: str, connection: psycopg.Connection[Any], data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.none() | KINDS[kind], min_size=1, max_size=20))
    sql = f"SELECT value FROM unnest({arrays.mark(kind)}) WITH ORDINALITY AS t(value, n) ORDER BY n"
    found = connection.execute(sql, [arrays.written(kind, values)])  # type: ignore[arg-type]
    assert [row[0] for row in found] == values
