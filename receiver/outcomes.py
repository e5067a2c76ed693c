"""Events that are made here: what became of a link that no webhook tells of."""

from datetime import datetime

from handlers import actions
from handlers.event import Fault
from handlers.events import LinkExpired, LinkFailed, LinkSucceeded
from handlers.people import User
from receiver.errors import SendError
from receiver.provider import Sent
from storage import outbox
from storage.outbox import Outgoing


def _about(item: Outgoing) -> tuple[str, str, str]:
    match item.action:
        case actions.Link(target=target):
            return target.channel, str(target.platform), target.address
        case actions.AddIdentity(channel=channel, identity=address):
            return channel, channel, address
    raise TypeError(f"{item.action.kind} links nothing")


def failed(item: Outgoing, error: SendError) -> LinkFailed:
    """The provider has refused to link, and says why."""
    channel, platform, address = _about(item)
    return LinkFailed(
        id=f"link.failed:{item.link_id}",
        user=item.user,
        channel=channel,
        platform=platform,
        address=address,
        error=Fault(error.code or error.kind, str(error)),
        link=outbox.link_record(item.link_id or 0, channel, platform, address, None),
    )


def succeeded(item: Outgoing, sent: Sent) -> LinkSucceeded:
    """The provider has linked at once, and tells of it in its answer only."""
    channel, platform, address = _about(item)
    return LinkSucceeded(
        id=f"link.succeeded:{item.link_id}",
        user=sent.user or item.user,
        identities=sent.identities,
        channel=channel,
        platform=platform,
        address=address,
        link=outbox.link_record(item.link_id or 0, channel, platform, address, None),
    )


def expired(
    link_id: int, user: User, about: tuple[str, str, str | None], now: datetime
) -> LinkExpired:
    """No outcome has come in time. about: channel, platform and address."""
    channel, platform, address = about
    return LinkExpired(
        id=f"link.expired:{link_id}",
        user=user,
        channel=channel,
        platform=platform,
        address=address,
        occurred_at=now,
        link=outbox.link_record(link_id, channel, platform, address, now),
    )
