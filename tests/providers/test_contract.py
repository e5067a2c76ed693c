"""
What every provider must do, tried on every one that is registered. A new provider adds payload
files under tests/providers/<name>/payloads, and these tests run on it by themselves.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from handlers import actions, content, links
from handlers.event import Event
from handlers.people import ChannelIdentity, User
from receiver.errors import Refused, Unparsed, Unsupported
from receiver.provider import Headers, Inbound, Provider, Recipient
from receiver.registry import PROVIDERS
from storage import inbox
from storage.database import Database
from storage.inbox import Delivery

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRETS = [b"the secret before", b"the secret now", b"the secret to come"]
DAMAGES = 60  # odd values tried in each payload file
BATCH = 200  # deliveries in one transaction

# What nobody documents, written as JSON: half a pair, NUL, a number no float can hold ...
ODD = [
    *("null", "true", "0", "-1", "1e999", "1" + "0" * 400, "1.5", '""', '"\\ud800"', '"\\u0000"'),
    *("[]", "{}", "[[]]", '[null, {"": 0}]', '"2026-13-45T99:99:99Z"', json.dumps("é" * 3000)),
]

INBOUND = sorted(name for name, provider in PROVIDERS.items() if provider.inbound)
FILES = [path for name in INBOUND for path in sorted((HERE / name / "payloads").glob("*.json"))]
every_provider = pytest.mark.parametrize("name", sorted(PROVIDERS))
every_receiver = pytest.mark.parametrize("name", INBOUND)
every_file = pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parts[-3]}/{p.stem}")


def inbound(name: str) -> Inbound:
    found = PROVIDERS[name].inbound
    assert found is not None
    return found


def options(name: str, **given: Any) -> Any:
    return PROVIDERS[name].options.model_validate({"provider": name, **given})


def signed(name: str, body: bytes, secret: bytes) -> list[tuple[bytes, bytes]]:
    """The provider's headers as ASGI hands them over."""
    headers = inbound(name).sign(body, secret, NOW, "a-nonce")
    return [(key.lower().encode(), value.encode()) for key, value in headers.items()]


def refused(name: str, headers: Headers, body: bytes, secrets: list[bytes]) -> str:
    with pytest.raises(Refused) as caught:
        inbound(name).verify(headers, body, secrets, NOW, options(name))
    return str(caught.value)


# Requests


@every_receiver
def test_there_are_payload_files(name: str) -> None:
    assert [path for path in FILES if path.parts[-3] == name]


@every_file
def test_a_genuine_request_is_accepted_with_any_of_the_secrets(path: Path) -> None:
    name, body = path.parts[-3], path.read_bytes()
    for index, secret in enumerate(SECRETS):
        headers = [(b"host", b"example.com"), *signed(name, body, secret)]
        proof = inbound(name).verify(headers, body, SECRETS, NOW, options(name))
        assert proof.secret == index


@every_receiver
@pytest.mark.parametrize("secrets", [[], [b""], [b"", b""], SECRETS, [b"", *SECRETS]])
def test_no_other_secret_will_do(name: str, secrets: list[bytes]) -> None:
    body = b'{"trigger": "x"}'
    for wrong in (b"a forger's secret", b"", SECRETS[0] + b" ", SECRETS[0].upper()):
        told = refused(name, signed(name, body, wrong), body, secrets)
        assert not [secret for secret in (*SECRETS, wrong) if secret and secret.decode() in told]


# Each takes what a genuine request has in one header, and says what it is replaced by.
TAMPERED: dict[str, Callable[[bytes, bytes], list[tuple[bytes, bytes]]]] = {
    "missing": lambda key, value: [],
    "empty": lambda key, value: [(key, b"")],
    "blank": lambda key, value: [(key, b"   ")],
    "doubled": lambda key, value: [(key, value), (key, value)],
    "doubled, the first one wrong": lambda key, value: [(key, b"0"), (key, value)],
    "not ASCII": lambda key, value: [(key, "sécret".encode())],
    "no text at all": lambda key, value: [(key, b"\xff\xfe\x00")],
    "followed by more": lambda key, value: [(key, value + b"\n")],
    "very long": lambda key, value: [(key, value * 500)],
}
# What may be left out: it tells how a request is signed, and is no part of the proof.
OPTIONAL = {b"x-sinch-webhook-signature-algorithm"}


@every_receiver
@pytest.mark.parametrize("how", TAMPERED)
def test_a_credential_that_was_tampered_with_is_refused(name: str, how: str) -> None:
    body = b'{"trigger": "x"}'
    genuine = signed(name, body, SECRETS[1])
    for key, value in genuine:
        if how == "missing" and key in OPTIONAL:
            continue
        others = [header for header in genuine if header[0] != key]
        refused(name, [*others, *TAMPERED[how](key, value)], body, SECRETS)


