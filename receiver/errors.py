"""
Our exceptions, each with the decision it carries:

* Refused          an inbound request whose credentials are not good: 401 and quarantine
* Unparsed         a genuine body that is not what the provider documents: stored, 200
* SendError        an outbound call that failed; has .retryable and .uncertain
  x Throttled      retryable, not before .retry_after
  x Unavailable    retryable: no answer that could have had an effect, or a 5xx
  x Unauthorized   the credential was refused (401, 403): retryable, since a human mends it
  x Rejected       final: the provider understood and said no
  x OptedOut       final: the person wants no messages there; nothing was asked of the provider
  x Unsupported    final: this provider has no such action
  x Uncertain      it may have been carried out: the answer was lost, or cannot be read

Smooch gives up for ever on 400, 401, 403, 404 and 406 and retries the rest; Sinch retries 429 and
5xx only. So a fault of ours is always a 503. https://docs.smooch.io/rest/#retry-policy
"""

from datetime import timedelta


class Refused(Exception):
    """This request does not prove that the provider sent it. The message names no secret."""


class Unparsed(Exception):
    """The body is no JSON object that could be read; the message says why."""


class SendError(Exception):
    """An outbound call failed. The message names host and status, never a secret or a text."""

    kind = "error"
    retryable = False

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Throttled(SendError):
    """Too many requests; `retry_after` is None where the provider does not say."""

    kind = "throttled"
    retryable = True

    def __init__(
        self, message: str, *, retry_after: timedelta | None = None, status: int | None = 429
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


class Unavailable(SendError):
    """Nothing was done: no connection, or a 5xx."""

    kind = "unavailable"
    retryable = True


class Unauthorized(SendError):
    """The credential was refused."""

    kind = "unauthorized"
    retryable = True


class Rejected(SendError):
    """The provider understood and said no; `code` is its own."""

    kind = "rejected"


class OptedOut(Rejected):
    """Whom it is for has refused messages on that channel, so it was not sent."""

    kind = "opted_out"


class Unsupported(SendError):
    """This provider, or this version of its API, cannot do that."""

    kind = "unsupported"


class Uncertain(SendError):
    """The request went out and its outcome is not known."""

    kind = "uncertain"


def storable(words: str) -> str:
    """An error's words, cut short, as every database takes them: no NUL, no half a character."""
    return words[:500].replace("\0", "").encode("utf-8", "replace").decode()
