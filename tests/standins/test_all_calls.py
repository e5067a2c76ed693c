"""Every call of the providers' modules, made of the stand-ins by way of their own applications."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from receiver.errors import Rejected
from receiver.provider import Provider
from receiver.providers.sinch import calls as sinch_calls
from receiver.providers.sinch import hooks as sinch_hooks
from receiver.providers.sinch_sms import calls as sms_calls
from receiver.providers.smooch import calls as smooch_calls
from receiver.providers.smooch import hooks as smooch_hooks
from receiver.registry import PROVIDERS
from receiver.send import Sender
from receiver.standins.sinch import SinchState, sinch_app
from receiver.standins.sinch_sms import SinchSmsState, sinch_sms_app
from receiver.standins.smooch import SmoochState, smooch_app
from receiver.standins.smooch_state import Client

PHONE = "+15145550142"
TARGET = "https://hooks.example.com/webhooks/support"
Call = Callable[[Any], Any]


def ask(app: Any, provider: Provider, options: Any, *calls: Call) -> list[Any]:
    """What each call gives, made with the account's credentials. Raises SendError."""

    async def made() -> list[Any]:
        transport = httpx.ASGITransport(app)
        async with Sender(lambda: datetime.now(UTC), transport) as sender:
            return [await sender.call("one", provider, options, call(options)) for call in calls]

    return asyncio.run(made())


def smooch(state: SmoochState, version: str, *calls: Call) -> list[Any]:
    given = {
        "provider": "smooch",
        "api_version": version,
        "app_id": state.app_id,
        "key_id": state.key_id,
        "key_secret": state.key_secret,
    }
    provider = PROVIDERS["smooch"]
    return ask(smooch_app(state), provider, provider.options.model_validate(given), *calls)


@pytest.fixture
def people() -> SmoochState:
    state = SmoochState(integrations={"twilio": "i1", "messenger": "i2"})
    ann = state.add_user("u1", "ann")
    ann.clients.append(Client("c1", "twilio", PHONE, "active", criteria={"phoneNumber": PHONE}))
    state.add_user("u2", "bob")
    state.conversations["k1"] = "u1"
    return state


@pytest.mark.parametrize("version", ["v1", "v1.1"])
def test_smoochs_calls_on_people_work_in_v1(people: SmoochState, version: str) -> None:
    got = smooch(
        people,
        version,
        lambda o: smooch_calls.get_user("ann", o),
        lambda o: smooch_calls.update_user("u1", {"properties": {"a": 1}}, o),
        lambda o: smooch_calls.update_user("u1", {"properties": {"b": 2}}, o),
        lambda o: smooch_calls.list_channels("u1", o),
        lambda o: smooch_calls.link_requests("u1", ["i2"], o),
        lambda o: smooch_calls.auth_code("u1", o),
        lambda o: smooch_calls.erase_profile("u1", o),
        lambda o: smooch_calls.delete_user("u2", o),
        lambda o: smooch_calls.list_integrations(["twilio"], o),
    )
    assert got[0]["appUser"]["_id"] == "u1"
    assert got[2]["appUser"]["properties"] == {"a": 1, "b": 2}
    assert got[3] == {"channels": [{"type": "twilio", "phoneNumber": PHONE}]}
    assert got[4]["linkRequests"][0]["type"] == "messenger"
    assert "properties" not in got[6]["appUser"]
    assert list(people.users) == ["u1"]
    assert got[8] == {"integrations": [{"_id": "i1", "type": "twilio"}]}


def test_smoochs_calls_on_people_work_in_v2(people: SmoochState) -> None:
    got = smooch(
        people,
        "v2",
        lambda o: smooch_calls.get_user("ann", o),
        lambda o: smooch_calls.update_user("u1", {"metadata": {"a": 1}}, o),
        lambda o: smooch_calls.list_channels("u1", o),
        lambda o: smooch_calls.list_conversations("u1", o),
        lambda o: smooch_calls.create_conversation("u1", o),
        lambda o: smooch_calls.get_conversation("k1", o),
        lambda o: smooch_calls.history("k1", o),
        lambda o: smooch_calls.sync_user("u1", None, o),
        lambda o: smooch_calls.erase_profile("u1", o),
        lambda o: smooch_calls.delete_user("u2", o),
    )
    assert got[1]["user"]["metadata"] == {"a": 1}
    assert got[2]["clients"][0]["externalId"] == PHONE
    assert [one["id"] for one in got[3]["conversations"]] == ["k1"]
    assert got[6]["messages"] == []
    assert list(people.users) == ["u1"]


