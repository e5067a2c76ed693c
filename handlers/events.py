"""
What can happen: one class for each event type, the same for all providers.

`Event.type` is the public word ("message.received"), used in the command's JSON, the database,
the metrics and the logs; `EVENTS` maps it to the class. A class adds fields only where handlers
or the database need more than the common ones; everything else is in `raw`.
"""

from dataclasses import dataclass

from handlers.event import Consent, Event, Fault, IdentityChange, LinkOutcome, Message, Receipt
from handlers.values import quick


class MessageReceived(Message):
    """A person wrote."""

    type = "message.received"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(Message):
    """An echo of what the business wrote, `whisper` meaning an internal note. Never answered."""

    type = "message.sent"
    whisper: bool = False


class MessageRedacted(Message):
    """A message again, with private parts masked by the provider."""

    type = "message.redacted"


class Postback(Event):
    """A person pressed a button; `payload` says which."""

    type = "postback.received"


class MessageQueued(Receipt):
    """The channel took the message."""

    type = "message.queued"


class MessageSwitchingChannel(Receipt):
    """One channel failed, the next is tried."""

    type = "message.switching_channel"


class MessageDelivered(Receipt):
    """It reached the channel or the device."""

    type = "message.delivered"


class MessageRead(Receipt):
    """The person saw it."""

    type = "message.read"


class MessageFailed(Receipt):
    """It was not delivered; `error` says why."""

    type = "message.failed"


class BatchReported(Event):
    """Counts for a batch of messages."""

    type = "batch.reported"


class ConversationStarted(Event):
    """A conversation began."""

    type = "conversation.started"


class ConversationStopped(Event):
    """A conversation ended."""

    type = "conversation.stopped"


class ConversationDeleted(Event):
    """A conversation was deleted."""

    type = "conversation.deleted"


class ConversationReferral(Event):
    """A person came by a link or an ad; see `raw`."""

    type = "conversation.referral"


class ConversationRead(Event):
    """A person read the conversation."""

    type = "conversation.read"


class ConversationJoined(Event):
    """A person joined a group."""

    type = "conversation.joined"


class ConversationLeft(Event):
    """A person left a group."""

    type = "conversation.left"


class TypingStarted(Event):
    """A person is typing."""

    type = "typing.started"


class TypingStopped(Event):
    """A person stopped typing."""

    type = "typing.stopped"


class ReactionReceived(Event):
    """A person reacted to a message; `text` is the emoji."""

    type = "reaction.received"


class CommentReceived(Event):
    """A person commented on a post; `text` is the comment."""

    type = "comment.received"


class EventReceived(Event):
    """Another contact event; see `raw`."""

    type = "event.received"


class EventDelivered(Receipt):
    """An event that we sent arrived."""

    type = "event.delivered"


class EventFailed(Receipt):
    """An event that we sent did not arrive."""

    type = "event.failed"


class LinkMatched(LinkOutcome):
    """The person was found; the confirmation is awaited."""

    type = "link.matched"


class LinkSucceeded(LinkOutcome):
    """The channel is linked."""

    type = "link.succeeded"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFailed(LinkOutcome):
    """The channel was not linked; `error` says why."""

    type = "link.failed"
    cancelled: bool = False


class LinkExpired(LinkOutcome):
    """No outcome came in time. Made here, by no provider."""

    type = "link.expired"


class IdentityAdded(IdentityChange):
    """A client was added to a user."""

    type = "identity.added"


class IdentityUpdated(IdentityChange):
    """A client of a user changed."""

    type = "identity.updated"


class IdentityRemoved(IdentityChange):
    """A client of a user went; it is listed as inactive."""

    type = "identity.removed"


class UserCreated(Event):
    """The provider made a user."""

    type = "user.created"


class UserUpdated(Event):
    """A user's profile changed."""

    type = "user.updated"


class UserDeleted(Event):
    """A user was deleted at the provider."""

    type = "user.deleted"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class UserMerged(Event):
    """Users became one: `user` survives, `discarded` are the ids that now mean it."""

    type = "user.merged"
    discarded: tuple[str, ...] = ()


class UserDuplicated(Event):
    """The provider found one identity under several contacts."""

    type = "user.duplicated"


class ConsentOptedIn(Consent):
    """A person agreed."""

    type = "consent.opted_in"


class ConsentOptedOut(Consent):
    """A person refused."""

    type = "consent.opted_out"


class ConsentFailed(Consent):
    """Opting in or out did not work."""

    type = "consent.failed"


class CapabilityReported(Event):
    """What an identity can receive."""

    type = "capability.reported"


class ChannelNotice(Event):
    """News of a channel itself (quality rating ...)."""

    type = "channel.notice"


class AnalysisReported(Event):
    """Sentiment, intent and the like, of a message."""

    type = "analysis.reported"


class RecordReported(Event):
    """A record was stored at the provider."""

    type = "record.reported"


class PaymentSucceeded(Event):
    """A person paid."""

    type = "payment.succeeded"


class NotificationDelivered(Receipt):
    """A notification arrived."""

    type = "notification.delivered"


class NotificationFailed(Receipt):
    """A notification did not arrive."""

    type = "notification.failed"


class ControlOffered(Event):
    """The switchboard offers a conversation."""

    type = "control.offered"


class ControlAccepted(Event):
    """An integration took a conversation."""

    type = "control.accepted"


class ControlPassed(Event):
    """A conversation was passed on."""

    type = "control.passed"


class ControlReleased(Event):
    """A conversation was released."""

    type = "control.released"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFailed(Event):
    """A switchboard step failed."""

    type = "control.failed"
    error: Fault | None = None


class PassthroughReceived(Event):
    """Something a channel sent that the provider does not model."""

    type = "passthrough.received"


class Unknown(Event):
    """An event that is not modelled: kept and dispatched, never an error."""

    type = "unknown"


EVENTS: dict[str, type[Event]] = {
    cls.type: cls
    for cls in list(globals().values())
    if isinstance(cls, type) and issubclass(cls, Event) and cls.type
}
