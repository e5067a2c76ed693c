"""What a transaction does, the same on both databases."""

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage.database import Database

STATE = "user_key, name, body, updated_at"
ANN, BOB = b"a" * 16, b"b" * 16


def remember(database: Database, *rows: tuple[bytes, str, str, int]) -> None:
    with database.write() as tx:
        tx.insert("state", STATE, rows)


def kept(database: Database) -> list[tuple[str, str, int]]:
    with database.read() as tx:
        rows = tx.run("SELECT name, body, updated_at FROM state ORDER BY name")
        return [tuple(row) for row in rows]


def test_many_rows_are_updated_each_with_its_own_values(database: Database) -> None:
    remember(database, (ANN, "one", "{}", 1), (ANN, "two", "{}", 2), (ANN, "three", "{}", 3))
    with database.write() as tx:
        tx.update("state", "name", "body, updated_at", [("two", "[2]", 20), ("one", "[1]", 10)])
        tx.update("state", "name", "body", [])
    assert kept(database) == [("one", "[1]", 10), ("three", "{}", 3), ("two", "[2]", 20)]


def test_several_questions_at_once_have_their_answers_in_order(database: Database) -> None:
    remember(database, (ANN, "one", "{}", 1), (BOB, "two", "{}", 2))
    with database.read() as tx:
        found = tx.known_all(
            ("state", "name", "user_key", [BOB]),
            ("state", "name", "user_key", []),
            ("state", "name, updated_at", "user_key", [ANN, ANN]),
            ("run", "handler", "event_id", [1]),
        )
    assert [[tuple(row) for row in rows] for rows in found] == [
        [("two",)],
        [],
        [("one", 1)],
        [],
    ]


def test_a_write_whose_answer_nobody_reads_fails_the_transaction(database: Database) -> None:
    remember(database, (ANN, "one", "{}", 1))

    def write() -> None:
        with database.write() as tx:
            tx.update("state", "name", "body", [("one", "[1]")])
            tx.insert("state", STATE, [(ANN, "one", "{}", 1)])

    with pytest.raises(IntegrityError):
        write()
    assert kept(database) == [("one", "{}", 1)]


def test_an_error_tells_nothing_of_the_values(database: Database) -> None:
    remember(database, (ANN, "one", "{}", 1))
    with pytest.raises(DBAPIError) as raised, database.write() as tx:
        tx.insert("state", STATE, [(ANN, "one", "a secret", 1)])
    assert "a secret" not in str(raised.value)


def test_the_database_can_be_used_after_a_failure(database: Database) -> None:
    with pytest.raises(DBAPIError), database.write() as tx:
        tx.run("SELECT nothing FROM nowhere").fetchall()
    remember(database, (ANN, "one", "{}", 1))
    assert kept(database) == [("one", "{}", 1)]
