"""Users, conversations and activities at Smooch, in each version of its API."""

import httpx
import pytest

from handlers.actions import (
    Action,
    AddIdentity,
    CreateUser,
    Link,
    MarkRead,
    Reply,
    StartAvaamo,
    Typing,
    Unlink,
)
from handlers.content import (
    Text,
)
from handlers.links import (
    Twilio,
)
from handlers.people import User
from receiver.errors import Rejected, Uncertain
from receiver.provider import Recipient
from tests.parts.smooch import (
    KNOWN,
    LINKED_V2,
    PHONE,
    POSTED_V2,
    V2,
    V11_USER,
    refused,
    run,
)


def test_creating_a_user_on_v1_needs_an_id_of_your_own() -> None:
    assert "external_id" in refused(CreateUser(), to=Recipient())
    made = httpx.Response(201, json={"appUser": {"_id": "n1", "userId": "ann"}})
    driven = run(
        CreateUser(external_id="ann", given_name="Ann", properties={"vip": True}),
        made,
        to=Recipient(),
        version="v1",
        app_id=None,
    )
    assert driven.lines == ["POST https://api.smooch.io/v1/appusers"]
    assert driven.bodies == [{"userId": "ann", "givenName": "Ann", "properties": {"vip": True}}]
    assert driven.sent is not None
    assert driven.sent.user == User("n1", "ann")


def test_creating_a_user_on_v2_has_a_profile() -> None:
    made = httpx.Response(201, json={"user": {"id": "n1", "externalId": "ann"}})
    action = CreateUser(
        external_id="ann", surname="Lee", email="a@example.com", language="fr", properties={"a": 1}
    )
    driven = run(action, made, to=Recipient(), version="v2")
    assert driven.lines == [f"POST {V2}/users"]
    assert driven.bodies == [
        {
            "externalId": "ann",
            "profile": {"surname": "Lee", "email": "a@example.com", "locale": "fr"},
            "metadata": {"a": 1},
        }
    ]
    assert driven.sent is not None
    assert driven.sent.user == User("n1", "ann")


def test_a_user_who_is_there_already_is_looked_up() -> None:
    conflict = httpx.Response(409, json={"error": {"code": "conflict"}})
    action = CreateUser(external_id="ann@example.com")
    old = run(action, conflict, httpx.Response(200, json={"appUser": {"_id": "n1"}}))
    assert old.requests[1].url.raw_path == b"/v1.1/apps/app1/appusers/ann%40example.com"
    assert old.sent is not None
    assert old.sent.user == User("n1")
    found = httpx.Response(200, json={"user": {"id": "n1"}})
    new = run(action, conflict, found, version="v2")
    assert new.requests[1].method == "GET"
    assert new.sent is not None
    assert new.sent.user == User("n1")


def test_another_refusal_to_create_a_user_stands() -> None:
    with pytest.raises(Rejected):
        run(CreateUser(external_id="ann"), httpx.Response(400))
    with pytest.raises(Rejected):
        run(CreateUser(), httpx.Response(409), version="v2")


FOUND = {"conversations": [{"id": "g1", "type": "sdkGroup"}, {"id": "k7", "type": "personal"}]}
LOOK_UP = f"GET {V2}/conversations?filter%5BuserId%5D=a1b2"


@pytest.mark.parametrize(
    ("action", "answer", "call"),
    [
        (Reply(content=Text("Hi")), POSTED_V2, "conversations/{}/messages"),
        (Typing(), httpx.Response(200), "conversations/{}/activity"),
        (MarkRead(), httpx.Response(200), "conversations/{}/activity"),
        (Link(target=Twilio(PHONE, "i1")), LINKED_V2, "users/a1b2/clients"),
    ],
)
def test_v2_finds_the_personal_conversation_or_makes_one(
    action: Action, answer: httpx.Response, call: str
) -> None:
    found = run(action, httpx.Response(200, json=FOUND), answer, version="v2")
    assert found.lines == [LOOK_UP, f"POST {V2}/{call.format('k7')}"]
    none = httpx.Response(200, json={"conversations": []})
    new = httpx.Response(201, json={"conversation": {"id": "k8"}})
    made = run(action, none, new, answer, version="v2")
    assert made.lines == [LOOK_UP, f"POST {V2}/conversations", f"POST {V2}/{call.format('k8')}"]
    assert made.bodies[1] == {"type": "personal", "participants": [{"userId": "a1b2"}]}


def test_unlinking_on_v1_names_the_channel() -> None:
    gone = httpx.Response(200, json={})
    driven = run(Unlink(channel="sms"), gone, to=KNOWN)
    assert driven.lines == [f"DELETE {V11_USER}/channels/messagebird"]
    assert driven.sent is not None
    assert {identity.status for identity in driven.sent.identities} == {"inactive"}
    named = run(Unlink(channel="sms", platform="twilio"), gone)
    assert named.lines == [f"DELETE {V11_USER}/channels/twilio"]


def test_unlinking_on_v2_names_the_client_known_or_looked_up() -> None:
    gone = httpx.Response(200, json={})
    named = run(Unlink(channel="sms", client_id="c5"), gone, version="v2")
    assert named.lines == [f"DELETE {V2}/users/a1b2/clients/c5"]
    known = run(Unlink(channel="sms"), gone, to=KNOWN, version="v2")
    assert known.lines == [f"DELETE {V2}/users/a1b2/clients/c2"]
    clients = {"clients": [{"id": "c6", "type": "twilio"}, {"id": "c7", "type": "sdk"}]}
    listed = httpx.Response(200, json=clients)
    looked = run(Unlink(channel="sms"), listed, gone, version="v2")
    assert looked.lines == [
        f"GET {V2}/users/a1b2/clients",
        f"DELETE {V2}/users/a1b2/clients/c6",
    ]
    with pytest.raises(Rejected, match="no client on email"):
        run(Unlink(channel="email"), listed, version="v2")


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (Typing(conversation_id="k1"), "typing:start"),
        (Typing(on=False, conversation_id="k1"), "typing:stop"),
        (MarkRead(conversation_id="k1"), "conversation:read"),
    ],
)
def test_activities_are_told(action: Action, kind: str) -> None:
    done = httpx.Response(200, json={})
    old = run(action, done)
    assert old.lines == [f"POST {V11_USER}/conversation/activity"]
    assert old.bodies == [{"role": "appMaker", "type": kind}]
    new = run(action, done, version="v2")
    assert new.lines == [f"POST {V2}/conversations/k1/activity"]
    assert new.bodies == [{"author": {"type": "business"}, "type": kind}]


@pytest.mark.parametrize(
    "action", [AddIdentity(channel="sms", identity=PHONE), StartAvaamo(account="agent")]
)
def test_other_actions_are_not_smoochs(action: Action) -> None:
    for version in ("v1", "v1.1", "v2"):
        assert action.kind in refused(action, version=version)


@pytest.mark.parametrize("action", [Reply(content=Text("Hi")), Link(target=Twilio(PHONE))])
def test_an_answer_that_is_not_the_documented_one_is_uncertain(action: Action) -> None:
    with pytest.raises(Uncertain):
        run(action, httpx.Response(200, text="<html>It works!</html>"))
    with pytest.raises(Uncertain):
        run(action, httpx.Response(200, json={}))
