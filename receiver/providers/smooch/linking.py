"""
Requests to link a channel, and what their answers prove. The outcome itself comes by webhook.

https://docs.smooch.io/rest/#link-app-user-to-channel
"""

from typing import Any

from handlers.actions import Link
from handlers.links import Mailgun, Messenger, Target
from handlers.people import ChannelIdentity, normalise
from receiver import fields
from receiver.bodies import present
from receiver.errors import Unsupported
from receiver.provider import Sent
from receiver.providers.smooch.options import SmoochOptions
from receiver.providers.smooch.posts import plain

# https://docs.smooch.io/rest/#linkable-channels-and-entities; Messenger went with v2.
LINKABLE = {
    "v1": frozenset({"twilio", "messagebird", "messenger", "mailgun"}),
    "v1.1": frozenset({"twilio", "messagebird", "whatsapp", "messenger", "mailgun"}),
    "v2": frozenset({"twilio", "messagebird", "whatsapp", "mailgun"}),
}


def criteria(target: Target, options: SmoochOptions) -> dict[str, Any]:
    """Whom to look for on which channel. Raises Unsupported where the version cannot link it."""
    version = options.api_version
    if target.platform not in LINKABLE[version]:
        raise Unsupported(f"smooch {version} cannot link {target.platform}")
    return (
        {"type": target.platform}
        | _entity(target)
        | present(integrationId=_integration(target, options))
        | present(primary=None if isinstance(target, Mailgun) else target.primary)
    )


def _entity(target: Target) -> dict[str, Any]:
    match target:
        case Mailgun():
            return {"address": target.address} | present(subject=target.subject)
        case Messenger():
            names = present(givenName=target.given_name, surname=target.surname)
            return {"phoneNumber": target.address} | names
        case _:
            return {"phoneNumber": target.address}


def _integration(target: Target, options: SmoochOptions) -> str | None:
    """v2 cannot do without one; v1 finds it by the type and knows no such key."""
    found = target.integration_id or (
        options.integrations.get(target.platform) if options.api_version != "v1" else None
    )
    if found is None and options.api_version == "v2":
        raise Unsupported(
            f"smooch v2 needs the integration to link {target.platform}: "
            f"set integrations.{target.platform} or integration_id"
        )
    return found


def confirmation(action: Link, version: str) -> dict[str, Any]:
    """How the person agrees. It is required since May 2017, whatever older guides show."""
    asked = {"type": action.confirmation.type}
    message = action.confirmation.message
    return asked | ({"message": plain(message, version)} if message else {})


def pending(target: Target, client: dict[str, Any], raw: dict[str, Any]) -> Sent:
    """What the answer proves: a client that waits for its confirmation."""
    client_id = fields.ident(client, "id") or fields.ident(client, "_id")
    identity = ChannelIdentity(
        channel=target.channel,
        identity=normalise(target.channel, target.address),
        platform=target.platform,
        client_id=client_id,
        status="pending",
    )
    return Sent(identities=(identity,), client_id=client_id, raw=raw)