def test_a_merge_moves_clients_and_is_told_by_webhook(people: SmoochState) -> None:
    smooch(people, "v1.1", lambda o: smooch_calls.merge_users("bob", "ann", o, by="userId"))
    [kept] = people.users.values()
    assert (kept.id, [client.address for client in kept.clients]) == ("u2", [PHONE])


@pytest.mark.parametrize("version", ["v1.1", "v2"])
def test_a_file_goes_up_and_away_again(people: SmoochState, version: str) -> None:
    put = lambda o: smooch_calls.upload("a.bin", b"\x00", "a/b", o)  # noqa: E731
    [made] = smooch(people, version, put)
    assert (made["mediaType"], people.attachments) == ("a/b", [made["mediaUrl"]])
    smooch(people, version, lambda o: smooch_calls.remove_attachment(made["mediaUrl"], o))
    assert people.attachments == []
    with pytest.raises(Rejected):
        smooch(people, version, lambda o: smooch_calls.remove_attachment(made["mediaUrl"], o))


def test_history_begins_with_the_first_message(people: SmoochState) -> None:
    with pytest.raises(Rejected, match="conversation_not_found"):
        smooch(people, "v1.1", lambda o: smooch_calls.history("u1", o))
    people.messages.append({"user": "u1", "_id": "m1"})
    [page] = smooch(people, "v1.1", lambda o: smooch_calls.history("u1", o))
    assert [message["_id"] for message in page["messages"]] == ["m1"]


def test_somebody_who_is_no_user_is_notified(people: SmoochState) -> None:
    said = {"type": "text", "text": "Hi"}
    native = {"type": "template", "template": {"name": "hello"}}
    smooch(
        people,
        "v1.1",
        lambda o: smooch_calls.notify("i1", PHONE, said, o),
        lambda o: smooch_calls.notify("i1", PHONE, native, o, schema="whatsapp"),
    )
    assert [one["message"] for one in people.notifications] == [said, native]
    with pytest.raises(Rejected):
        smooch(people, "v1.1", lambda o: smooch_calls.notify("i1", PHONE, {"type": "text"}, o))


@pytest.mark.parametrize("version", ["v1", "v1.1", "v2"])
def test_smoochs_webhooks_are_kept_and_checked(people: SmoochState, version: str) -> None:
    body = {
        "target": TARGET,
        "triggers": sorted(smooch_hooks.TRIGGERS[version]),
        **smooch_hooks.SETTINGS[version],
    }
    [made] = smooch(people, version, lambda o: smooch_hooks.create(body, o))
    assert (made.triggers, made.settings) == (
        smooch_hooks.TRIGGERS[version],
        smooch_hooks.SETTINGS[version],
    )
    assert len(made.secret) == 40
    changed, shown, [listed], _ = smooch(
        people,
        version,
        lambda o: (
            smooch_hooks.update(made.id, {"triggers": ["link:match"]}, o)
            if version != "v2"
            else smooch_hooks.update(made.id, {"triggers": ["client:add"]}, o)
        ),
        lambda o: smooch_hooks.get(made.id, o),
        smooch_hooks.listed,
        lambda o: smooch_hooks.delete(made.id, o),
    )
    assert len(changed.triggers) == 1
    assert changed == shown == listed
    assert people.webhooks == {}
    for wrong in (
        body | {"triggers": ["no:such"]},
        body | {"target": "ftp://example.com"},
        body | {"colour": "red"},
    ):
        with pytest.raises(Rejected):
            smooch(people, version, lambda o, wrong=wrong: smooch_hooks.create(wrong, o))


def sinch(state: SinchState, *calls: Call) -> list[Any]:
    given = {
        "provider": "sinch",
        "project_id": state.project_id,
        "app_id": state.app_id,
        "key_id": state.key_id,
        "key_secret": state.key_secret,
    }
    provider = PROVIDERS["sinch"]
    return ask(sinch_app(state), provider, provider.options.model_validate(given), *calls)


def contact(number: str, *identities: tuple[str, str]) -> dict[str, Any]:
    listed = [{"channel": channel, "identity": identity} for channel, identity in identities]
    return {"id": number, "channel_identities": listed, "external_id": f"crm-{number}"}


