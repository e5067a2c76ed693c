"""What the endpoint answers, and that what it answered 200 is stored as it came."""

import asyncio
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from receiver import app
from receiver.accounts import accounts
from receiver.commit import GroupCommit
from receiver.endpoint import WebhookEndpoint
from receiver.ledger import Ledger
from receiver.notebook import Notebook
from receiver.providers.smooch.options import SmoochOptions
from receiver.receive import read
from storage.database import Database
from storage.quarantine import Bounds
from storage.queries import EventRow
from tests.conftest import NOW
from tests.parts import postgres
from tests.parts.process import (
    ACCOUNT,
    COMMAND,
    PATH,
    SECRET,
    Answer,
    Serving,
    Talk,
    ask,
    chunked,
    is_stored,
    message,
    message_id,
    request,
    serve,
    stored,
)

LIMIT = 100_000  # bytes of a body that this server takes
TEXT = "Is anybody there?"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """One database of each kind for all tests here."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('data')}/hookline.db"
        return
    running, name = request.getfixturevalue("postgres_server"), f"hookline_endpoint_{os.getpid()}"
    yield postgres.create_database(running, name)
    postgres.drop_database(running, name)


@pytest.fixture(scope="module")
def server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A process that receives."""
    toml = f'database_url = "{database_url}"\nmax_body_bytes = {LIMIT}\n{ACCOUNT}{AVAAMO}'
    with serve(tmp_path_factory.mktemp("server"), toml, "--no-work") as running:
        yield running


AVAAMO = """
[accounts.agents]
provider = "avaamo"
"""


def post(server: Serving, body: bytes, **options: Any) -> Answer:
    """The answer to a genuine webhook, changed as `request` can."""
    answer = ask(server.port, request(body, **options))
    assert answer is not None
    return answer


def rows_of(database_url: str, body: bytes) -> list[EventRow]:
    """The events of exactly these bytes."""
    return [row for row in stored(database_url) if row.body == body]


# name -> (options of `request`, status). Each is sent with a message of its own, never stored.
# fmt: off
REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "no key": ({"key": None}, 401),
    "a wrong key": ({"key": "wrong"}, 401),
    "an empty key": ({"key": ""}, 401),
    "the key and something": ({"key": SECRET + "x"}, 401),
    "the beginning of the key": ({"key": SECRET[:-1]}, 401),
    "the key twice": ({"fields": [f"X-API-Key: {SECRET}"]}, 401),
    "an unknown account": ({"target": "/webhooks/sales"}, 404),
    "an account that takes no webhooks": ({"target": "/webhooks/agents"}, 404),
    "an unknown account, otherwise": ({"target": "/webhooks/sales", "method": "DELETE"}, 404),
    "put": ({"method": "PUT"}, 405),
    "options": ({"method": "OPTIONS"}, 405),
    "gzip": ({"fields": ["Content-Encoding: gzip"]}, 415),
    "an unknown coding": ({"fields": ["Content-Encoding: zstd"]}, 415),
    "two codings": ({"fields": ["Content-Encoding: identity", "Content-Encoding: br"]}, 415),
}

# Genuine, but nothing that could be read. name -> body.
UNREADABLE = {
    "nothing": b"",
    "blanks": b" \r\n\t",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"x"',
    "half a body": message("half")[:-5],
    "a body and more": message("more") + b"}",
    "two bodies": message("one") + message("two"),
    "form": b"trigger=message%3AappUser&text=Hi",
    "multipart": b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n',
    "xml": b"<?xml version='1.0'?><a/>",
    "gzip without a word": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV\x02\x00\x7f",
    "invalid UTF-8": message("latin", text="caf").replace(b"caf", b"caf\xe9"),
    "UTF-16": message("utf-16").decode().encode("utf-16"),
    "UTF-32": message("utf-32").decode().encode("utf-32-le"),
    "NaN": message("nan").replace(b'"received": ', b'"received": NaN, "x": '),
    "Infinity": message("inf").replace(b'"received": ', b'"received": -Infinity, "x": '),
    "1e999": message("1e999").replace(b'"received": ', b'"received": 1e999, "x": '),
    "deep lists": b"[" * 50_000 + b"]" * 50_000,
    "deep objects": b'{"a":' * 16_000 + b"1" + b"}" * 16_000,
    "deep and never closed": b"[" * LIMIT,
    "a number of 5000 digits": (
        message("digits").replace(b'"trigger"', b'"n": ' + b"9" * 5000 + b', "trigger"', 1)),
    "single quotes": b"{'trigger': 'message:appUser'}",
    "a NUL": b"\0",
}