@every_receiver
def test_a_request_without_any_header_is_refused(name: str) -> None:
    refused(name, [], b"", SECRETS)


# Bodies


@every_file
def test_parsing_is_stable_and_two_events_have_two_ids(path: Path) -> None:
    body = path.read_bytes()
    events = inbound(path.parts[-3]).parse(body)
    assert events
    assert events == inbound(path.parts[-3]).parse(body)
    # The same event may stand in one body twice; the store keeps one of it.
    by_id = {event.id: event for event in events}
    assert all(by_id[event.id] == event for event in events)
    assert all(isinstance(event.id, str) and event.id for event in events)


@every_file
def test_every_payload_file_has_an_expectation(path: Path) -> None:
    folder = path.parent.parent
    written = [*folder.glob("*.py"), *folder.glob("*.jsonl")]
    assert [file for file in written if f'"{path.stem}"' in file.read_text("utf-8")]


@pytest.mark.parametrize("body", [b"", b" ", b"null", b"[]", b"1", b'"x"', b"{", b"\xff", b"{}x"])
@every_receiver
def test_what_is_no_json_object_is_unparsed(name: str, body: bytes) -> None:
    with pytest.raises(Unparsed):
        inbound(name).parse(body)


def damaged(body: bytes, seed: str) -> Iterator[bytes]:
    """The body cut short, and with a few of its values replaced by odd ones: a fixed sample."""
    chance = random.Random(seed)
    for _ in range(3):
        yield body[: chance.randrange(len(body))]
    places = list(_places(json.loads(body)))
    for _ in range(DAMAGES):
        yield _replaced(json.loads(body), chance.choice(places), chance.choice(ODD))


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in inside:
        yield (*at, step)
        if isinstance(inner, dict | list):
            yield from _places(inner, (*at, step))


def _replaced(value: Any, place: tuple[Any, ...], odd: str) -> bytes:
    inner = value
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = "the odd value"
    return json.dumps(value).replace('"the odd value"', odd).encode()


@dataclass(frozen=True)
class Damaged:
    """A damaged body, and what became of it: None where it is unparsed."""

    body: bytes
    events: tuple[Event, ...] | None


@every_receiver
def test_a_damaged_body_is_unparsed_or_can_be_stored(name: str, sqlite_url: str) -> None:
    found = [
        Damaged(body, _parsed(name, body))
        for path in FILES
        if path.parts[-3] == name and path.stat().st_size > 3
        for body in damaged(path.read_bytes(), path.stem)
    ]
    assert {one.events is None for one in found} == {True, False}
    # Each by an account of its own: none is a duplicate of another.
    deliveries = [
        Delivery(f"a{number}", one.body, one.events or (), NOW, error=None if one.events else "no")
        for number, one in enumerate(found)
    ]
    database = Database(sqlite_url)
    try:
        for start in range(0, len(deliveries), BATCH):
            with database.write() as tx:
                batch = deliveries[start : start + BATCH]
                assert all(inbox.save(tx, batch, NOW)), "one of them was not stored"
    finally:
        database.close()


def _parsed(name: str, body: bytes) -> tuple[Event, ...] | None:
    try:
        return tuple(inbound(name).parse(body))
    except Unparsed:
        return None


# Actions

