"""Where the address of a client is, platform by platform, and what its status is."""

from typing import Any

import pytest

from handlers.people import ChannelIdentity
from receiver.providers.smooch import clients

ADDRESSES: list[tuple[dict[str, Any], str, str | None]] = [
    ({"platform": "twilio", "info": {"phoneNumber": "+15145550100"}}, "sms", "+15145550100"),
    ({"platform": "twilio", "raw": {"From": "+15145550101"}}, "sms", "+15145550101"),
    ({"platform": "twilio", "externalId": "+1 514 555-0102"}, "sms", "+15145550102"),
    (
        {
            "platform": "twilio",
            "externalId": "+15145550103",
            "info": {"phoneNumber": "+15145550104"},
        },
        "sms",
        "+15145550103",
    ),
    ({"platform": "twilio", "displayName": "+1 514-555-0105"}, "sms", None),
    ({"platform": "messagebird", "raw": {"phoneNumber": "15145550106"}}, "sms", "+15145550106"),
    ({"type": "whatsapp", "externalId": "15145550107"}, "whatsapp", "+15145550107"),
    ({"type": "whatsapp", "externalId": "US.134912086"}, "whatsapp", "US.134912086"),
    ({"type": "whatsapp", "raw": {"from": "15145550108"}}, "whatsapp", "+15145550108"),
    ({"platform": "telegram", "raw": {"id": 98765}}, "telegram", "98765"),
    ({"platform": "line", "raw": {"userId": "Uexample"}}, "line", "Uexample"),
    ({"platform": "wechat", "info": {"openid": "oExample"}}, "wechat", "oExample"),
    ({"platform": "wechat", "raw": {"openid": "oExample"}}, "wechat", "oExample"),
    ({"platform": "twitter", "raw": {"id": 1, "id_str": "12"}}, "twitter", "12"),
    ({"platform": "viber", "raw": {"id": "a/b+c="}}, "viber", "a/b+c="),
    ({"platform": "mailgun", "raw": {"from": "Ada <A@Example.COM>"}}, "email", "A@example.com"),
    ({"platform": "mailgun"}, "email", "user@example.com"),
    ({"platform": "frontendEmail"}, "email", "user@example.com"),
    ({"platform": "messenger"}, "messenger", None),
    ({"type": "messenger", "externalId": "psid-1"}, "messenger", "psid-1"),
    ({"type": "instagram", "externalId": 17}, "instagram", "17"),
    ({"type": "apple", "externalId": "urn:apple"}, "apple", "urn:apple"),
    ({"type": "gbm", "externalId": "g1"}, "google", "g1"),
    ({"type": "googlercs", "externalId": "g1"}, "google", "g1"),
    ({"type": "slackconnect", "externalId": "s1"}, "slack", "s1"),
    ({"type": "kakao", "externalId": "k1"}, "kakaotalk", "k1"),
    ({"type": "sdk", "externalId": "mine"}, "sdk", None),
    ({"platform": "web", "externalId": "mine"}, "web", None),
    ({"platform": "ios"}, "ios", None),
    ({"platform": "android"}, "android", None),
    ({"platform": "Carrier", "externalId": "c1"}, "carrier", "c1"),
    ({"platform": "Twilio", "info": {"phoneNumber": "+15145550111"}}, "sms", "+15145550111"),
    ({"platform": "frontendemail"}, "email", "user@example.com"),
    ({"platform": "iOS", "externalId": "mine"}, "ios", None),
]


@pytest.mark.parametrize(("client", "channel", "address"), ADDRESSES)
def test_the_address_is_where_the_platform_keeps_it(
    client: dict[str, Any], channel: str, address: str | None
) -> None:
    found = clients.identity({"id": "client-1", **client}, "user@EXAMPLE.com")
    platform = client.get("platform") or client["type"]
    assert found == ChannelIdentity(channel, address, platform, "client-1")


