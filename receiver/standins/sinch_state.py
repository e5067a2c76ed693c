"""What the Sinch stand-in knows: the project, its app, contacts, messages; and how it signs."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from receiver.standins.core import Refusal, State, stamp
from receiver.standins.hooks import Hooks


@dataclass(kw_only=True)
class SinchState(State):
    """The project: its key, its app, and what has happened.

    mode:        DISPATCH refuses contacts, as the real one does.
    adopt:       accept contact ids that are not known.
    token_life:  seconds. tokens_fetched: how often a token was asked for; revoke() ends them.
    secret:      of the webhook. hooks: where outcomes go; set hooks.target to receive them.
    unreachable: identities to which delivery fails.
    merging:     contact's id -> survivor's: who becomes another contact as soon as an identity is
                 added to them, before that is answered.
    opted_out:   identities by the list they are on. webhooks: id -> as it is shown.
    """

    key_id: str = "standin-key"
    key_secret: str = "standin-secret"  # noqa: S105 - of nobody
    project_id: str = "standin-project"
    app_id: str = "standin-app"
    secret: str = "standin-webhook-secret"  # noqa: S105 - of nobody
    mode: str = "CONVERSATION"
    adopt: bool = False
    token_life: int = 3600
    tokens: set[str] = field(default_factory=set)
    tokens_fetched: int = 0
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)
    merging: dict[str, str] = field(default_factory=dict)
    opted_out: dict[str, list[str]] = field(default_factory=dict)
    webhooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    hooks: Hooks = field(init=False)

    def __post_init__(self) -> None:
        self.hooks = Hooks(
            lambda body, now: sinch_headers(self.secret, self.new_id(), body, now),
            self.clock,
            final=lambda status: 400 <= status < 500 and status != 429,
        )

    def revoke(self) -> None:
        """End every token that was given out."""
        self.tokens.clear()

    def contact(self, contact_id: str) -> dict[str, Any]:
        """Raises Refusal (404) for one that there is not."""
        if contact_id not in self.contacts:
            if not self.adopt:
                raise Refusal(404, "NOT_FOUND", "contact not found")
            self.contacts[contact_id] = {"id": contact_id, "channel_identities": []}
        return self.contacts[contact_id]

    def merge(self, gone: dict[str, Any], kept: dict[str, Any]) -> None:
        """The identities of the one are the other's; from now on its id is nobody's."""
        known = kept["channel_identities"]
        known += [identity for identity in gone["channel_identities"] if identity not in known]
        del self.contacts[gone["id"]]
        told = {"preserved_contact": dict(kept), "deleted_contact": dict(gone)}
        self.fire({"contact_merge_notification": told}, app=False)

    def check_app(self, app_id: str) -> None:
        """Raises Refusal (404) for another app's id."""
        if app_id != self.app_id:
            raise Refusal(404, "NOT_FOUND", "app not found")

    def need_contacts(self) -> None:
        """Raises Refusal (400) in DISPATCH mode."""
        if self.mode == "DISPATCH":
            raise Refusal(400, "INVALID_ARGUMENT", "there are no contacts in DISPATCH mode")

    def fire(self, member: dict[str, Any], *, app: bool = True) -> None:
        """A callback. Contacts belong to the project, so theirs name no app."""
        now = stamp(self.clock())
        envelope = {"app_id": self.app_id if app else "", "project_id": self.project_id}
        self.hooks.fire(envelope | {"accepted_time": now, "event_time": now} | member)


def sinch_headers(secret: str, nonce: str, body: bytes, now: datetime) -> dict[str, str]:
    """https://developers.sinch.com/docs/conversation/callbacks#validating-callbacks"""
    timestamp = str(int(now.timestamp()))
    signed = body + f".{nonce}.{timestamp}".encode()
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return {
        "x-sinch-webhook-signature": base64.b64encode(mac).decode(),
        "x-sinch-webhook-signature-nonce": nonce,
        "x-sinch-webhook-signature-timestamp": timestamp,
        "x-sinch-webhook-signature-algorithm": "HmacSHA256",
    }