SAID: dict[str, Any] = {
    "text": content.Text("hello", (content.Button("link", "here", uri="https://example.com"),)),
    "image": content.Media("https://example.com/a.png", kind="image"),
    "file": content.Media("https://example.com/a.pdf", kind="file"),
    "audio": content.Media("https://example.com/a.mp3", kind="audio"),
    "video": content.Media("https://example.com/a.mp4", kind="video"),
    "media": content.Media("https://example.com/a"),
    "location": content.Location(45.5, -73.6, "here", "1 Example Street"),
    "carousel": content.Carousel((content.Item("one", "of it"),)),
    "list": content.ItemList((content.Item("one", "of it"),)),
    "form": content.Form((content.FormField("name", "Your name"),)),
    "formResponse": content.FormResponse((content.FormField("name", value="Ann"),)),
    "template": content.Template({"id": "t"}),
    "card": content.Card("https://example.com/a.png", "title", "text"),
    "choice": content.Choice("yes or no?", (content.Button("reply", "yes", payload="yes"),)),
    "product": content.Products(({"id": "p"},)),
    "binary": content.Binary("aGVsbG8="),
    "other": content.Other("odd", {"odd": 1}),
}
LINKED: dict[str, Any] = {
    "twilio": links.Twilio("+15145550123", integration_id="i1"),
    "messagebird": links.MessageBird("+15145550123", integration_id="i1"),
    "whatsapp": links.WhatsApp("+15145550123", integration_id="i1"),
    "messenger": links.Messenger("+15145550123", "Ann", "Example", integration_id="i1"),
    "mailgun": links.Mailgun("ann@example.com", integration_id="i1"),
}
ACTIONS: dict[str, Any] = {
    **{f"reply {kind}": actions.Reply(content=said) for kind, said in SAID.items()},
    **{f"send {kind}": actions.Send(content=said) for kind, said in SAID.items()},
    "send via": actions.Send(content=SAID["text"], via="sms"),
    "send to": actions.Send(content=SAID["text"], via="sms", to="+15145550124"),
    **{
        f"link {name}": actions.Link(target=target, confirmation=links.Immediate("hello"))
        for name, target in LINKED.items()
    },
    "unlink": actions.Unlink(channel="sms", client_id="c1", platform="twilio"),
    "add_identity": actions.AddIdentity(channel="sms", identity="+15145550123"),
    "create_user": actions.CreateUser(
        external_id="ann", given_name="Ann", identities=(("sms", "+15145550123"),)
    ),
    "typing": actions.Typing(),
    "mark_read": actions.MarkRead(message_id="m1", channel="whatsapp"),
    "start_avaamo": actions.StartAvaamo(account="agent", to_phone="+15145550123"),
}
SMS = ChannelIdentity("sms", "+15145550123", "twilio", "c1")
ANN = Recipient(User("u1", "ann"), (SMS,), "hl-1")


def complete(provider: Provider, **given: Any) -> Any:
    """Options that lack nothing, whatever they are called."""
    bare = options(provider.name, **given)
    return options(provider.name, **dict.fromkeys(bare.lacks(), "given"), **given)


def versions(provider: Provider) -> list[dict[str, str]]:
    """What an account may choose between, where its provider has several API versions or modes."""
    return [
        {name: choice}
        for name in ("api_version", "mode")
        if name in provider.options.model_fields
        for choice in get_args(provider.options.model_fields[name].annotation)
    ] or [{}]


def first_request(provider: Provider, action: Any, given: Mapping[str, Any]) -> httpx.Request:
    """Raises Unsupported where the provider cannot do that."""
    exchange = provider.outbound.carry_out(action, ANN, complete(provider, **given))
    try:
        return next(exchange)
    finally:
        exchange.close()


def test_there_is_an_action_of_every_kind_and_a_content_of_every_kind() -> None:
    kinds = {get_args(kind)[0] for kind in _kinds(actions.Action)}
    assert {action.kind for action in ACTIONS.values()} == kinds
    assert set(SAID) == {word for kind in _kinds(content.Content) for word in get_args(kind)}


def _kinds(union: Any) -> list[Any]:
    return [member.__annotations__["kind"] for member in get_args(get_args(union)[0])]


@every_provider
@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_an_action_is_a_request_or_unsupported(name: str, action: Any) -> None:
    provider = PROVIDERS[name]
    for given in versions(provider):
        for base in (None, "https://stand-in.example.com"):
            try:
                request = first_request(provider, action, {**given, "base_url": base})
            except Unsupported:
                continue
            assert request.url.scheme == "https"
            assert base is None or str(request.url).startswith(f"{base}/")
            assert "hl-1" not in str(request.url)


@every_provider
def test_every_provider_can_do_something(name: str) -> None:
    provider, able = PROVIDERS[name], []
    for kind, action in ACTIONS.items():
        try:
            first_request(provider, action, {})
        except Unsupported:
            continue
        able.append(kind)
    assert able


# Accounts


@every_provider
def test_an_account_names_the_settings_it_lacks(name: str) -> None:
    provider = PROVIDERS[name]
    for given in versions(provider):
        lacking = options(name, **given).lacks()
        assert lacking
        assert set(lacking) <= set(provider.options.model_fields)
        assert complete(provider, **given).lacks() == []


@every_provider
def test_without_what_it_lacks_an_account_sends_nothing(name: str) -> None:
    provider = PROVIDERS[name]
    bare = options(name)
    for action in ACTIONS.values():
        exchange = provider.outbound.carry_out(action, replace(ANN, identities=()), bare)
        request = None
        try:
            request = next(exchange)
        except Unsupported:
            continue
        finally:
            exchange.close()
        assert "None" not in str(request.url)


@every_provider
def test_the_settings_show_no_secret(name: str) -> None:
    provider = PROVIDERS[name]
    given = {key: "a canary" for key in options(name).lacks() if "secret" in key or "uuid" in key}
    account = options(name, webhook_secrets=["a canary"], **given)
    assert "a canary" not in repr(account)
    assert "a canary" not in account.model_dump_json()
    assert provider.options is type(account)
