"""`hookline verify`: is this request genuine, and if not, why not."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli.app import (
    WrongUse,
    app,
    find_account,
    find_provider,
    inbound,
    load_settings,
    pairs,
    printable,
    read,
    say_json,
)

if TYPE_CHECKING:
    from receiver.provider import Inbound, Step

AGES = ("max_age", "max_skew")  # the options that judge the age of a signature
ANY_AGE = timedelta(days=36_500)

MARKS = {True: "ok ", False: "NO ", None: "   "}


@app.command()
def verify(
    file: Annotated[str, typer.Argument(help="The body, byte for byte; - is stdin.")],
    account: Annotated[str, typer.Option("--account", help="Whose secrets are used.")],
    header: Annotated[
        list[str], typer.Option("--header", "-H", metavar="'K: V'", help="May be repeated.")
    ] = [],  # noqa: B006
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="When it arrived (ISO 8601 or unix seconds). Without it the age of the signature"
            " is told, but not judged.",
        ),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option("--path", help="Where it was sent to, for an account with a path_token."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check a saved request step by step. Exit 0: genuine; 1: not."""
    options = find_account(load_settings(), account)
    codec = inbound(find_provider(options.provider))
    headers = [(name.lower().encode(), value) for name, value in _headers(header)]
    headers += _path_token(path or "")
    now = _time(at) if at else datetime.now(UTC)
    judged = options if at else _of_any_age(options)
    steps, reason = _judge(codec, headers, read(file), judged, now)
    if as_json:
        _say(file, account, steps, reason)
    else:
        _show(steps, reason)
    raise typer.Exit(0 if reason is None else 1)


def _headers(given: list[str]) -> list[tuple[str, bytes]]:
    """Doubled headers stay doubled: that alone can be why a request is refused."""
    found = []
    for text in given:
        for name, value in pairs([text], ":").items():
            found.append((name, value.strip().encode("utf-8", "surrogateescape")))
    return found


def _path_token(path: str) -> list[tuple[bytes, bytes]]:
    """What stands after the account's name, as the endpoint hands it on."""
    from receiver.provider import PATH_TOKEN

    _, _, rest = path.rstrip("/").partition("/webhooks/")
    token = rest.partition("/")[2]
    return [(PATH_TOKEN, token.encode())] if token else []


def _time(text: str) -> datetime:
    from receiver.fields import moment

    found = moment({"at": text}, "at")
    if found is None:
        raise WrongUse(f"{text!r} is no time: use 2026-05-01T12:00:00Z or unix seconds")
    return found


def _of_any_age(options: Any) -> Any:
    """The same options, content with a signature of any age: a saved file is always old."""
    fields = type(options).model_fields
    return options.model_copy(update={name: ANY_AGE for name in AGES if name in fields})


def _judge(
    codec: "Inbound", headers: Any, body: bytes, options: Any, now: datetime
) -> tuple[list["Step"], str | None]:
    """The steps, and why it is refused; None if it is genuine."""
    from receiver.errors import Refused
    from receiver.options import reveal
    from receiver.provider import Step

    every = [reveal(secret).encode() for secret in options.webhook_secrets]
    good = every[:1] if options.only_first(now) else every
    steps = codec.explain(headers, body, good, now, options)
    try:
        codec.verify(headers, body, good, now, options)
    except Refused as refused:
        with suppress(Refused):
            codec.verify(headers, body, every, now, options)
            steps.append(Step("old secret", False, _ended(options)))
        return steps, str(refused)
    return steps, None


def _ended(options: Any) -> str:
    until = options.old_secrets_until.isoformat()
    return f"proved by an old secret, which was good until {until} (old_secrets_until)"


def _say(file: str, account: str, steps: list["Step"], reason: str | None) -> None:
    say_json(
        {
            "file": file,
            "account": account,
            "genuine": reason is None,
            "reason": reason,
            "steps": [{"name": s.name, "ok": s.ok, "detail": s.detail} for s in steps],
        }
    )


def _show(steps: list["Step"], reason: str | None) -> None:
    for step in steps:
        typer.echo(printable(f"{MARKS[step.ok]} {step.name}: {step.detail}"))
    typer.echo("genuine" if reason is None else printable(f"not genuine: {reason}"))
