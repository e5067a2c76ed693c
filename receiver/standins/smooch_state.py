"""What the Smooch stand-in knows: users, their clients, conversations and messages."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request

from receiver.standins.core import Refusal, State, stamp
from receiver.standins.hooks import Hooks

# https://docs.smooch.io/rest/#retry-policy
_FINAL = frozenset({400, 401, 403, 404, 406})


@dataclass(slots=True)
class Client:
    """A channel of a user. status: "pending" until it is confirmed, then "active"."""

    id: str
    platform: str
    address: str
    status: str = "pending"
    integration_id: str | None = None
    criteria: dict[str, Any] = field(default_factory=dict)
    version: str = "v1.1"


@dataclass(slots=True)
class Person:
    """A user, with what they were created with."""

    id: str
    external_id: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    clients: list[Client] = field(default_factory=list)


@dataclass(kw_only=True)
class SmoochState(State):
    """The account: its credential, its integrations, and what has happened.

    adopt:       create users and conversations that are asked for and not known.
    integrations: platform -> id; v2 and v1.1 refuse ids that are not among them. Empty: any.
    unreachable: addresses that cannot be linked.
    merging:     user's id -> survivor's: who becomes another user in the middle of their next link.
    secret:      of the webhook. hooks: where outcomes go; set hooks.target to receive them.
    conversations: id -> user's id. webhooks: id -> as it is shown.
    custom_integration: to which v2 ties webhooks; None: the app has none.
    integration_scope:  the credential is an integration's own, which knows itself as "me" only.
    """

    key_id: str = "app_standin"
    key_secret: str = "standin-secret"  # noqa: S105 - of nobody
    token: str | None = None
    app_id: str = "5e0000000000000000000001"
    secret: str = "standin-webhook-secret"  # noqa: S105 - of nobody
    adopt: bool = False
    integrations: dict[str, str] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    merging: dict[str, str] = field(default_factory=dict)
    users: dict[str, Person] = field(default_factory=dict)
    conversations: dict[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    notifications: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    webhooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    custom_integration: str | None = "5e00000000000000000000c1"
    integration_scope: bool = False
    hooks: Hooks = field(init=False)

    def __post_init__(self) -> None:
        self.hooks = Hooks(self._sign, self.clock, final=_FINAL.__contains__)

    def _sign(self, body: bytes, now: datetime) -> dict[str, str]:
        return {"X-API-Key": self.secret}

    def add_user(self, user_id: str | None = None, external_id: str | None = None) -> Person:
        """A user who is there from the start."""
        person = Person(user_id or self.new_id(), external_id)
        self.users[person.id] = person
        return person

    def person(self, name: str) -> Person:
        """By id or external id. Raises Refusal (404)."""
        for person in self.users.values():
            if name in (person.id, person.external_id):
                return person
        if self.adopt:
            return self.add_user(name)
        raise Refusal(404, "user_not_found", "User not found")

    def fire_v2(self, kind: str, payload: dict[str, Any]) -> None:
        """A webhook of v2 with one event."""
        event = {"id": self.new_id(), "type": kind, "createdAt": stamp(self.clock())}
        self.hooks.fire(
            {
                "app": {"id": self.app_id},
                "webhook": {"id": "5d0000000000000000000001", "version": "v2"},
                "events": [event | {"payload": payload}],
            }
        )

    def holder(self, conversation_id: str) -> Person | None:
        """Whose conversation it is. Raises Refusal (404) for one that there is not."""
        if conversation_id in self.conversations:
            return self.users.get(self.conversations[conversation_id])
        if self.adopt:
            return None
        raise Refusal(404, "conversation_not_found", "Conversation not found")

    def check_app(self, app_id: str | None) -> None:
        """Raises Refusal (404) for another app's id."""
        if app_id is not None and app_id != self.app_id:
            raise Refusal(404, "app_not_found", "App not found")

    def check_integration(self, platform: str, integration_id: str | None) -> None:
        """Raises Refusal (404) for an integration that is not the account's."""
        known = self.integrations.get(platform)
        if integration_id and self.integrations and known != integration_id:
            raise Refusal(404, "integration_not_found", "Integration not found")

    def check_auth(self, request: Request, *, basic: bool = True) -> None:
        """Raises Refusal (401) unless the request carries the token, a good JWT, or the key."""
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        good = kind == "Bearer" and self._is_token(value)
        if basic and kind == "Basic":
            key = f"{self.key_id}:{self.key_secret}".encode()
            good = hmac.compare_digest(value.encode(), base64.b64encode(key))
        if not good:
            raise Refusal(401, "unauthorized", "Authorization is required")

    def _is_token(self, value: str) -> bool:
        if self.token is not None:
            return hmac.compare_digest(value.encode(), self.token.encode())
        try:
            head, claims, signature = (_unpacked(part) for part in value.split("."))
            header, scope = json.loads(head), json.loads(claims)
        except ValueError:
            return False
        signed = value.rpartition(".")[0].encode()
        made = hmac.new(self.key_secret.encode(), signed, hashlib.sha256).digest()
        return (
            hmac.compare_digest(made, signature)
            and header == {"alg": "HS256", "typ": "JWT", "kid": self.key_id}
            and scope.get("scope") in ("app", "account")
            and scope.get("exp", float("inf")) > self.clock().timestamp()
        )


def _unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
