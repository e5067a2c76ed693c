"""Smooch's webhooks, and the addresses that their payloads hide."""

from typing import Any

import httpx
import pytest

from handlers.people import ChannelIdentity
from receiver.errors import Rejected, Unauthorized, Unsupported
from receiver.providers.smooch import hooks, read_v1, read_v2
from receiver.providers.smooch.reveal import reveal
from tests.driver import drive
from tests.parts.smooch import PHONE, V11_USER, options

V1 = "https://api.smooch.io/v1/webhooks"
V11 = "https://api.smooch.io/v1.1/apps/app1/webhooks"
V2 = "https://api.smooch.io/v2/apps/app1/integrations"
TARGET = "https://hooks.example.com/webhooks/support"
CUSTOM = {"integrations": {"custom": "i7"}}
SECRET = "a-secret-of-the-provider"


def hook(version: str = "v1.1", **more: Any) -> dict[str, Any]:
    given = {"target": TARGET, "triggers": ["postback"], "secret": SECRET} | more
    return {"id" if version == "v2" else "_id": "w1"} | given


def answer(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


@pytest.mark.parametrize(
    ("version", "given", "root"),
    [
        ("v1", {"app_id": None}, V1),
        ("v1.1", {}, V11),
        ("v2", CUSTOM, f"{V2}/i7/webhooks"),
    ],
)
def test_webhooks_are_kept_by_the_app_or_the_integration(
    version: str, given: dict[str, Any], root: str
) -> None:
    where = options(version, **given)
    one = {"webhook": hook(version)}
    body = {"target": TARGET, "triggers": ["postback"]}
    put = "PATCH" if version == "v2" else "PUT"
    table = [
        (hooks.listed(where), f"GET {root}", None, {"webhooks": [hook(version)]}),
        (hooks.get("w1", where), f"GET {root}/w1", None, one),
        (hooks.create(body, where), f"POST {root}", body, one),
        (hooks.update("w1", {"triggers": []}, where), f"{put} {root}/w1", {"triggers": []}, one),
        (hooks.delete("w1", where), f"DELETE {root}/w1", None, {}),
    ]
    for exchange, line, sent, told in table:
        driven = drive(exchange, answer(told))
        assert (driven.lines, driven.bodies) == ([line], [sent])
        found: Any = driven.sent
        for registered in found if isinstance(found, list) else [found] if found else []:
            assert (registered.id, registered.target, registered.secret) == ("w1", TARGET, SECRET)
            assert registered.triggers == {"postback"}
            assert SECRET not in repr(registered)


def test_on_v2_the_only_custom_integration_has_them() -> None:
    one = answer({"integrations": [{"id": "i9", "type": "custom"}]})
    driven = drive(hooks.listed(options("v2")), one, answer({"webhooks": []}))
    assert driven.lines == [f"GET {V2}?filter%5Btypes%5D=custom", f"GET {V2}/i9/webhooks"]


def test_an_integrations_own_token_calls_itself_me() -> None:
    mine = answer({"webhooks": []})
    driven = drive(hooks.listed(options("v2")), httpx.Response(403), mine)
    assert driven.lines[1] == f"GET {V2}/me/webhooks"
    with pytest.raises(Unauthorized):
        drive(hooks.listed(options("v2")), httpx.Response(401), httpx.Response(401))


@pytest.mark.parametrize("found", [[], [{"id": "i1"}, {"id": "i2"}]])
def test_without_one_custom_integration_the_setting_is_named(found: list[Any]) -> None:
    with pytest.raises(Unsupported, match=r"integrations\.custom"):
        drive(hooks.listed(options("v2")), answer({"integrations": found}))


@pytest.mark.parametrize(
    ("version", "word", "is_in", "is_not"),
    [
        ("v1", "message", "message:appMaker", "postback"),
        ("v1", "*", "delivery:success", "typing:appUser"),
        ("v1.1", "*", "client:add", "typing:appUser"),
        ("v1.1", "new:trigger", "new:trigger", "postback"),
    ],
)
def test_a_word_for_several_triggers_is_written_out(
    version: str, word: str, is_in: str, is_not: str
) -> None:
    listed = answer({"webhooks": [hook(triggers=[word])]})
    [registered] = drive(hooks.listed(options(version)), listed).sent
    assert is_in in registered.triggers
    assert is_not not in registered.triggers


def test_all_that_is_asked_for_is_understood() -> None:
    assert set(read_v1.READERS) >= hooks.TRIGGERS["v1"] | hooks.TRIGGERS["v1.1"]
    plain = {name for name in hooks.TRIGGERS["v2"] if not name.startswith("switchboard:")}
    assert set(read_v2.READERS) >= plain
    assert {len(names) for names in hooks.TRIGGERS.values()} == {13, 21, 26}


# type of channel, where its address stands -> our identity
CHANNELS = [
    ("twilio", "phoneNumber", "+1 514-555-0142", "sms", PHONE),
    ("messagebird", "phoneNumber", "15145550143", "sms", "+15145550143"),
    ("whatsapp", "username", "15145550142", "whatsapp", PHONE),
    ("messenger", "userId", "6021550199001", "messenger", "6021550199001"),
    ("mailgun", "address", "Ann@EXAMPLE.com", "email", "Ann@example.com"),
    ("telegram", "chatId", 990155, "telegram", "990155"),
    ("viber", "userId", "9K+p/i==", "viber", "9K+p/i=="),
]


def test_v1_reveals_the_address_of_each_channel() -> None:
    listed = [{"type": kind, key: value} for kind, key, value, _, _ in CHANNELS]
    told = answer({"channels": [*listed, {"type": "web"}, "odd", {"userId": "x"}]})
    driven = drive(reveal("a1b2", options()), told)
    assert driven.lines == [f"GET {V11_USER}/channels"]
    assert driven.sent is not None
    assert driven.sent.identities == tuple(
        ChannelIdentity(channel, identity, platform=kind)
        for kind, _, _, channel, identity in CHANNELS
    )


def test_v2_reveals_every_page_of_clients() -> None:
    phone = {"id": "c1", "type": "twilio", "status": "active", "externalId": PHONE}
    sdk = {"id": "c2", "type": "sdk", "status": "active"}
    more = {"clients": [phone], "meta": {"hasMore": True, "afterCursor": "c1"}}
    last = {"clients": [sdk, phone], "meta": {"hasMore": False}}
    driven = drive(reveal("a1b2", options("v2")), answer(more), answer(last))
    assert driven.lines[1].endswith("/users/a1b2/clients?page%5Bafter%5D=c1")
    assert driven.sent is not None
    assert driven.sent.identities == (
        ChannelIdentity("sms", PHONE, "twilio", "c1"),
        ChannelIdentity("sdk", None, "sdk", "c2"),
    )


def test_endless_pages_come_to_an_end() -> None:
    page = {"clients": [], "meta": {"hasMore": True, "afterCursor": "c1"}}
    assert len(drive(reveal("a1b2", options("v2")), *[answer(page)] * 10).requests) == 10


def test_nothing_is_revealed_of_a_user_who_is_gone() -> None:
    with pytest.raises(Rejected):
        drive(reveal("a1b2", options()), httpx.Response(404))
