"""
What the Python peers share: is a request genuine, and whom is it about. Written as the providers'
quickstarts show it, for the messages that the bench sends.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

DATABASE = os.environ.get("BENCH_DATABASE", "")
SMOOCH_SECRET = os.environ.get("BENCH_SMOOCH_SECRET", "")
SINCH_SECRET = os.environ.get("BENCH_SINCH_SECRET", "").encode()


@dataclass
class Message:
    """One inbound message, and who wrote it from where."""

    key: str
    user: str
    channel: str
    address: str
    text: str


def genuine(account: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the provider sent it."""
    if account == "chat":
        return hmac.compare_digest(headers.get("x-api-key", ""), SMOOCH_SECRET)
    name = "x-sinch-webhook-signature"
    nonce, timestamp = headers.get(f"{name}-nonce", ""), headers.get(f"{name}-timestamp", "")
    signed = b".".join([body, nonce.encode(), timestamp.encode()])
    made = base64.b64encode(hmac.new(SINCH_SECRET, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(headers.get(name, ""), made)


def parse(account: str, body: bytes) -> Message:
    """The message in a body."""
    data = json.loads(body)
    if account == "texts":
        message = data["message"]
        place = message["channel_identity"]
        text = message["contact_message"]["text_message"]["text"]
        who = message["contact_id"]
        return Message(f"sinch:{message['id']}", who, "sms", "+" + place["identity"], text)
    if "events" in data:
        event = data["events"][0]
        message = event["payload"]["message"]
        client = message["source"]["client"]
        who, text = message["author"]["userId"], message["content"]["text"]
        return Message(f"smooch:{event['id']}", who, "sms", client["externalId"], text)
    message, client = data["messages"][0], data["client"]
    who = data["appUser"]["_id"]
    return Message(f"smooch:{message['_id']}", who, "sms", client["externalId"], message["text"])
