"""
Contacts: made, and given or relieved of identities, which is how Sinch links a channel.

Identities are replaced as a whole list: read, changed, written. Nobody is asked and no webhook
tells the outcome. https://developers.sinch.com/docs/conversation/api-reference/conversation/contact
"""

from typing import Any

import httpx

from handlers.actions import AddIdentity, CreateUser, Unlink
from handlers.people import PHONE_CHANNELS, ChannelIdentity, User, comparable, normalise
from receiver import fields
from receiver.answers import call
from receiver.bodies import present
from receiver.errors import Rejected, Unsupported
from receiver.provider import Call, Exchange, Recipient, Sent
from receiver.providers.sinch import calls
from receiver.providers.sinch.channels import channel_name, channel_word
from receiver.providers.sinch.options import SinchOptions
from receiver.providers.sinch.recipients import contact_id
from receiver.providers.sinch.urls import project_url
from receiver.providers.sinch.writing import as_text


def create_user(action: CreateUser, recipient: Recipient, options: SinchOptions) -> Exchange:
    """POST contacts {"channel_identities": [...], "language", ...} -> the contact."""
    if options.mode == "DISPATCH":
        raise Unsupported("sinch keeps no contacts in DISPATCH mode")
    if not action.identities:
        raise Unsupported("sinch needs an identity to create a user")
    name = " ".join(part for part in (action.given_name, action.surname) if part)
    identities = [
        _written(channel, address, None, options) for channel, address in action.identities
    ]
    made = {
        "channel_identities": identities,
        "language": action.language or options.language,
    } | present(
        external_id=action.external_id,
        display_name=name or None,
        email=action.email,
        metadata=as_text(action.properties),
    )
    request = httpx.Request("POST", project_url(options, "contacts"), json=made)
    contact = yield from call(request, needs="id")
    user = User(fields.ident(contact, "id") or "", fields.ident(contact, "external_id"))
    return Sent(user=user, identities=_read(contact), raw=contact)


def add_identity(action: AddIdentity, recipient: Recipient, options: SinchOptions) -> Exchange:
    """GET the contact, PATCH it with the identity added; no PATCH if it is there already."""
    name = contact_id(recipient, options)
    contact = yield from calls.get_contact(name, options)
    added = _written(action.channel, action.identity, action.app_id, options)
    listed = _listed(contact)
    if not any(_same(identity, added) for identity in listed):
        contact = yield from _rewrite(name, [*listed, added], options)
    return Sent(linked=True, identities=(_identity(added),), raw=contact)


def unlink(action: Unlink, recipient: Recipient, options: SinchOptions) -> Exchange:
    """GET the contact, PATCH it without its identities on the channel."""
    name = contact_id(recipient, options)
    contact = yield from calls.get_contact(name, options)
    listed = _listed(contact)
    word = channel_word(action.channel)
    kept = [identity for identity in listed if identity.get("channel") != word]
    if len(kept) == len(listed):
        raise Rejected(f"the contact has no identity on {action.channel}", code="not_linked")
    contact = yield from _rewrite(name, kept, options)
    gone = [_identity(identity) for identity in listed if identity.get("channel") == word]
    return Sent(identities=tuple(identity.as_("inactive") for identity in gone), raw=contact)


def reveal(user_id: str, options: SinchOptions) -> Exchange:
    """Where the contact can be reached. Raises Unsupported for a user who is no contact."""
    name = contact_id(Recipient(User(user_id)), options)
    contact = yield from calls.get_contact(name, options)
    return Sent(identities=_read(contact), raw=contact)


def _rewrite(contact: str, identities: list[dict[str, Any]], options: SinchOptions) -> Call:
    """Put the whole list in place of the old one; doing so twice changes nothing."""
    changes = {"channel_identities": identities}
    return (yield from calls.update_contact(contact, changes, options))


def _written(
    channel: str, address: str, app_id: str | None, options: SinchOptions
) -> dict[str, Any]:
    """One entry of channel_identities; app-scoped ones belong to the account's app by default."""
    if channel not in PHONE_CHANNELS:
        app_id = app_id or options.app_id
    identity = {"channel": channel_word(channel), "identity": address}
    return identity | present(app_id=app_id)


def _listed(contact: dict[str, Any]) -> list[dict[str, Any]]:
    """The contact's identities as they must be sent back."""
    return [i for i in fields.items(contact, "channel_identities") if isinstance(i, dict)]


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return _key(one) == _key(other)


def _key(identity: dict[str, Any]) -> tuple[str, str, str | None]:
    found = _identity(identity)
    return found.channel, comparable(found.channel, found.identity or ""), found.app_id


def _read(contact: dict[str, Any]) -> tuple[ChannelIdentity, ...]:
    return tuple(_identity(identity) for identity in _listed(contact))


def _identity(value: dict[str, Any]) -> ChannelIdentity:
    word = fields.text(value, "channel")
    channel = channel_name(word) or "unknown"
    return ChannelIdentity(
        channel=channel,
        identity=normalise(channel, fields.ident(value, "identity") or ""),
        platform=word,
        app_id=fields.ident(value, "app_id") if channel not in PHONE_CHANNELS else None,
    )
