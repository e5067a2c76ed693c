"""Smooch's calls beside those of actions: method, path, query and body in each version."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from receiver.errors import Rejected, Unauthorized, Unavailable, Uncertain, Unsupported
from receiver.providers.smooch import calls
from receiver.providers.smooch.options import SmoochOptions
from tests.driver import drive
from tests.parts.smooch import PHONE, options

V11 = "https://api.smooch.io/v1.1/apps/app1"
V2 = "https://api.smooch.io/v2/apps/app1"
USER_V1 = {"appUser": {"_id": "a1b2"}}
USER_V2 = {"user": {"id": "a1b2"}}
TALK = {"conversation": {"id": "k1"}}
MERGED = {"surviving": {"userId": "ann"}, "discarded": {"userId": "bob"}}
Make = Callable[[SmoochOptions], Any]

# what is called, on which version -> "METHOD path", body, answer
CASES: list[tuple[str, Make, str, Any, Any]] = [
    ("v1.1", lambda o: calls.get_user("a1b2", o), f"GET {V11}/appusers/a1b2", None, USER_V1),
    ("v2", lambda o: calls.get_user("a1b2", o), f"GET {V2}/users/a1b2", None, USER_V2),
    (
        "v1.1",
        lambda o: calls.update_user("a1b2", {"surname": "Lee"}, o),
        f"PUT {V11}/appusers/a1b2",
        {"surname": "Lee"},
        USER_V1,
    ),
    (
        "v2",
        lambda o: calls.update_user("a1b2", {"metadata": {"vip": True}}, o),
        f"PATCH {V2}/users/a1b2",
        {"metadata": {"vip": True}},
        USER_V2,
    ),
    ("v1.1", lambda o: calls.delete_user("a1b2", o), f"DELETE {V11}/appusers/a1b2", None, None),
    ("v2", lambda o: calls.delete_user("a1b2", o), f"DELETE {V2}/users/a1b2", None, None),
    (
        "v1.1",
        lambda o: calls.erase_profile("a1b2", o),
        f"DELETE {V11}/appusers/a1b2/profile",
        None,
        USER_V1,
    ),
    (
        "v2",
        lambda o: calls.erase_profile("a1b2", o),
        f"DELETE {V2}/users/a1b2/personalinformation",
        None,
        USER_V2,
    ),
    (
        "v1.1",
        lambda o: calls.list_channels("a1b2", o),
        f"GET {V11}/appusers/a1b2/channels",
        None,
        {"channels": []},
    ),
    (
        "v2",
        lambda o: calls.list_channels("a1b2", o, "c9"),
        f"GET {V2}/users/a1b2/clients?page%5Bafter%5D=c9",
        None,
        {"clients": []},
    ),
    (
        "v1.1",
        lambda o: calls.link_requests("a1b2", ["i1", "i2"], o),
        f"GET {V11}/appusers/a1b2/linkrequest?integrationIds=i1%2Ci2",
        None,
        {"linkRequests": []},
    ),
    (
        "v1.1",
        lambda o: calls.auth_code("a1b2", o),
        f"GET {V11}/appusers/a1b2/authcode",
        None,
        {"authCode": "ac_7"},
    ),
    (
        "v1.1",
        lambda o: calls.merge_users("ann", "bob", o, by="userId"),
        f"POST {V11}/appusers/merge",
        MERGED,
        None,
    ),
    (
        "v2",
        lambda o: calls.sync_user("77", "78", o),
        f"POST {V2}/users/77/sync",
        {"survivingZendeskId": "78"},
        USER_V2,
    ),
    (
        "v1.1",
        lambda o: calls.history("a1b2", o, before="1700000000"),
        f"GET {V11}/appusers/a1b2/messages?before=1700000000",
        None,
        {"messages": []},
    ),
    (
        "v2",
        lambda o: calls.history("k1", o, after="m9"),
        f"GET {V2}/conversations/k1/messages?page%5Bafter%5D=m9",
        None,
        {"messages": []},
    ),
    (
        "v2",
        lambda o: calls.list_conversations("a1b2", o, "k0"),
        f"GET {V2}/conversations?filter%5BuserId%5D=a1b2&page%5Bafter%5D=k0",
        None,
        {"conversations": []},
    ),
    (
        "v2",
        lambda o: calls.create_conversation("a1b2", o, {"displayName": "Order"}),
        f"POST {V2}/conversations",
        {"type": "personal", "participants": [{"userId": "a1b2"}], "displayName": "Order"},
        TALK,
    ),
    ("v2", lambda o: calls.get_conversation("k1", o), f"GET {V2}/conversations/k1", None, TALK),
    (
        "v1.1",
        lambda o: calls.notify("i1", PHONE, {"type": "template"}, o, schema="whatsapp"),
        "POST https://api.smooch.io/v1/apps/app1/notifications",
        {
            "destination": {"integrationId": "i1", "destinationId": PHONE},
            "author": {"role": "appMaker"},
            "message": {"type": "template"},
            "messageSchema": "whatsapp",
        },
        {"notification": {"_id": "n1"}},
    ),
    (
        "v2",
        lambda o: calls.remove_attachment("https://example.com/a.png", o),
        f"POST {V2}/attachments/remove",
        {"mediaUrl": "https://example.com/a.png"},
        None,
    ),
    (
        "v2",
        lambda o: calls.list_integrations(["custom", "twilio"], o),
        f"GET {V2}/integrations?filter%5Btypes%5D=custom%2Ctwilio",
        None,
        {"integrations": []},
    ),
    (
        "v1.1",
        lambda o: calls.list_integrations([], o),
        f"GET {V11}/integrations",
        None,
        {"integrations": []},
    ),
]


@pytest.mark.parametrize(("version", "make", "line", "body", "answer"), CASES)
def test_each_call_is_one_request_and_gives_its_answer(
    version: str, make: Make, line: str, body: Any, answer: Any
) -> None:
    response = httpx.Response(200) if answer is None else httpx.Response(200, json=answer)
    driven = drive(make(options(version)), response)
    assert driven.lines == [line]
    assert driven.bodies == [body]
    assert driven.sent == answer


@pytest.mark.parametrize(("version", "make", "line", "body", "answer"), CASES)
def test_a_refusal_is_told_as_one(
    version: str, make: Make, line: str, body: Any, answer: Any
) -> None:
    with pytest.raises(Rejected):
        drive(make(options(version)), httpx.Response(404))
    with pytest.raises(Unauthorized):
        drive(make(options(version)), httpx.Response(401))
    with pytest.raises(Unavailable):
        drive(make(options(version)), httpx.Response(503))


@pytest.mark.parametrize(
    ("version", "make"),
    [
        ("v1", lambda o: calls.merge_users("a", "b", o)),
        ("v2", lambda o: calls.merge_users("a", "b", o)),
        ("v2", lambda o: calls.auth_code("a", o)),
        ("v2", lambda o: calls.link_requests("a", ["i"], o)),
        ("v1.1", lambda o: calls.sync_user("7", None, o)),
        ("v1.1", lambda o: calls.list_conversations("a", o)),
    ],
)
def test_what_a_version_lacks_is_refused_before_any_request(version: str, make: Make) -> None:
    with pytest.raises(Unsupported, match=version.replace(".", r"\.")):
        next(make(options(version)))


def test_ids_of_any_kind_stay_one_part_of_the_path() -> None:
    request = next(calls.get_user("ann/lee?@example.com", options()))
    assert request.url.raw_path == b"/v1.1/apps/app1/appusers/ann%2Flee%3F%40example.com"


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ({"region": "us"}, "https://api.smooch.io/v1.1/apps/app1/"),
        ({"region": "eu"}, "https://api.eu-1.smooch.io/v1.1/apps/app1/"),
        (
            {"base_url": "https://acme.zendesk.com/sc/", "version": "v2"},
            "https://acme.zendesk.com/sc/v2/apps/app1/",
        ),
        ({"version": "v1", "app_id": None}, "https://api.smooch.io/v1/"),
    ],
)
def test_each_host_has_its_address(given: dict[str, Any], start: str) -> None:
    assert str(next(calls.get_user("a1b2", options(**given))).url).startswith(start)


def test_a_lost_answer_to_a_new_conversation_is_uncertain_unless_it_does_no_harm() -> None:
    garbage = httpx.Response(200, text="<html>")
    with pytest.raises(Uncertain):
        drive(calls.create_conversation("a1b2", options("v2")), garbage)
    with pytest.raises(Unavailable):
        drive(calls.create_conversation("a1b2", options("v2"), effect=False), garbage)


def test_a_page_has_one_bound() -> None:
    with pytest.raises(ValueError, match="before"):
        next(calls.history("a1b2", options(), before="1", after="2"))


@pytest.mark.parametrize(
    ("version", "owner", "answer"),
    [
        ("v1.1", "appUserId", {"mediaUrl": "https://media.example.com/a", "mediaType": "a/b"}),
        ("v2", "conversationId", {"mediaUrl": "https://media.example.com/a", "mediaType": "a/b"}),
    ],
)
def test_a_file_goes_up_in_one_part_named_source(version: str, owner: str, answer: Any) -> None:
    told = {"attachment": answer} if version == "v2" else answer
    exchange = calls.upload("a.bin", b"\x00\xff", "a/b", options(version), belongs_to="x1")
    request = next(exchange)
    assert dict(request.url.params) == {"access": "public", "for": "message", owner: "x1"}
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="source"; filename="a.bin"\r\nContent-Type: a/b\r\n\r\n\x00\xff\r\n' in (
        request.content
    )
    with pytest.raises(StopIteration) as stop:
        exchange.send(httpx.Response(201, json=told))
    assert stop.value.value == answer
