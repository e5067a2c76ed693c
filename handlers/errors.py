"""
What a handler may raise, and what it is told when it is written wrongly:

* HandlerError
  x Retry          not now: run me again, at the earliest .after from now
  x Drop           never: this event is done with, for the reason given
    x Elsewhere    the same, for an answer in a conversation that another integration has
  x OwnMessage     an answer to the business's own message, which would be answered in turn
  x WrongHandler   a function that cannot be a handler; raised when it is registered

Any other exception is a failure: the handler is tried again, with back-off, and then given up on.
"""

from handlers.checks import Delay, delay


class HandlerError(Exception):
    """The root of what handlers raise on purpose."""


class Retry(HandlerError):
    """Run this handler again later; what it planned this time is forgotten.

    after: a timedelta or seconds, the earliest; None leaves it to the usual back-off.
    Raises ValueError if `after` is negative.
    """

    def __init__(self, after: Delay | None = None, reason: str = "") -> None:
        super().__init__(reason or "to be tried again")
        self.after = delay(after, "after")
        self.reason = reason


class Drop(HandlerError):
    """Let this event go: no reply, no further try. The reason is kept with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Elsewhere(Drop):
    """A handler spoke, without `answer_elsewhere=True`, where another integration has the word.

    It is a Drop: that somebody else answers is no failure.
    """


class OwnMessage(HandlerError, RuntimeError):
    """A handler of MessageSent, or of a receipt, spoke without `answer_own=True`: its words come
    back as an event."""


class WrongHandler(HandlerError, TypeError):
    """The message names the function and says what a handler looks like."""
