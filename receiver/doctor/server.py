"""The running server, as it answers here and as the web sees it."""

from collections.abc import Iterator
from dataclasses import dataclass

from receiver import fields
from receiver.doctor.finding import Finding, bad, ok, warning
from receiver.errors import Unparsed

GREETING = "This address takes webhooks"  # how the text begins that a GET is answered with


@dataclass(frozen=True, slots=True)
class Answer:
    """status: None where there was none, and `text` is why. location: where a redirect leads."""

    status: int | None
    text: str = ""
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A public address, asked by HEAD, by GET, and by PUT with a body of `size` bytes.

    A PUT is refused before anything is looked at, so it shows who else refuses a long body.
    """

    url: str
    head: Answer
    get: Answer
    put: Answer
    size: int


def ready(url: str, answer: Answer) -> Finding:
    """What the admin listener's /readyz says."""
    if answer.status is None:
        return warning("server", f"nobody listens at {url}", "`hookline serve` is not running here")
    if answer.status == 200:
        return ok("server", f"{url} is ready")
    if answer.status == 401:
        return warning("server", f"{url} wants another token", "the server has other settings")
    if answer.status == 503:
        wrong = ", ".join(_wrong(answer.text)) or "it does not say why"
        return bad("server", f"{url} is not ready: {wrong}", "see its log")
    detail = f"{url} answers {answer.status}"
    return bad("server", detail, "something else listens there: see admin_host and admin_port")


def _wrong(text: str) -> Iterator[str]:
    try:
        checks = fields.obj(fields.load(text.encode()), "checks")
    except Unparsed:
        return
    yield from (f"{name}: {why}" for name, why in checks.items() if why)


def public(seen: Seen) -> Iterator[Finding]:
    """Whether what a provider sends to this address arrives."""
    problem = _problem(seen.url, seen.head) or _problem(seen.url, seen.get) or _stranger(seen)
    if problem is not None:
        yield problem
        return
    yield ok("public address", f"{seen.url} is ours")
    if seen.put.status == 413:
        detail = f"something before us takes no body of {seen.size} bytes"
        yield warning("proxy", detail, "raise its limit (nginx: client_max_body_size)")


def _problem(url: str, answer: Answer) -> Finding | None:
    status = answer.status
    if status is None:
        return bad("public address", f"{url}: {answer.text}", "see DNS, firewall, proxy and port")
    if 300 <= status < 400:
        todo = f"providers follow no redirect: register {answer.location or 'where it leads'}"
        return bad("public address", f"{url} redirects ({status})", todo)
    if status in (401, 403):
        todo = "let /webhooks/ through without a login: we check the requests ourselves"
        return bad("public address", f"{url} answers {status}", todo)
    if status == 404:
        todo = "the proxy must leave the path as it is, and the server know the account"
        return bad("public address", f"{url} answers 404", todo)
    if status != 200:
        return bad("public address", f"{url} answers {status}", "see the proxy's log and ours")
    return None


def _stranger(seen: Seen) -> Finding | None:
    if seen.get.text.startswith(GREETING):
        return None
    todo = "the proxy must pass /webhooks/ on to this server"
    return bad("public address", f"somebody else answers at {seen.url}", todo)
