"""
The public words: which event each trigger of each version becomes, and what channels are called.

Every row has a payload file of its own version, and a sample that `hookline simulate` can send.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from handlers.event import Event
from receiver import samples
from receiver.registry import PROVIDERS

HERE = Path(__file__).parent
Row = tuple[str, str]  # trigger, type

V1_AND_V11: set[Row] = {
    ("message:appUser", "message.received"),
    ("message:appMaker", "message.sent"),
    ("postback", "postback.received"),
    ("conversation:start", "conversation.started"),
    ("conversation:referral", "conversation.referral"),
    ("conversation:read", "conversation.read"),
    ("link:match", "link.matched"),
    ("link:success", "link.succeeded"),
    ("link:failure", "link.failed"),
    ("merge:appUser", "user.merged"),
    ("payment:success", "payment.succeeded"),
}
V1: set[Row] = V1_AND_V11 | {
    ("delivery:success", "message.delivered"),
    ("delivery:failure", "message.failed"),
}
V11: set[Row] = V1_AND_V11 | {
    ("message:delivery:channel", "message.delivered"),
    ("message:delivery:user", "message.delivered"),
    ("message:delivery:failure", "message.failed"),
    ("typing:appUser", "typing.started"),
    ("typing:appUser", "typing.stopped"),
    ("client:add", "identity.added"),
    ("client:update", "identity.updated"),
    ("client:remove", "identity.removed"),
    ("appUser:delete", "user.deleted"),
    ("notification:delivery:channel", "notification.delivered"),
    ("notification:delivery:user", "notification.delivered"),
    ("notification:delivery:failure", "notification.failed"),
    ("notification:match:failure", "notification.failed"),
    ("passthrough:apple:interactive", "passthrough.received"),
}
V2: set[Row] = {
    ("conversation:message", "message.received"),
    ("conversation:message", "message.sent"),
    ("conversation:postback", "postback.received"),
    ("conversation:message:delivery:channel", "message.delivered"),
    ("conversation:message:delivery:user", "message.delivered"),
    ("conversation:message:delivery:failure", "message.failed"),
    ("conversation:create", "conversation.started"),
    ("conversation:remove", "conversation.deleted"),
    ("conversation:referral", "conversation.referral"),
    ("conversation:read", "conversation.read"),
    ("conversation:join", "conversation.joined"),
    ("conversation:leave", "conversation.left"),
    ("conversation:typing", "typing.started"),
    ("conversation:typing", "typing.stopped"),
    ("client:add", "identity.added"),
    ("client:update", "link.matched"),
    ("client:update", "link.succeeded"),
    ("client:update", "identity.updated"),
    ("client:remove", "link.failed"),
    ("client:remove", "identity.removed"),
    ("user:update", "user.updated"),
    ("user:remove", "user.deleted"),
    ("user:merge", "user.merged"),
    ("switchboard:offerControl", "control.offered"),
    ("switchboard:acceptControl", "control.accepted"),
    ("switchboard:passControl", "control.passed"),
    ("switchboard:releaseControl", "control.released"),
    ("switchboard:offerControl:failure", "control.failed"),
    ("switchboard:acceptControl:failure", "control.failed"),
    ("switchboard:passControl:failure", "control.failed"),
    ("passthrough:messaging", "passthrough.received"),
}
SINCH: set[Row] = {
    ("MESSAGE_INBOUND", "message.received"),
    ("MESSAGE_INBOUND", "postback.received"),
    ("MESSAGE_SUBMIT", "message.sent"),
    ("MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION", "message.redacted"),
    ("MESSAGE_DELIVERY", "message.queued"),
    ("MESSAGE_DELIVERY", "message.switching_channel"),
    ("MESSAGE_DELIVERY", "message.delivered"),
    ("MESSAGE_DELIVERY", "message.read"),
    ("MESSAGE_DELIVERY", "message.failed"),
    ("BATCH_STATUS_UPDATE", "batch.reported"),
    ("CONVERSATION_START", "conversation.started"),
    ("CONVERSATION_STOP", "conversation.stopped"),
    ("CONVERSATION_DELETE", "conversation.deleted"),
    ("EVENT_INBOUND", "typing.started"),
    ("EVENT_INBOUND", "typing.stopped"),
    ("EVENT_INBOUND", "reaction.received"),
    ("EVENT_INBOUND", "comment.received"),
    ("EVENT_INBOUND", "event.received"),
    ("EVENT_DELIVERY", "event.delivered"),
    ("EVENT_DELIVERY", "event.failed"),
    ("CONTACT_CREATE", "user.created"),
    ("CONTACT_UPDATE", "user.updated"),
    ("CONTACT_DELETE", "user.deleted"),
    ("CONTACT_MERGE", "user.merged"),
    ("CONTACT_IDENTITIES_DUPLICATION", "user.duplicated"),
    ("OPT_IN", "consent.opted_in"),
    ("OPT_OUT", "consent.opted_out"),
    ("OPT_IN", "consent.failed"),
    ("OPT_OUT", "consent.failed"),
    ("CAPABILITY", "capability.reported"),
    ("CHANNEL_EVENT", "channel.notice"),
    ("SMART_CONVERSATION", "analysis.reported"),
    ("RECORD_NOTIFICATION", "record.reported"),
    ("UNSUPPORTED", "passthrough.received"),
}
SMS: set[Row] = {
    ("mo_text", "message.received"),
    ("mo_binary", "message.received"),
    ("mo_media", "message.received"),
    ("recipient_delivery_report_sms", "message.queued"),
    ("recipient_delivery_report_sms", "message.delivered"),
    ("recipient_delivery_report_mms", "message.delivered"),
    ("recipient_delivery_report_sms", "message.failed"),
    ("delivery_report_sms", "batch.reported"),
    ("delivery_report_mms", "batch.reported"),
}
TABLES = {
    ("smooch", "v1"): V1,
    ("smooch", "v1.1"): V11,
    ("smooch", "v2"): V2,
    ("sinch", None): SINCH,
    ("sinch_sms", None): SMS,
}
ROWS = [(*where, *row) for where, rows in TABLES.items() for row in sorted(rows)]


def parsed(provider: str, body: bytes) -> list[Event]:
    inbound = PROVIDERS[provider].inbound
    assert inbound is not None
    return inbound.parse(body)


@cache
def filed(provider: str, version: str | None) -> set[Row]:
    """What the payload files of one version give."""
    pattern = "*.json" if version is None else f"{version}__*.json"
    files = (HERE / provider / "payloads").glob(pattern)
    events = [event for file in files for event in parsed(provider, file.read_bytes())]
    return {(event.trigger or "", event.type) for event in events}


@cache
def sampled(provider: str, version: str | None, now: Any) -> set[Row]:
    """What the samples give, those of the version first."""
    found = set()
    for trigger in samples.triggers(provider, version):
        body = samples.make(provider, trigger, seed="a", now=now, version=version)
        found |= {(e.trigger or "", e.type) for e in parsed(provider, json.dumps(body).encode())}
    return found


@pytest.mark.parametrize(("provider", "version", "trigger", "kind"), ROWS)
def test_a_trigger_becomes_this_event(
    provider: str, version: str | None, trigger: str, kind: str
) -> None:
    assert (trigger, kind) in filed(provider, version)


@pytest.mark.parametrize(("provider", "version"), TABLES)
def test_there_is_a_sample_of_every_trigger(provider: str, version: str | None, now: Any) -> None:
    there = {trigger for trigger, _ in sampled(provider, version, now)}
    assert {trigger for trigger, _ in TABLES[provider, version]} <= there


@pytest.mark.parametrize("provider", ["smooch", "sinch", "sinch_sms"])
def test_every_event_that_a_provider_has_can_be_simulated(provider: str, now: Any) -> None:
    versions = [version for name, version in TABLES if name == provider]
    there = {kind for version in versions for _, kind in sampled(provider, version, now)}
    assert {kind for version in versions for _, kind in TABLES[provider, version]} <= there


# ours -> Smooch's words, Sinch's words
CHANNELS: dict[str, tuple[list[str], list[str]]] = {
    "sms": (["twilio", "messagebird"], ["SMS"]),
    "mms": ([], ["MMS"]),
    "rcs": ([], ["RCS"]),
    "email": (["mailgun", "frontendEmail"], []),
    "viber": (["viber"], ["VIBER"]),
    "viber_business": ([], ["VIBERBM"]),
    "apple": (["apple"], ["APPLEBC"]),
    "google": (["gbm", "googlercs"], []),
    "slack": (["slackconnect"], []),
    "kakaotalk": (["kakao"], ["KAKAOTALK"]),
    "kakaotalk_chat": ([], ["KAKAOTALKCHAT"]),
    "somewhere_new": (["Somewhere_New"], ["SOMEWHERE_NEW"]),
    **{
        name: ([name], [name.upper()])
        for name in ("whatsapp", "messenger", "instagram", "telegram", "line", "wechat", "twitter")
    },
    **{name: ([name], []) for name in ("web", "ios", "android", "sdk", "api")},
}
SMOOCH_WORDS = [(ours, word) for ours, (words, _) in CHANNELS.items() for word in words]
SINCH_WORDS = [(ours, word) for ours, (_, words) in CHANNELS.items() for word in words]


def payload(provider: str, name: str) -> Any:
    return json.loads((HERE / provider / "payloads" / f"{name}.json").read_bytes())


@pytest.mark.parametrize(("ours", "word"), SMOOCH_WORDS)
@pytest.mark.parametrize("version", ["v1.1", "v2"])
def test_what_smoochs_channels_are_called(version: str, ours: str, word: str) -> None:
    body = payload("smooch", f"{version}__message")
    place = body["messages"][0] if version == "v1.1" else body["events"][0]["payload"]["message"]
    place["source"]["type"] = word
    [event] = parsed("smooch", json.dumps(body).encode())
    assert event.channel == ours


@pytest.mark.parametrize(("ours", "word"), SINCH_WORDS)
def test_what_sinchs_channels_are_called(ours: str, word: str) -> None:
    body = payload("sinch", "message_text")
    body["message"]["channel_identity"] |= {"channel": word, "identity": "15145550100"}
    [event] = parsed("sinch", json.dumps(body).encode())
    [identity] = event.identities
    assert (event.channel, identity.channel, identity.platform) == (ours, ours, word)