# Odd, but legal: taken for what it says. name -> (body, what its text is).
READABLE = {
    "a mark before it": (b"\xef\xbb\xbf" + message("bom"), TEXT),
    "half a surrogate pair": (message("half pair", text="a\ud800b"), "a\ufffdb"),
    "a NUL in it": (message("nul", text="a\0b"), "ab"),
    "a whole pair": (message("pair", text="\U0001f600"), "\U0001f600"),
    "a number of 4000 digits": (
        message("digits").replace(b'"trigger"', b'"n": ' + b"9" * 4000 + b', "trigger"', 1), None),
    "a repeated key": (message("twice").replace(b'"trigger"', b'"trigger": 1, "trigger"', 1), None),
    "10,000 keys": (message("keys")[:-1] + b"".join(
        b', "k%d": %d' % (n, n) for n in range(6000)) + b"}", None),
    "blanks around it": (b"\r\n " + message("blanks") + b" \r\n", None),
    "names of prototypes": (
        message("proto", __proto__={"a": 1}, constructor="x", __class__="y"), None),
}

HEADERS = {
    "no type": [],
    "plain text": ["Content-Type: text/plain"],
    "a form": ["Content-Type: application/x-www-form-urlencoded"],
    "utf-7": ["Content-Type: application/json; charset=utf-7"],
    "nonsense": ["Content-Type: application/json; charset=nonsense"],
    "two types": ["Content-Type: application/json", "Content-Type: text/html"],
    "no coding": ["Content-Encoding: identity"],
    "an empty coding": ["Content-Encoding:"],
}
# fmt: on


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_not_stored_and_told_nothing(
    name: str, server: Serving, database_url: str
) -> None:
    options, status = REFUSED[name]
    answer = post(server, message(name), **options)
    assert (answer.status, answer.body) == (status, b"")
    assert not is_stored(database_url, name)
    assert "location" not in answer.headers


def test_all_401_are_the_same(server: Serving) -> None:
    cases = [options for options, status in REFUSED.values() if status == 401]
    answers = [post(server, message("same"), **options) for options in cases]
    assert all(answer == answers[0] for answer in answers)


def test_a_405_says_what_may_be_done(server: Serving) -> None:
    answer = post(server, b"", method="PATCH")
    assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_probe_needs_no_credential(method: str, server: Serving) -> None:
    response = httpx.request(method, server.url + PATH, trust_env=False)
    assert response.status_code == 200
    assert int(response.headers["content-length"]) > 0
    assert bool(response.content) == (method == "GET")


def test_the_root_answers(server: Serving) -> None:
    assert httpx.get(server.url, trust_env=False).status_code == 200


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_genuine_body_that_cannot_be_read_is_kept(
    name: str, server: Serving, database_url: str
) -> None:
    body = UNREADABLE[name]
    answer = post(server, body)
    assert (answer.status, answer.body) == (200, b"")
    [row] = rows_of(database_url, body)
    assert (row.account, row.type, row.status) == ("support", "unparsed", "unparsed")
    assert row.error


@pytest.mark.parametrize("name", READABLE)
def test_an_odd_body_is_taken_for_what_it_says(
    name: str, server: Serving, database_url: str
) -> None:
    body, text = READABLE[name]
    assert post(server, body).status == 200
    [row] = rows_of(database_url, body)
    assert row.type == "message.received"
    assert row.user == "7c9e1f2a3b4c5d6e7f809a1b"
    if text not in (None, TEXT):
        shown = subprocess.run(
            [*COMMAND, "events", "show", str(row.id), "--json"],
            cwd=server.folder,
            capture_output=True,
            check=True,
        )
        assert json.loads(shown.stdout)["text"] == text


@pytest.mark.parametrize("name", HEADERS)
def test_the_bytes_are_read_whatever_their_type_is_said_to_be(
    name: str, server: Serving, database_url: str
) -> None:
    assert post(server, message(name), fields=HEADERS[name]).status == 200
    [row] = rows_of(database_url, message(name))
    assert row.type == "message.received"


def test_a_body_of_the_limit_passes_and_a_longer_one_does_not(
    server: Serving, database_url: str
) -> None:
    fits = message("limit").ljust(LIMIT)
    longer = message("longer").ljust(LIMIT + 1)
    parts = {"length": None, "fields": ["Transfer-Encoding: chunked"]}
    answers = [
        post(server, fits),
        post(server, longer),
        post(server, chunked(fits), **parts),
        post(server, chunked(longer), **parts),
        post(server, b"", length=10**15),
    ]
    assert [answer.status for answer in answers] == [200, 413, 200, 413, 413]
    assert len(rows_of(database_url, fits)) == 1
    assert not is_stored(database_url, "longer")


