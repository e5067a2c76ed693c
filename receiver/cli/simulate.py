"""`hookline simulate`: send a signed sample webhook, as the provider would."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli.app import (
    Failure,
    WrongUse,
    app,
    complain,
    find_account,
    find_provider,
    inbound,
    load_settings,
    pick,
    printable,
    read,
    say_json,
)

if TYPE_CHECKING:
    from receiver.settings import Settings

_SECRET = frozenset({"x-api-key", "authorization"})
TIMEOUT = 30.0  # seconds; the providers wait 20
SAME = datetime(2026, 1, 1, tzinfo=UTC)  # the time in a sample that is to be the same each time


@app.command()
def simulate(
    account: Annotated[str, typer.Argument(help="The account that receives it.")],
    trigger: Annotated[
        str | None, typer.Argument(help="The provider's word, such as message:appUser.")
    ] = None,
    changes: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change the body: messages.0.text=Hi sets a text, PATH:=JSON any value.",
        ),
    ] = [],  # noqa: B006
    file: Annotated[
        str | None, typer.Option("--file", help="Send this body in place of a sample; - is stdin.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="Where to; else our own listener.")
    ] = None,
    same: Annotated[bool, typer.Option("--same", help="The same event each time.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "--print", help="Print the request, send nothing.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the triggers there are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Send a sample webhook with a genuine signature.

    Ids and times are new each time, so that every call is a new event; --same sends a duplicate.
    """
    settings = load_settings()
    options = find_account(settings, account)
    if list_:
        _list(options, as_json)
        return
    seed = "same" if same else _fresh()
    body = read(file) if file else _sample(options, trigger, seed, SAME if same else _now())
    body = _changed(body, changes) if changes else body
    headers = _headers(options, body, seed)
    url = to or _own_url(settings, account) + options.webhook_path
    shown = _without_token(url, options)
    if dry_run:
        _print(shown, headers, body, as_json)
        return
    status = _post(url, headers, body)
    told = {"account": account, "trigger": trigger, "url": shown, "status": status}
    say_json(told) if as_json else typer.echo(printable(f"{shown} answered {status}"))
    raise typer.Exit(0 if 200 <= status < 300 else 1)


def _list(options: Any, as_json: bool) -> None:
    from receiver.samples import triggers

    for name in triggers(options.provider, getattr(options, "api_version", None)):
        if as_json:
            say_json({"provider": options.provider, "trigger": name})
        else:
            typer.echo(name)


def _now() -> datetime:
    return datetime.now(UTC)


def _fresh() -> str:
    from uuid import uuid4

    return uuid4().hex


def _sample(options: Any, trigger: str | None, seed: str, now: datetime) -> bytes:
    from receiver.samples import make, triggers

    version = getattr(options, "api_version", None)
    if trigger is None:
        raise WrongUse("name a TRIGGER (--list shows them) or a --file")
    pick(trigger, triggers(options.provider, version), "sample")
    body = make(options.provider, trigger, seed=seed, now=now, version=version)
    return json.dumps(body, ensure_ascii=False).encode()


def _changed(body: bytes, changes: Iterable[str]) -> bytes:
    """The body with other values. Raises WrongUse, and Failure for a body that is no JSON."""
    try:
        value = json.loads(body)
    except ValueError:
        raise Failure("the body is no JSON, so nothing in it can be set") from None
    for change in changes:
        path, sign, text = change.partition("=")
        if not sign or not path.strip(":"):
            raise WrongUse(f"{change!r} should be PATH=VALUE or PATH:=JSON")
        _put(value, path.removesuffix(":"), _json(text) if path.endswith(":") else text)
    return json.dumps(value, ensure_ascii=False).encode()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise WrongUse(f"{text!r} is no JSON; use = for a text") from None


def _put(value: Any, path: str, new: Any) -> None:
    """Set what stands at "a.0.b"; a missing object is made, a missing element is not."""
    *steps, last = path.replace("[", ".").replace("]", "").split(".")
    try:
        for step in steps:
            value = value[int(step)] if isinstance(value, list) else value.setdefault(step, {})
        value[int(last) if isinstance(value, list) else last] = new
    except (ValueError, IndexError, AttributeError, TypeError):
        raise WrongUse(f"there is no {path} in the body") from None


def _headers(options: Any, body: bytes, seed: str) -> dict[str, str]:
    """What the provider would send: the signature is of now, whatever the times in the body."""
    from receiver.options import reveal

    sign = inbound(find_provider(options.provider)).sign
    if not options.webhook_secrets:
        if options.unguarded():
            complain("the account has no webhook_secrets, so the request is not signed")
        return {"Content-Type": "application/json", **options.webhook_headers}
    secret = reveal(options.webhook_secrets[0]).encode()
    signature = sign(body, secret, _now(), seed)
    return {"Content-Type": "application/json", **signature}


def _own_url(settings: "Settings", account: str) -> str:
    if settings.uds:
        raise WrongUse("the listener is a Unix socket: say --to URL")
    wildcard = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    host = wildcard.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}/webhooks/{account}"


def _without_token(url: str, options: Any) -> str:
    from receiver.redact import HIDDEN

    token = options.webhook_path
    return f"{url.removesuffix(token)}/{HIDDEN}" if token and url.endswith(token) else url


def _print(url: str, headers: dict[str, str], body: bytes, as_json: bool) -> None:
    """The request; a header that is the secret itself is not shown."""
    from receiver.redact import HIDDEN

    shown = {k: HIDDEN if k.lower() in _SECRET else v for k, v in headers.items()}
    text = body.decode("utf-8", "replace")
    if as_json:
        say_json({"method": "POST", "url": url, "headers": shown, "body": text})
        return
    typer.echo(f"POST {url}")
    for name, value in shown.items():
        typer.echo(f"{name}: {value}")
    typer.echo(f"\n{printable(text)}")


def _post(url: str, headers: dict[str, str], body: bytes) -> int:
    import httpx

    try:
        with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
            return client.post(url, headers=headers, content=body).status_code
    except httpx.ConnectError:
        raise Failure(f"nobody listens at {url}: start `hookline serve`, or say --to") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Failure(f"{url} cannot be reached: {type(error).__name__}") from None
