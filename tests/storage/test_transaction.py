"""What a transaction does, the same on both databases."""

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage.database import Database

STATE = "user_key, name, body, updated_at"
NONCE = "key, body, expires_at"
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


def test_texts_come_back_as_they_were_written(database: Database) -> None:
    texts = [
        '"',
        "\\",
        '\\"',
        "{}",
        "{,}",
        "NULL",
        "null",
        "",
        " ",
        "a,b",
        "\n\t",
        "é😀",
        "%s %b ?",
    ]
    rows = [(bytes([number]) * 16, text, text, 1) for number, text in enumerate(texts)]
    remember(database, *rows)
    with database.read() as tx:
        found = tx.known("state", "user_key, name, body, updated_at", "name", texts)
    assert sorted(map(tuple, found)) == rows


def test_what_is_not_there_stays_so(database: Database) -> None:
    columns = "key, account, id, external_id, named_at, merged_into, created_at"
    row = (ANN, "support", "ann", None, -1, None, 1)
    with database.write() as tx:
        tx.insert("app_user", columns, [row])
        tx.upsert("app_user", columns, [(*row[:3], "NULL", 2, BOB, 1)], "key")
        tx.update("app_user", "key", "merged_into", [(ANN, None)])
    with database.read() as tx:
        found = tx.known("app_user", columns, "key", [ANN])
    assert [tuple(one) for one in found] == [(ANN, "support", "ann", "NULL", 2, None, 1)]


def test_of_new_rows_it_is_told_which_were_new(database: Database) -> None:
    def add(*nonces: bytes) -> set[bytes]:
        with database.write() as tx:
            return tx.insert_new("nonce", NONCE, [(key, b"", 1) for key in nonces], "key")()

    assert add(ANN) == {ANN}
    assert add(ANN, BOB, BOB) == {BOB}
    assert add(ANN, BOB) == set()
    assert add() == set()


def test_ids_go_up_from_transaction_to_transaction(database: Database) -> None:
    seen: list[int] = []
    for count in (1, 3):
        with database.write() as tx:
            nonces, events = tx.ask_ids(("nonce", count), ("event", 2))()
            rows = [(number, bytes([number]) * 16, b"", 1) for number in nonces]
            tx.insert("nonce", f"id, {NONCE}", rows)
        assert (len(nonces), len(events)) == (count, 2)
        seen += nonces
    assert seen == sorted(set(seen))


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