def test_a_chunked_body_without_end_is_cut_off_at_the_limit(server: Serving) -> None:
    with Talk(server.port) as talk:
        talk.send(request(length=None, fields=["Transfer-Encoding: chunked"]))
        chunk = b"2710\r\n" + b" " * 10_000 + b"\r\n"
        sent = 0
        while sent < 10_000 and talk.send(chunk):
            sent += 1
        answer = talk.answer()
        assert answer is not None
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert talk.closed()


def test_a_length_that_is_too_short_is_what_counts(server: Serving, database_url: str) -> None:
    body = message("short")
    with Talk(server.port) as talk:
        talk.send(request(body, length=20))
        answer = talk.answer()
        assert answer is not None
        assert answer.status == 200
        assert talk.closed()
    assert len(rows_of(database_url, body[:20])) == 1
    assert not is_stored(database_url, "short")


def test_the_same_webhook_again_is_a_success_and_no_second_event(
    server: Serving, database_url: str
) -> None:
    answers = [post(server, message("again")) for _ in range(3)]
    assert {answer.status for answer in answers} == {200}
    assert len([r for r in stored(database_url) if r.message_id == message_id("again")]) == 1


def test_what_was_stored_is_what_the_command_lists(server: Serving) -> None:
    post(server, message("listed"))
    post(server, b"not listed as a message")
    listing = subprocess.run(
        [*COMMAND, "events", "--json", "--limit", "0"],
        cwd=server.folder,
        capture_output=True,
        check=True,
    )
    rows = [json.loads(line) for line in listing.stdout.splitlines()]
    listed = [row for row in rows if row["message_id"] == message_id("listed")]
    assert [(row["account"], row["type"], row["text"]) for row in listed] == [
        ("support", "message.received", "Hello, is anybody there?")
    ]
    assert any(row["status"] == "unparsed" for row in rows)


def test_the_log_has_one_line_for_each_request_and_no_secret(server: Serving) -> None:
    count = len(server.lines)
    post(server, message("logged", text="a private text, +1 514 555 0137"))
    until = time.monotonic() + 5
    while len(server.lines) == count and time.monotonic() < until:
        time.sleep(0.01)
    line = server.lines[count]
    assert (line["event"], line["account"], line["new"]) == ("webhook_received", "support", 1)
    assert len(server.lines) == count + 1
    log = server.log.read_text()
    assert SECRET not in log
    assert "a private text" not in log


def test_nothing_here_was_a_surprise(server: Serving) -> None:
    assert not [line for line in server.lines if line["level"] in ("error", "critical")]


def test_a_locked_database_is_a_503_and_the_webhook_is_welcome_later(tmp_path: Path) -> None:
    with serve(tmp_path, ACCOUNT, "--no-work") as server:
        other = sqlite3.connect(tmp_path / "hookline.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        away = post(server, message("locked"))
        other.execute("ROLLBACK")
        other.close()
        back = post(server, message("locked"))
        assert (away.status, away.body, back.status) == (503, b"", 200)
        assert int(away.headers["retry-after"]) > 0
        assert server.said("webhook_deferred")["status"] == 503
        assert len([r for r in stored(server.database_url) if r.message_id]) == 1


def test_a_bug_of_ours_is_a_500_without_a_word(sqlite_url: str) -> None:
    def bug(body: bytes) -> NoReturn:
        raise RuntimeError("a bug")

    known = accounts({"support": SmoochOptions(provider="smooch", webhook_secrets=[SECRET])})
    inbound = known["support"].provider.inbound
    assert inbound is not None
    provider = replace(known["support"].provider, inbound=replace(inbound, parse=bug))
    broken = {"support": replace(known["support"], provider=provider)}

    async def post_one() -> httpx.Response:
        database = Database(sqlite_url)
        commit = GroupCommit(Ledger(database, lambda: NOW, read=lambda one: read(broken, one)))
        notebook = Notebook(database, broken, lambda: NOW, Bounds(1, 1, timedelta(days=1), 1))
        endpoint = WebhookEndpoint(
            broken, commit, notebook, lambda: NOW, max_body=1000, body_timeout=5
        )
        commit.start()
        transport = httpx.ASGITransport(app.public(endpoint))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            response = await client.post(PATH, content=b"{}", headers={"X-API-Key": SECRET})
        await commit.stop()
        database.close()
        return response

    response = asyncio.run(post_one())
    assert (response.status_code, response.content) == (500, b"")