@pytest.mark.parametrize(
    ("client", "client_id"),
    [({"id": "a", "_id": "b"}, "a"), ({"_id": "b"}, "b"), ({"id": "", "_id": "b"}, "b")],
)
def test_the_client_id_is_id_or_else_underscore_id(client: dict[str, Any], client_id: str) -> None:
    found = clients.identity({"platform": "web", **client})
    assert found is not None
    assert found.client_id == client_id


@pytest.mark.parametrize(
    ("client", "status"),
    [
        ({}, "active"),
        ({"active": True}, "active"),
        ({"active": False}, "inactive"),
        ({"status": "inactive", "active": True}, "inactive"),
        ({"status": "active", "active": False}, "active"),
        ({"status": "pending"}, "pending"),
        ({"status": "blocked"}, "blocked"),
        ({"status": "active", "blocked": True}, "blocked"),
        ({"status": "active", "blocked": False}, "active"),
        ({"status": "snoozed"}, "active"),
        ({"status": "snoozed", "active": False}, "inactive"),
    ],
)
def test_the_status_of_a_client(client: dict[str, Any], status: str) -> None:
    found = clients.identity({"platform": "web", "id": "1", **client})
    assert found is not None
    assert found.status == status


@pytest.mark.parametrize(
    "client",
    [None, {}, [], "x", {"platform": "web"}, {"id": "1"}, {"platform": "twilio", "id": ""}],
)
def test_a_client_without_platform_or_without_id_and_address_proves_nothing(client: Any) -> None:
    assert clients.identity(client) is None


CLIENT = {"platform": "web", "id": "1"}


@pytest.mark.parametrize(
    ("person", "ids"),
    [
        ({"clients": [CLIENT], "devices": [{**CLIENT, "id": "2"}]}, ["1"]),
        ({"devices": [{**CLIENT, "id": "2"}]}, ["2"]),
        ({"clients": [], "devices": [{**CLIENT, "id": "2"}]}, []),
        ({"clients": None, "devices": [{**CLIENT, "id": "2"}]}, []),
        ({"clients": [CLIENT, {}, "odd"], "pendingClients": [CLIENT, {**CLIENT, "id": "3"}]}, "13"),
        (None, []),
    ],
)
def test_devices_count_only_where_there_is_no_key_clients(person: Any, ids: Any) -> None:
    found = clients.unique(clients.of_user(person))
    assert [one.client_id for one in found] == list(ids)


def test_pending_clients_are_pending_and_a_client_is_listed_once() -> None:
    person = {"clients": [CLIENT], "pendingClients": [CLIENT, {**CLIENT, "id": "2"}]}
    found = clients.unique(clients.of_user(person))
    assert [(one.client_id, one.status) for one in found] == [("1", "active"), ("2", "pending")]


def test_of_the_same_client_the_address_is_kept_wherever_it_is_told() -> None:
    known = ChannelIdentity("whatsapp", None, "whatsapp", "1", status="inactive")
    told = ChannelIdentity("whatsapp", "+15145550109", "whatsapp", "1")
    assert clients.unique([known, None, told]) == (
        ChannelIdentity("whatsapp", "+15145550109", "whatsapp", "1", status="inactive"),
    )


@pytest.mark.parametrize(
    ("platform", "criteria", "address"),
    [
        ("twilio", {"phoneNumber": "+1 (514) 555-0110"}, "+15145550110"),
        ("mailgun", {"address": "Ada@Example.COM", "phoneNumber": "1"}, "Ada@example.com"),
        ("Mailgun", {"address": "Ada@Example.COM", "phoneNumber": "1"}, "Ada@example.com"),
        ("messenger", {"phoneNumber": "+1 514 555 0110"}, "+1 514 555 0110"),
        ("twilio", {"address": "ada@example.com"}, None),
        ("twilio", None, None),
        (None, {"phoneNumber": "+15145550110"}, None),
    ],
)
def test_the_criteria_of_a_link_name_what_was_asked_for(
    platform: str | None, criteria: Any, address: str | None
) -> None:
    assert clients.from_criteria(platform, criteria) == address


def test_discarded_ids_keep_their_order_and_leave_out_the_survivor() -> None:
    assert clients.discarded("a", ["c", None, "b", "a", "c"]) == ("c", "b")
