"""An account at Smooch, whom it writes to, and what Smooch answers."""

from typing import Any

import httpx
import pytest

from handlers.people import ChannelIdentity, User
from receiver.errors import Unsupported
from receiver.provider import Recipient
from receiver.providers.smooch.adapter import OUTBOUND
from receiver.providers.smooch.options import SmoochOptions
from tests.driver import Driven, drive

PHONE = "+15145550142"
ANN = Recipient(User("a1b2", "ann@example.com"), reference="hl-7")
V11_USER = "https://api.smooch.io/v1.1/apps/app1/appusers/a1b2"
V2 = "https://api.smooch.io/v2/apps/app1"
POSTED_V1 = httpx.Response(201, json={"message": {"_id": "m1"}})
POSTED_V2 = httpx.Response(201, json={"messages": [{"id": "m1"}, {"id": "m2"}]})
LINKED_V1 = httpx.Response(
    200,
    json={
        "appUser": {
            "_id": "a1b2",
            "pendingClients": [
                {"id": "c8", "platform": "twilio", "displayName": "+15145550199"},
                {"id": "c9", "platform": "twilio", "displayName": PHONE},
            ],
        }
    },
)
LINKED_V2 = httpx.Response(201, json={"client": {"id": "c9", "status": "pending"}})


def options(version: str = "v1.1", **more: Any) -> SmoochOptions:
    given = {"provider": "smooch", "api_version": version, "app_id": "app1"} | more
    return SmoochOptions.model_validate(given)


def run(action: Any, *answers: httpx.Response, to: Recipient = ANN, **given: Any) -> Driven:
    return drive(OUTBOUND.carry_out(action, to, options(**given)), *answers)


def refused(action: Any, to: Recipient = ANN, **given: Any) -> str:
    """Why it is Unsupported, before any request."""
    with pytest.raises(Unsupported) as caught:
        next(OUTBOUND.carry_out(action, to, options(**given)))
    return str(caught.value)


KNOWN = Recipient(
    User("a1b2"),
    (
        ChannelIdentity("sms", PHONE, "twilio", "c1", status="inactive"),
        ChannelIdentity("sms", PHONE, "messagebird", "c2"),
        ChannelIdentity("whatsapp", PHONE, "whatsapp", "c3"),
    ),
)
