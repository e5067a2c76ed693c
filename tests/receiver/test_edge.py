"""What arrives at the public listener, byte for byte, directly and through a real nginx."""

import re
from collections.abc import Iterator

import pytest

from receiver import serving
from receiver.settings import Settings
from tests.conftest import missing
from tests.parts import nginx as proxies
from tests.parts.process import (
    ACCOUNT,
    PATH,
    SECRET,
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

LIMIT = Settings().max_body_bytes
NOT_CHUNKED = ["Transfer-Encoding: gzip, chunked"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One process for all of them."""
    with serve(tmp_path_factory.mktemp("server"), ACCOUNT, "--no-work") as running:
        yield running


@pytest.fixture(scope="module")
def proxy(server: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of nginx in front of it."""
    try:
        with proxies.nginx(tmp_path_factory.mktemp("nginx"), server.port) as port:
            yield port
    except FileNotFoundError as error:
        missing(str(error))


@pytest.fixture(params=["direct", "nginx"])
def way(request: pytest.FixtureRequest) -> str:
    """How a request gets there."""
    return str(request.param)


@pytest.fixture
def port(way: str, server: Serving, request: pytest.FixtureRequest) -> int:
    """The port at which that way begins."""
    return server.port if way == "direct" else int(request.getfixturevalue("proxy"))


def seeded(name: str, **options: object) -> bytes:
    """A genuine request with a message of its own, changed as `request` can."""
    return request(message(name), **options)  # type: ignore[arg-type]


# What must not get through: name -> (request, the answers directly, the answers by nginx).
# fmt: off
REFUSED: dict[str, tuple[bytes, set[int], set[int]]] = {
    "length and transfer-encoding": (
        request(chunked(message("length and transfer-encoding")),
                fields=["Transfer-Encoding: chunked"]), {400}, {400}),
    "two different lengths": (
        seeded("two different lengths", fields=["Content-Length: 5"]), {400}, {400}),
    "the same length twice": (
        seeded("the same length twice",
               fields=[f"Content-Length: {len(message('the same length twice'))}"]), {400}, {400}),
    "a list of lengths": (
        seeded("a list of lengths", length=None, fields=["Content-Length: 5, 5"]), {400}, {400}),
    "a negative length": (
        seeded("a negative length", length=None, fields=["Content-Length: -1"]), {400}, {400}),
    "a length of 30 digits": (
        seeded("a length of 30 digits", length=10**29), {400}, {400, 413}),
    "transfer-encoding xchunked": (
        request(chunked(message("transfer-encoding xchunked")), length=None,
                fields=["Transfer-Encoding: xchunked"]), {400, 501}, {501}),
    "transfer-encoding gzip, chunked": (
        request(chunked(message("transfer-encoding gzip, chunked")), length=None,
                fields=NOT_CHUNKED), {501}, {501}),
    "transfer-encoding twice": (
        request(chunked(message("transfer-encoding twice")), length=None,
                fields=["Transfer-Encoding: chunked"] * 2), {400, 501}, {400}),
    "chunked in HTTP/1.0": (
        request(chunked(message("chunked in HTTP/1.0")), length=None, version="1.0",
                fields=["Transfer-Encoding: chunked"]), {400}, {400}),
    "a folded field": (
        seeded("a folded field", fields=["X-A: one", " two"]), {400}, {400}),
    "a blank before the colon": (
        seeded("a blank before the colon", fields=["X-A : one"]), {400}, {400}),
    "no host": (seeded("no host", host=None), {400}, {400}),
    "two hosts": (seeded("two hosts", fields=["Host: evil.example"]), {400}, {400}),
    "another host's target": (
        seeded("another host's target", target=f"http://evil.example{PATH}"), {400}, {421}),
    "another host's target, with a user": (
        seeded("another host's target, with a user",
               target=f"http://{proxies.NAME}@evil.example{PATH}"), {400}, {400, 421}),
    "a target that is no path": (
        seeded("a target that is no path", target=PATH[1:]), {400}, {400}),
    "the key twice": (seeded("the key twice", fields=["X-API-Key: evil"]), {401}, {401}),
    "the same key twice": (
        seeded("the same key twice", fields=[f"X-API-Key: {SECRET}"]), {401}, {401}),
    "the key with underscores": (
        seeded("the key with underscores", key=None, fields=[f"x_api_key: {SECRET}"]),
        {401}, {401}),
    "a key that is not ASCII": (seeded("a key that is not ASCII", key="s\xe9cret"), {401}, {401}),
    "a NUL in a field": (seeded("a NUL in a field", fields=["X-A: o\0e"]), {400}, {400}),
    "a field of 100 kB": (
        seeded("a field of 100 kB", fields=["X-A: " + "a" * 100_000]), {431}, {400}),
    "a target of 100 kB": (
        seeded("a target of 100 kB", target=f"{PATH}?{'a' * 100_000}"), {431}, {414}),
    "2000 fields": (
        seeded("2000 fields", fields=[f"X-{n}: a" for n in range(2000)]), {431}, {400, 431}),
    "101 fields": (
        seeded("101 fields", fields=[f"X-{n}: a" for n in range(98)]), {431}, {431}),
    "another version": (seeded("another version", version="2.0"), {505}, {505, 400}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50, {400}, {400}),
}

# What is no address of ours.
NOWHERE = {
    "two slashes before": (f"/{PATH}", {404}, {404}),
    "two slashes after": (f"{PATH}//", {404}, {404}),
    "dots": ("/webhooks/../webhooks/support", {404}, {404}),
    "encoded dots": ("/webhooks/%2e%2e/webhooks/support", {404}, {404}),
    "a NUL": (f"{PATH}%00", {404}, {400, 404}),
    "a parameter": (f"{PATH};a=b", {404}, {404}),
    "upper case": (PATH.upper(), {404}, {404}),
    "upper case account": ("/webhooks/Support", {404}, {404}),
    "no account": ("/webhooks/", {404}, {404}),
    "neither account nor slash": ("/webhooks", {404}, {404}),
    "an account that is not there": ("/webhooks/sales", {404}, {404}),
    "not UTF-8": (f"{PATH}%ff", {404}, {404}),
    "something else": ("/admin", {404}, {404}),
    "the admin's": ("/readyz", {404}, {404}),
}
# fmt: on
SPELLINGS = [
    PATH,
    f"{PATH}/",
    f"{PATH}%2f",
    "/webhooks%2fsupport",
    "/webhooks/supp%6frt",
    "/%77ebhooks/support",
    f"{PATH}?source=provider&n=1",
]


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(
    name: str, way: str, port: int, server: Serving
) -> None:
    data, direct, by_nginx = REFUSED[name]
    answer = ask(port, data)
    assert answer is not None
    assert answer.status in (direct if way == "direct" else by_nginx)
    assert not is_stored(server.database_url, name)


@pytest.mark.parametrize("name", [name for name in REFUSED if 401 not in REFUSED[name][1]])
def test_a_connection_that_sent_such_a_thing_is_closed(name: str, server: Serving) -> None:
    with Talk(server.port) as talk:
        talk.send(REFUSED[name][0])
        talk.answer()
        assert talk.closed()


@pytest.mark.parametrize("name", NOWHERE)
def test_other_paths_lead_nowhere_and_never_elsewhere(
    name: str, way: str, port: int, server: Serving
) -> None:
    target, direct, by_nginx = NOWHERE[name]
    answer = ask(port, seeded(name, target=target))
    assert answer is not None
    assert answer.status in (direct if way == "direct" else by_nginx)
    assert "location" not in answer.headers
    assert not is_stored(server.database_url, name)


@pytest.mark.parametrize("target", SPELLINGS)
def test_every_spelling_of_the_address_is_the_same_account(
    target: str, way: str, port: int, server: Serving
) -> None:
    seed = f"{way} {target}"
    answer = ask(port, seeded(seed, target=target))
    assert answer is not None
    assert answer.status == 200
    assert [row.account for row in stored(server.database_url) if message_id(seed) in row.key] == [
        "support"
    ]


@pytest.mark.parametrize("target", SPELLINGS)
def test_every_spelling_asks_for_the_same_credential(target: str, port: int) -> None:
    answer = ask(port, seeded("x", target=target, key="wrong"))
    assert answer is not None
    assert answer.status == 401


def test_an_absolute_target_on_this_host_is_served(port: int, way: str, server: Serving) -> None:
    seed = f"absolute {way}"
    answer = ask(port, seeded(seed, target=f"http://{proxies.NAME}{PATH}", host=proxies.NAME))
    assert answer is not None
    assert answer.status == 200
    assert is_stored(server.database_url, seed)


def test_bare_line_feeds_are_refused(server: Serving) -> None:
    data = seeded("bare line feeds").replace(b"\r\n", b"\n")
    answer = ask(server.port, data)
    assert answer is not None
    assert answer.status == 400
    assert not is_stored(server.database_url, "bare line feeds")


def test_a_smuggled_second_request_is_not_served(server: Serving, port: int) -> None:
    inner = seeded("smuggled")
    with Talk(port) as talk:
        talk.send(request(b"0\r\n\r\n" + inner, fields=["Transfer-Encoding: chunked"]))
        answer = talk.answer()
        assert answer is not None
        assert answer.status == 400
        assert talk.closed()
    assert not is_stored(server.database_url, "smuggled")


def test_pipelined_requests_are_answered_and_stored_in_order(
    way: str, port: int, server: Serving
) -> None:
    seeds = [f"{way} pipelined {n}" for n in range(3)]
    with Talk(port) as talk:
        talk.send(b"".join(seeded(seed) for seed in seeds))
        answers = [talk.answer() for _ in seeds]
    assert [answer and answer.status for answer in answers] == [200, 200, 200]
    order = [row.message_id for row in stored(server.database_url)]
    assert [message_id(seed) for seed in seeds] == [
        found for found in order if found in {message_id(seed) for seed in seeds}
    ]


def test_large_pipelined_heads_are_no_long_head(server: Serving) -> None:
    one = request(method="HEAD", length=None, key=None, fields=["X-A: " + "a" * 8000])
    data = one * 12
    with Talk(server.port) as talk:
        talk.send(data[: len(data) - 100])
        talk.send(data[len(data) - 100 :])
        answers = [talk.answer(bodiless=True) for _ in range(12)]
    assert [answer and answer.status for answer in answers] == [200] * 12


CHUNKED = request(length=None, fields=["Transfer-Encoding: chunked"])
ENDLESS = {
    "target": (b"GET /", b"a" * 8000),
    "field": (b"GET / HTTP/1.1\r\nX-A: ", b"a" * 8000),
    "fields": (b"GET / HTTP/1.1\r\n", b"X-A: b\r\n" * 1000),
    "trailer": (CHUNKED + b"1\r\na\r\n0\r\nX-A: ", b"a" * 8000),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\n", b"X-A: b\r\n" * 1000),
    "extension": (CHUNKED + b"1;", b"a" * 8000),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_refused_without_waiting_for_it(name: str, server: Serving) -> None:
    start, more = ENDLESS[name]
    with Talk(server.port) as talk:
        talk.send(start)
        assert not all(talk.send(more) for _ in range(10_000))
        answer = talk.answer()
        assert answer is not None
        assert answer.status == 431
        assert talk.closed()


def test_a_trailer_is_no_header(port: int, server: Serving, way: str) -> None:
    trailer = f"X-API-Key: {SECRET}\r\n\r\n".encode()
    body = chunked(message("trailer")).removesuffix(b"\r\n") + trailer
    parts = {"length": None, "fields": ["Transfer-Encoding: chunked"]}
    refused = ask(port, request(body, key=None, **parts))  # type: ignore[arg-type]
    assert refused is not None
    assert refused.status == 401
    assert not is_stored(server.database_url, "trailer")


def test_more_requests_ahead_than_anybody_sends_end_the_connection(server: Serving) -> None:
    answered = 0
    with Talk(server.port) as talk:
        talk.send(request(method="HEAD", length=None) * 2000)
        while talk.answer(bodiless=True):
            answered += 1
        assert talk.closed()
    assert 0 < answered < 100
    assert server.said("request_refused", reason="too many requests ahead")


@pytest.mark.parametrize("bad", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_bad_request_does_not_take_the_answer_of_the_good_one_before_it(
    bad: bytes, server: Serving
) -> None:
    seeds = [f"{bad!r} {n}" for n in range(3)]
    with Talk(server.port) as talk:
        talk.send(b"".join(seeded(seed) for seed in seeds) + bad)
        answers = [talk.answer() for _ in seeds]
        assert talk.closed()
    assert [answer and answer.status for answer in answers] == [200, 200, 200]
    assert all(is_stored(server.database_url, seed) for seed in seeds)


def test_a_request_in_small_pieces_is_a_request(port: int, way: str, server: Serving) -> None:
    seed = f"{way} pieces"
    data = seeded(seed)
    with Talk(port) as talk:
        for start in range(0, len(data), 97):
            talk.send(data[start : start + 97])
        answer = talk.answer()
    assert answer is not None
    assert answer.status == 200
    assert is_stored(server.database_url, seed)


def test_a_chunked_body_is_put_together(port: int, way: str, server: Serving) -> None:
    seed = f"{way} chunked"
    body = chunked(message(seed), 7)
    answer = ask(port, request(body, length=None, fields=["Transfer-Encoding: Chunked"]))
    assert answer is not None
    assert answer.status == 200
    [row] = [row for row in stored(server.database_url) if row.message_id == message_id(seed)]
    assert row.body == message(seed)


@pytest.mark.parametrize("broken", [b"zz\r\nabc\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"-1\r\n\r\n"])
def test_a_broken_chunk_ends_the_connection(broken: bytes, server: Serving) -> None:
    before = len(stored(server.database_url))
    with Talk(server.port) as talk:
        talk.send(request(broken, length=None, fields=["Transfer-Encoding: chunked"]))
        answer = talk.answer()
        assert answer is not None
        assert answer.status == 400
        assert talk.closed()
    assert len(stored(server.database_url)) == before


def test_a_client_that_asks_first_is_told_to_go_on(port: int, way: str, server: Serving) -> None:
    seed = f"{way} expect"
    data = seeded(seed, fields=["Expect: 100-continue"])
    head, _, body = data.partition(b"\r\n\r\n")
    with Talk(port) as talk:
        talk.send(head + b"\r\n\r\n")
        assert talk.line().startswith(b"HTTP/1.1 100 ")
        talk.send(body)
        answer = talk.answer()
    assert answer is not None
    assert answer.status == 200
    assert is_stored(server.database_url, seed)


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_other_methods_are_refused_and_no_other_site_is_allowed(method: str, port: int) -> None:
    fields = ["Origin: https://evil.example", "Access-Control-Request-Method: POST"]
    answer = ask(port, request(method=method, fields=fields, length=None))
    assert answer is not None
    assert answer.status == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("target", [PATH, f"{PATH}/"])
def test_a_probe_is_answered(target: str, port: int) -> None:
    got = ask(port, request(method="GET", target=target, key=None, length=None))
    with Talk(port) as talk:
        talk.send(request(method="HEAD", target=target, key=None, length=None))
        head = talk.answer(bodiless=True)
    assert got is not None
    assert head is not None
    assert (got.status, head.status) == (200, 200)
    assert b"POST" in got.body


@pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
def test_another_protocol_is_refused_and_its_body_not_taken_for_empty(
    upgrade: str, server: Serving
) -> None:
    before = len(stored(server.database_url))
    fields = ["Connection: Upgrade", f"Upgrade: {upgrade}"]
    answer = ask(server.port, request(message(upgrade), fields=fields))
    assert answer is not None
    assert answer.status == 501
    assert len(stored(server.database_url)) == before


def test_an_upgrade_ends_at_the_proxy(proxy: int, server: Serving) -> None:
    fields = ["Connection: Upgrade", "Upgrade: h2c"]
    answer = ask(proxy, seeded("upgrade by nginx", fields=fields))
    assert answer is not None
    assert answer.status == 200
    assert is_stored(server.database_url, "upgrade by nginx")


@pytest.mark.parametrize("fields", [[], ["Connection: keep-alive"]])
def test_http_1_0_is_served_and_closed(
    fields: list[str], port: int, way: str, server: Serving
) -> None:
    seed = f"{way} 1.0 {fields}"
    with Talk(port) as talk:
        talk.send(seeded(seed, version="1.0", fields=fields))
        answer = talk.answer()
        assert answer is not None
        assert answer.status == 200
        assert fields or talk.closed()
    assert is_stored(server.database_url, seed)


def test_a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not(
    port: int, way: str, server: Serving
) -> None:
    seed = f"{way} limit"
    fits = message(seed).ljust(LIMIT)
    answer, refused = ask(port, request(fits)), ask(port, request(fits + b" "))
    assert answer is not None
    assert refused is not None
    assert (answer.status, refused.status) == (200, 413)
    assert is_stored(server.database_url, seed)


def test_what_a_client_says_of_its_address_is_not_believed(proxy: int, server: Serving) -> None:
    fields = ["X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "Forwarded: for=192.0.2.7"]
    ask(proxy, request(target="/webhooks/spoofed", fields=fields))
    line = server.said("webhook_refused", path="/webhooks/spoofed")
    assert line["client"] == "127.0.0.1"


def test_only_a_trusted_proxy_names_the_client(
    server: Serving, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = request(target="/webhooks/named", fields=["X-Forwarded-For: 192.0.2.7"])
    ask(server.port, data)
    assert server.said("webhook_refused", path="/webhooks/named")["client"] == "192.0.2.7"
    folder = tmp_path_factory.mktemp("wary")
    with serve(folder, f'trusted_proxies = ["10.0.0.0/8"]\n{ACCOUNT}', "--no-work") as wary:
        ask(wary.port, data)
        assert wary.said("webhook_refused", path="/webhooks/named")["client"] == "127.0.0.1"


def test_each_refusal_is_one_line_that_says_why(server: Serving) -> None:
    ask(server.port, request(target="/webhooks/before"))
    ask(server.port, seeded("told", fields=["X-A: " + "a" * 20_000]))
    ask(server.port, request(target="/webhooks/after"))
    after = server.said("webhook_refused", path="/webhooks/after")
    lines = server.lines
    before = server.said("webhook_refused", path="/webhooks/before")
    [line] = lines[lines.index(before) + 1 : lines.index(after)]
    assert (line["event"], line["reason"]) == ("request_refused", "the head is too long")
    assert (line["status"], line["client"]) == (431, "127.0.0.1")


@pytest.mark.parametrize("target", ["//webhooks/support", "/webhooks/nobody"])
def test_a_path_that_leads_nowhere_is_told_as_it_came(target: str, server: Serving) -> None:
    ask(server.port, request(target=f"{target}?token=in-the-query"))
    line = server.said("webhook_refused", path=target, status=404)
    assert "in-the-query" not in str(line)


def test_the_sample_agrees_with_our_own_numbers() -> None:
    sample = proxies.SAMPLE.read_text()
    values = dict(re.findall(r"^\s+(client_\w+|large_\w+|proxy_\w+) ([^;]+);", sample, re.M))
    [upstream] = re.findall(r"upstream \w+ \{.*?keepalive_timeout (\d+)s;", sample, re.S)
    ours = serving.configure(lambda: None)  # type: ignore[arg-type,return-value]
    assert int(upstream) < ours.timeout_keep_alive
    assert values["client_max_body_size"] == f"{LIMIT // 2**20}m"
    assert values["proxy_next_upstream"] == "off"
    assert values["client_header_timeout"] == f"{Settings().header_timeout.seconds}s"
    assert values["client_body_timeout"] == f"{Settings().body_timeout.seconds}s"


def test_nothing_here_was_a_surprise(server: Serving) -> None:
    assert not [line for line in server.lines if line["level"] in ("error", "critical")]