def test_sinchs_contacts_are_found_changed_merged_and_deleted() -> None:
    state = SinchState()
    state.contacts = {
        "c1": contact("c1", ("SMS", PHONE)),
        "c2": contact("c2", ("WHATSAPP", PHONE)),
    }
    by_identity, by_id, changed, merged, none, _ = sinch(
        state,
        lambda o: sinch_calls.find_contacts(o, identity=("whatsapp", PHONE)),
        lambda o: sinch_calls.find_contacts(o, external_id="crm-c1"),
        lambda o: sinch_calls.update_contact("c1", {"display_name": "Ann"}, o),
        lambda o: sinch_calls.merge_contacts("c1", "c2", o),
        sinch_calls.identity_conflicts,
        lambda o: sinch_calls.delete_contact("c1", o),
    )
    assert [one["id"] for one in by_identity["contacts"]] == ["c2"]
    assert [one["id"] for one in by_id["contacts"]] == ["c1"]
    assert changed["display_name"] == "Ann"
    assert [one["channel"] for one in merged["channel_identities"]] == ["SMS", "WHATSAPP"]
    assert none["conflicts"] == []
    assert state.contacts == {}


def test_sinch_tells_profiles_capabilities_consents_and_the_app() -> None:
    state = SinchState(opted_out={"OPT_OUT_ALL": [PHONE]})
    state.contacts = {"c1": contact("c1", ("RCS", PHONE))}
    to = {"contact_id": "c1"}
    profile, asked, listed, one, app, sent, fits = sinch(
        state,
        lambda o: sinch_calls.channel_profile(to, "messenger", o),
        lambda o: sinch_calls.query_capability(to, o, "hl-9"),
        lambda o: sinch_calls.list_consents("OPT_OUT_ALL", o),
        lambda o: sinch_calls.get_consents(PHONE, o),
        sinch_calls.get_app,
        lambda o: sinch_calls.send_event({"comment_reply_event": {"text": "Thanks"}}, to, o),
        sinch_calls.fitting,
    )
    assert profile["profile_name"]
    assert asked["request_id"] == "hl-9"
    assert listed["identities"] == [{"identity": PHONE}]
    assert one["audit_records"][0]["list_type"] == "OPT_OUT_ALL"
    assert app["processing_mode"] == "CONVERSATION"
    assert sent["event_id"] == state.events[0]["id"]
    assert fits == []


def test_sinchs_webhooks_are_kept_and_checked() -> None:
    state = SinchState()
    body = {"target": TARGET, "triggers": sorted(sinch_hooks.TRIGGERS), "secret": "s"}
    [made] = sinch(state, lambda o: sinch_hooks.create(body, o))
    assert made.settings == {"target_type": "DISMISS"}
    changed, shown, [listed] = sinch(
        state,
        lambda o: sinch_hooks.update(made.id, {"target_type": "HTTP", "secret": "t"}, o),
        lambda o: sinch_hooks.get(made.id, o),
        sinch_hooks.listed,
    )
    assert (changed.settings, changed.secret) == ({"target_type": "HTTP"}, "t")
    assert changed == shown == listed
    for wrong in (
        body,
        body | {"target": f"{TARGET}2", "triggers": ["UNSPECIFIED_TRIGGER"]},
        body | {"target": f"{TARGET}2", "triggers": []},
        body | {"target": "https://example.com/" + "x" * 742},
    ):
        with pytest.raises(Rejected):
            sinch(state, lambda o, wrong=wrong: sinch_hooks.create(wrong, o))
    sinch(state, lambda o: sinch_hooks.delete(made.id, o))
    assert state.webhooks == {}


def test_an_app_has_five_webhooks_at_most() -> None:
    state = SinchState()
    body = {"triggers": ["OPT_IN"]}
    for number in range(5):
        new = body | {"target": f"{TARGET}{number}"}
        sinch(state, lambda o, new=new: sinch_hooks.create(new, o))
    with pytest.raises(Rejected, match="at most 5"):
        sinch(state, lambda o: sinch_hooks.create(body | {"target": TARGET}, o))


def test_a_batch_of_texts_is_looked_at_and_called_back() -> None:
    state = SinchSmsState()
    state.batches = [{"id": "b1", "to": ["15145550142"], "canceled": False}]
    provider = PROVIDERS["sinch_sms"]
    given = {"provider": "sinch_sms", "service_plan_id": "standin-plan", "token": "standin-token"}
    shown, page, full, one, cancelled = ask(
        sinch_sms_app(state),
        provider,
        provider.options.model_validate(given),
        lambda o: sms_calls.get_batch("b1", o),
        sms_calls.list_batches,
        lambda o: sms_calls.delivery_report("b1", o, "full"),
        lambda o: sms_calls.recipient_report("b1", "+15145550142", o),
        lambda o: sms_calls.cancel_batch("b1", o),
    )
    assert (shown["id"], page["count"]) == ("b1", 1)
    assert full["statuses"][0]["recipients"] == ["15145550142"]
    assert one["recipient"] == "15145550142"
    assert (cancelled["canceled"], state.batches[0]["canceled"]) == (True, True)
