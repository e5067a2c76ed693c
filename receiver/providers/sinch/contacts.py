"""Contacts: made, changed, merged, found double; what they agreed to and what they can receive."""

from typing import Any

from handlers.event import Event, Fault
from handlers.events import (
    CapabilityReported,
    ConsentFailed,
    ConsentOptedIn,
    ConsentOptedOut,
    Unknown,
    UserCreated,
    UserDeleted,
    UserDuplicated,
    UserMerged,
    UserUpdated,
)
from handlers.people import ChannelIdentity, User
from receiver import fields
from receiver.providers.sinch.callback import (
    Callback,
    Place,
    accepted_time,
    body_digest,
    common,
    place,
)

_NOWHERE = Place()


def created(callback: Callback) -> Event:
    """{"contact": {"id", "channel_identities": [...], "external_id", "display_name", ...}}"""
    return UserCreated(**_contact(callback))


def updated(callback: Callback) -> Event:
    """The same shape, as the contact now is."""
    return UserUpdated(**_contact(callback))


def deleted(callback: Callback) -> Event:
    """The same shape, as the contact was: its identities are inactive now."""
    shared = _contact(callback)
    gone = tuple(identity.as_("inactive") for identity in shared["identities"])
    return UserDeleted(**shared | {"identities": gone})


def merged(callback: Callback) -> Event:
    """{"preserved_contact": {contact}, "deleted_contact": {contact}}: all goes to the first."""
    kept = fields.obj(callback.member, "preserved_contact")
    gone = fields.obj(callback.member, "deleted_contact")
    discarded = fields.ident(gone, "id")
    shared = common(callback, discarded, where=_NOWHERE)
    shared |= _proven(_person(kept), _identities(kept) + _identities(gone))
    merged_away = discarded != fields.ident(kept, "id")
    return UserMerged(**shared, discarded=(discarded,) if discarded and merged_away else ())


def duplicated(callback: Callback) -> Event:
    """{"duplicated_identities": [{"channel", "contact_ids": [...]}]}: about several, so nobody."""
    return UserDuplicated(**common(callback, body_digest(callback), where=_NOWHERE))


def _contact(callback: Callback) -> dict[str, Any]:
    contact = fields.obj(callback.member, "contact")
    parts = fields.ident(contact, "id"), accepted_time(callback)
    shared = common(callback, *parts, where=_NOWHERE)
    return shared | _proven(_person(contact), _identities(contact))


def _proven(person: User | None, identities: list[ChannelIdentity]) -> dict[str, Any]:
    """The contact, and each identity once; nobody's identities are not kept."""
    return {"user": person, "identities": tuple(dict.fromkeys(identities)) if person else ()}


def _person(contact: dict[str, Any]) -> User | None:
    identifier = fields.ident(contact, "id")
    return User(identifier, fields.ident(contact, "external_id")) if identifier else None


def _identities(contact: dict[str, Any]) -> list[ChannelIdentity]:
    stated = fields.items(contact, "channel_identities")
    places = (place({"channel_identity": each}) for each in stated if isinstance(each, dict))
    return [each.identity for each in places if each.identity is not None]


# Trusted more than the body key: Sinch's own examples send OPT_IN_SUCCEEDED as an opt-out.
_CONSENTS = {
    "OPT_IN_SUCCEEDED": ConsentOptedIn,
    "OPT_OUT_SUCCEEDED": ConsentOptedOut,
    "OPT_IN_FAILED": ConsentFailed,
    "OPT_OUT_FAILED": ConsentFailed,
}


def consent(callback: Callback) -> Event:
    """{"request_id", "contact_id", "channel", "identity", "status", "error_details"?, ...}"""
    status = fields.ident(callback.member, "status")
    shared = common(callback, *_asked(callback), status)
    event = _CONSENTS.get(status or "")
    if event is None:
        return Unknown(**shared)
    why = fields.text(callback.member, "error_details.description")
    return event(**shared, error=Fault(message=why) if why else None)


def _asked(callback: Callback) -> tuple[str | None, ...]:
    """Which request it answers; a person who opts out unasked is known by place and time."""
    request = fields.ident(callback.member, "request_id")
    if request is not None:
        return (request,)
    identity = place(callback.member).identity
    if identity is None:
        return (None,)
    return identity.channel, identity.identity, accepted_time(callback)


def capability(callback: Callback) -> Event:
    """{"request_id", "contact_id", "channel", "identity", "capability_status", ...}

    Whoever can receive nothing there, or it is not known what, is not proven to be there.
    """
    where = place(callback.member)
    status = fields.ident(callback.member, "capability_status")
    parts = fields.ident(callback.member, "request_id"), where.channel or ""
    able = status in {"CAPABILITY_FULL", "CAPABILITY_PARTIAL"}
    return CapabilityReported(**common(callback, *parts, where=where, proven=able))
