"""
Every guide's recipe by `hookline create-user`, `link` and `send`, against stand-ins over sockets.

https://docs.smooch.io/guide/linking-users-to-sms/
https://developers.sinch.com/docs/conversation/channel-support/sms
https://docs.avaamo.com/user-guide/ref/avaamo-platform-api-documentation/sms-send-api
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from receiver.cli.main import app
from receiver.standins.avaamo import AvaamoState, avaamo_app
from receiver.standins.server import serving_in_thread
from receiver.standins.sinch import SinchState, sinch_app
from receiver.standins.smooch import SmoochState, smooch_app

PHONE = "+15145550155"


@dataclass
class There:
    """The providers."""

    smooch: SmoochState
    sinch: SinchState
    avaamo: AvaamoState


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    """All providers, and a folder with the accounts at them."""
    monkeypatch.chdir(tmp_path)
    states = There(SmoochState(), SinchState(), AvaamoState())
    with ExitStack() as stack:
        apps = (smooch_app(states.smooch), sinch_app(states.sinch), avaamo_app(states.avaamo))
        smooch, sinch, avaamo = (stack.enter_context(serving_in_thread(one)) for one in apps)
        (tmp_path / "hookline.toml").write_text(
            f"""
            [accounts.chat]
            provider = "smooch"
            api_version = "v1"
            base_url = "{smooch}"
            key_id = "{states.smooch.key_id}"
            key_secret = "{states.smooch.key_secret}"
            [accounts.texts]
            provider = "sinch"
            base_url = "{sinch}"
            auth_url = "{sinch}/oauth2/token"
            project_id = "{states.sinch.project_id}"
            app_id = "{states.sinch.app_id}"
            key_id = "{states.sinch.key_id}"
            key_secret = "{states.sinch.key_secret}"
            [accounts.agent]
            provider = "avaamo"
            base_url = "{avaamo}"
            channel_uuid = "{states.avaamo.channel_uuid}"
            """,
            encoding="utf-8",
        )
        yield states


def hookline(*args: str) -> Any:
    """What the command tells."""
    result = CliRunner().invoke(app, [*args, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


LINKS = {
    "twilio": (("twilio", PHONE), {"type": "twilio", "phoneNumber": PHONE}),
    "messenger": (
        ("messenger", PHONE, "--message", "Let's connect on Messenger"),
        {"type": "messenger", "phoneNumber": PHONE},
    ),
    "mailgun": (
        ("mailgun", "their@example.com", "--subject", "This will be the subject"),
        {
            "type": "mailgun",
            "address": "their@example.com",
            "subject": "This will be the subject",
        },
    ),
}


@pytest.mark.parametrize(("args", "body"), LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("by", ["id", "external_id"])
def test_a_user_is_made_linked_and_written_to(
    there: There, args: tuple[str, ...], body: dict[str, Any], by: str
) -> None:
    made = hookline("create-user", "chat", "--external-id", "some-user-id")
    assert made["user"]["external_id"] == "some-user-id"
    user = made["user"][by]
    linked = hookline("link", "chat", user, *args)
    assert [identity["status"] for identity in linked["identities"]] == ["pending"]
    sent = hookline("send", "chat", "A message over SMS, as requested.", "--user", user)
    assert sent["message_id"] == there.smooch.messages[0]["_id"]
    _, link, message = [seen.json for seen in there.smooch.requests]
    confirmation = link.pop("confirmation")
    assert (link, confirmation["type"]) == (body, "immediate")
    assert message == {
        "role": "appMaker",
        "type": "text",
        "text": "A message over SMS, as requested.",
    }
    assert {seen.status for seen in there.smooch.requests} == {200, 201}
    [person] = there.smooch.users.values()
    assert [client.status for client in person.clients] == ["active"]


@pytest.mark.parametrize("way", ["userActivity", "prompt"])
def test_the_person_is_asked_first_if_wanted(there: There, way: str) -> None:
    hookline("create-user", "chat", "--external-id", "ann")
    args = ("--confirmation", way, "--message", "Shall we go on here?")
    hookline("link", "chat", "ann", "twilio", PHONE, *args)
    confirmation = there.smooch.requests[-1].json["confirmation"]
    assert confirmation["type"] == way
    assert confirmation["message"]["text"] == "Shall we go on here?"
    [person] = there.smooch.users.values()
    assert [client.status for client in person.clients] == ["pending"]


def test_a_text_goes_to_a_number_by_sinch(there: There) -> None:
    words = "Text message from Sinch Conversation API."
    flash = ("--option", "SMS_FLASH_MESSAGE=true")
    sent = hookline("send", "texts", words, "--to", f"sms:{PHONE}", *flash)
    [message] = there.sinch.messages
    assert sent["message_id"] == message["id"]
    assert message["message"] == {"text_message": {"text": words}}
    assert message["channel_properties"] == {"SMS_FLASH_MESSAGE": "true"}
    assert there.sinch.tokens_fetched == 1


def test_an_agent_greets_a_number_or_whom_it_finds_itself(there: There) -> None:
    params = ("--option", "first_name=John", "--option", "emp_id=1234")
    assert hookline("send", "agent", "--to", f"sms:{PHONE}", *params)["raw"] == {"success": True}
    there.avaamo.own_authentication = True
    hookline("send", "agent", *params)
    known = {"first_name": "John", "emp_id": "1234"}
    assert there.avaamo.greeted == [{"to_phone": PHONE} | known, known]


def test_a_number_that_the_agent_cannot_reach_is_a_failure(there: There) -> None:
    there.avaamo.unreachable.add(PHONE)
    result = CliRunner().invoke(app, ["send", "agent", "--to", f"sms:{PHONE}"])
    assert result.exit_code == 1
    assert "success is false" in result.stderr
