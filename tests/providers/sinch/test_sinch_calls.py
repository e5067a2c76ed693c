"""The Conversation API's calls beside those of actions: contacts, events, consents, webhooks."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from handlers.people import ChannelIdentity
from receiver.errors import Rejected, Unauthorized, Unavailable, Unsupported
from receiver.providers.sinch import calls, hooks
from receiver.providers.sinch.adapter import OUTBOUND
from receiver.providers.sinch.options import SinchOptions
from receiver.providers.sinch.parse import MEMBERS
from receiver.providers.sinch.recipients import to_address
from tests.driver import drive

PHONE = "+15145550142"
ROOT = "https://us.conversation.api.sinch.com/v1/projects/p1"
TARGET = "https://hooks.example.com/webhooks/texts"
TO = {"contact_id": "01C"}
CONTACT = {
    "id": "01C",
    "channel_identities": [
        {"channel": "SMS", "identity": "15145550142", "app_id": ""},
        {"channel": "MESSENGER", "identity": "6021550199001", "app_id": "app1"},
    ],
}
HOOK = {"id": "w1", "target": TARGET, "target_type": "HTTP", "triggers": ["OPT_IN"], "secret": "s"}
Make = Callable[[SinchOptions], Any]


def options(**more: Any) -> SinchOptions:
    given = {"provider": "sinch", "project_id": "p1", "app_id": "app1"} | more
    return SinchOptions.model_validate(given)


JOINED = {"agent_joined_event": {"agent": {"display_name": "Ann", "type": "HUMAN"}}}

# what is called -> "METHOD path", body, answer
CASES: list[tuple[Make, str, Any, Any]] = [
    (lambda o: calls.get_contact("01C", o), f"GET {ROOT}/contacts/01C", None, CONTACT),
    (
        lambda o: calls.update_contact("01C", {"email": "a@example.com", "metadata": "x"}, o),
        f"PATCH {ROOT}/contacts/01C?update_mask=email%2Cmetadata",
        {"email": "a@example.com", "metadata": "x"},
        CONTACT,
    ),
    (lambda o: calls.delete_contact("01C", o), f"DELETE {ROOT}/contacts/01C", None, None),
    (
        lambda o: calls.merge_contacts("01C", "01D", o),
        f"POST {ROOT}/contacts/01C:merge",
        {"source_id": "01D", "strategy": "MERGE"},
        CONTACT,
    ),
    (
        lambda o: calls.find_contacts(o, identity=("viber_business", PHONE)),
        f"GET {ROOT}/contacts?channel=VIBERBM&identity=%2B15145550142",
        None,
        {"contacts": [CONTACT]},
    ),
    (
        lambda o: calls.find_contacts(o, external_id="crm-1", page_token="t"),
        f"GET {ROOT}/contacts?external_id=crm-1&page_token=t",
        None,
        {"contacts": []},
    ),
    (calls.find_contacts, f"GET {ROOT}/contacts", None, {"contacts": []}),
    (
        calls.identity_conflicts,
        f"GET {ROOT}/contacts:identityConflicts",
        None,
        {"conflicts": []},
    ),
    (
        lambda o: calls.channel_profile(TO, "messenger", o),
        f"POST {ROOT}/contacts:getChannelProfile",
        {"app_id": "app1", "recipient": TO, "channel": "MESSENGER"},
        {"profile_name": "Ann"},
    ),
    (
        lambda o: calls.send_event(JOINED, TO, o, queue="HIGH_PRIORITY"),
        f"POST {ROOT}/events:send",
        {"app_id": "app1", "recipient": TO, "event": JOINED, "queue": "HIGH_PRIORITY"},
        {"event_id": "e1"},
    ),
    (
        lambda o: calls.query_capability(to_address("rcs", PHONE), o, "hl-9"),
        f"POST {ROOT}/capability:query",
        {
            "app_id": "app1",
            "recipient": {
                "identified_by": {"channel_identities": [{"channel": "RCS", "identity": PHONE}]}
            },
            "request_id": "hl-9",
        },
        {"request_id": "hl-9"},
    ),
    (
        lambda o: calls.list_consents("OPT_OUT_ALL", o, "t"),
        f"GET {ROOT}/apps/app1/consents/OPT_OUT_ALL?page_token=t",
        None,
        {"identities": []},
    ),
    (
        lambda o: calls.get_consents(PHONE, o),
        f"GET {ROOT}/apps/app1/consents/identities/%2B15145550142",
        None,
        {"identity": PHONE},
    ),
    (calls.get_app, f"GET {ROOT}/apps/app1", None, {"id": "app1"}),
]


def answer(body: Any) -> httpx.Response:
    return httpx.Response(200) if body is None else httpx.Response(200, json=body)


@pytest.mark.parametrize(("make", "line", "body", "told"), CASES)
def test_each_call_is_one_request_and_gives_its_answer(
    make: Make, line: str, body: Any, told: Any
) -> None:
    driven = drive(make(options()), answer(told))
    assert driven.lines == [line]
    assert driven.bodies == [body]
    assert driven.sent == told


@pytest.mark.parametrize(("make", "line", "body", "told"), CASES)
def test_a_refusal_is_told_as_one(make: Make, line: str, body: Any, told: Any) -> None:
    for status, error in ((404, Rejected), (403, Unauthorized), (503, Unavailable)):
        with pytest.raises(error):
            drive(make(options()), httpx.Response(status))


@pytest.mark.parametrize("region", ["us", "eu", "br"])
def test_each_region_has_its_host(region: str) -> None:
    url = next(calls.get_app(options(region=region))).url
    assert url.host == f"{region}.conversation.api.sinch.com"


@pytest.mark.parametrize(
    "event", [{}, {"reaction_event": {}}, {"composing_event": {}, "composing_end_event": {}}]
)
def test_only_one_event_that_an_app_can_send_is_sent(event: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match="agent_left_event"):
        next(calls.send_event(event, TO, options()))


def test_profiles_are_told_on_few_channels() -> None:
    with pytest.raises(Unsupported, match="sms"):
        next(calls.channel_profile(TO, "sms", options()))


def test_a_contact_is_looked_up_one_way() -> None:
    with pytest.raises(ValueError, match="external_id"):
        next(calls.find_contacts(options(), identity=("sms", PHONE), external_id="crm-1"))


@pytest.mark.parametrize(("lacking", "word"), [({"project_id": None}, "project_id")])
def test_what_is_not_set_is_named(lacking: dict[str, Any], word: str) -> None:
    with pytest.raises(Unsupported, match=word):
        next(calls.get_contact("01C", options(**lacking)))
    with pytest.raises(Unsupported, match="app_id"):
        next(calls.get_app(options(app_id=None)))


@pytest.mark.parametrize(
    ("app", "misfits"),
    [
        ({"processing_mode": "CONVERSATION"}, 0),
        ({}, 0),
        ({"processing_mode": "DISPATCH"}, 1),
    ],
)
def test_a_mode_that_is_not_the_apps_is_told(app: dict[str, Any], misfits: int) -> None:
    found: Any = drive(calls.fitting(options()), answer({"id": "app1", **app})).sent
    assert len(found) == misfits
    assert all('mode = "DISPATCH"' in words for words in found)


def test_a_contact_reveals_its_identities() -> None:
    assert OUTBOUND.reveal is not None
    driven = drive(OUTBOUND.reveal("01C", options()), answer(CONTACT))
    assert driven.lines == [f"GET {ROOT}/contacts/01C"]
    assert driven.sent is not None
    assert driven.sent.identities == (
        ChannelIdentity("sms", PHONE, "SMS"),
        ChannelIdentity("messenger", "6021550199001", "MESSENGER", app_id="app1"),
    )


@pytest.mark.parametrize(
    ("user", "given"), [("sms:+15145550142", {}), ("01C", {"mode": "DISPATCH"})]
)
def test_who_is_no_contact_has_nothing_to_reveal(user: str, given: dict[str, Any]) -> None:
    assert OUTBOUND.reveal is not None
    with pytest.raises(Unsupported):
        next(OUTBOUND.reveal(user, options(**given)))


def test_webhooks_are_listed_by_app_and_kept_by_project() -> None:
    new = {"target": TARGET, "target_type": "HTTP", "triggers": ["OPT_IN"], "secret": "s"}
    table: list[tuple[Any, str, Any, Any]] = [
        (hooks.listed(options()), f"GET {ROOT}/apps/app1/webhooks", None, {"webhooks": [HOOK]}),
        (hooks.get("w1", options()), f"GET {ROOT}/webhooks/w1", None, HOOK),
        (hooks.create(new, options()), f"POST {ROOT}/webhooks", {"app_id": "app1", **new}, HOOK),
        (
            hooks.update("w1", {"triggers": ["OPT_IN"], "secret": "s"}, options()),
            f"PATCH {ROOT}/webhooks/w1?update_mask=triggers%2Csecret",
            {"triggers": ["OPT_IN"], "secret": "s"},
            HOOK,
        ),
        (hooks.delete("w1", options()), f"DELETE {ROOT}/webhooks/w1", None, {}),
    ]
    for exchange, line, body, told in table:
        driven = drive(exchange, answer(told))
        assert (driven.lines, driven.bodies) == ([line], [body])
        found: Any = driven.sent
        for one in found if isinstance(found, list) else [found] if found else []:
            assert (one.id, one.target, one.secret) == ("w1", TARGET, "s")
            assert (one.triggers, one.settings) == ({"OPT_IN"}, {"target_type": "HTTP"})


def test_all_that_is_asked_for_is_understood() -> None:
    understood = {trigger for trigger, _ in MEMBERS.values()}
    assert understood > hooks.TRIGGERS
    assert len(hooks.TRIGGERS) == 21
