"""
`hookline create-user`, `link` and `send`: the providers' guides from the shell.

They go straight to the provider: the outcome of a link comes by webhook. Of a database, where there
is one, they ask only whether the person has refused to be written to.
"""

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli.app import (
    Failure,
    WrongUse,
    app,
    find_account,
    find_provider,
    load_settings,
    pairs,
    pick,
    printable,
    say_json,
)
from receiver.cli.consent import heed

if TYPE_CHECKING:
    from handlers.actions import Action
    from handlers.links import Confirmation, Target
    from receiver.provider import Recipient, Sent

JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON object.")]
AccountName = Annotated[str, typer.Argument(help="The account to send from.")]


@app.command("create-user")
def create_user(
    account: AccountName,
    external_id: Annotated[str | None, typer.Option(help="Your own id; Smooch needs one.")] = None,
    given_name: Annotated[str | None, typer.Option()] = None,
    surname: Annotated[str | None, typer.Option()] = None,
    email: Annotated[str | None, typer.Option()] = None,
    identity: Annotated[
        list[str],
        typer.Option(metavar="CHANNEL:ADDRESS", help="sms:+15145550123; Sinch needs one."),
    ] = [],  # noqa: B006
    language: Annotated[str | None, typer.Option(help="Sinch, such as EN_US.")] = None,
    property_: Annotated[
        list[str], typer.Option("--property", metavar="KEY=VALUE", help="May be repeated.")
    ] = [],  # noqa: B006
    as_json: JsonFlag = False,
) -> None:
    """Make a user at the provider before they write."""
    from handlers.actions import CreateUser
    from receiver.provider import Recipient

    action = CreateUser(
        external_id=external_id,
        given_name=given_name,
        surname=surname,
        email=email,
        identities=tuple(_address(text) for text in identity),
        language=language,
        properties=dict(pairs(property_)),
    )
    _tell(_send(account, action, Recipient()), account, as_json)


@app.command()
def link(
    account: AccountName,
    user: Annotated[str, typer.Argument(help="Whom: Smooch user id or userId, Sinch contact id.")],
    platform: Annotated[
        str,
        typer.Argument(help="twilio, messagebird, whatsapp, messenger, mailgun; Sinch: a channel."),
    ],
    address: Annotated[str, typer.Argument(help="+15145550123, or an e-mail address.")],
    confirmation: Annotated[
        str, typer.Option(help="immediate, userActivity or prompt.")
    ] = "immediate",
    message: Annotated[str | None, typer.Option(help="The confirmation's message.")] = None,
    subject: Annotated[str | None, typer.Option(help="The e-mail's subject (mailgun).")] = None,
    given_name: Annotated[str | None, typer.Option(help="Helps messenger.")] = None,
    surname: Annotated[str | None, typer.Option(help="Helps messenger.")] = None,
    primary: Annotated[
        bool | None, typer.Option("--primary/--no-primary", help="Make it the preferred channel.")
    ] = None,
    integration_id: Annotated[str | None, typer.Option(help="Sunshine v2 needs one.")] = None,
    conversation_id: Annotated[str | None, typer.Option(help="Sunshine v2.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Link a channel to a user; for Sinch, add an identity to a contact.

    Smooch answers "pending" at most: whether it worked comes by webhook.
    """
    from handlers.people import User
    from receiver.provider import Recipient

    extra = {
        "subject": subject,
        "given_name": given_name,
        "surname": surname,
        "primary": primary,
        "integration_id": integration_id,
    }
    given = {name: value for name, value in extra.items() if value is not None}
    action: Action
    if find_account(load_settings(), account).provider == "sinch":
        action = _identity(platform, address, {**given, "message": message})
    else:
        confirm = (confirmation, message)
        action = _link(platform, address, given, confirm, conversation_id)
    heed(load_settings(), account, action, user)
    _tell(_send(account, action, Recipient(user=User(user))), account, as_json)


@app.command()
def send(
    account: AccountName,
    text: Annotated[str | None, typer.Argument(help="What to say; Avaamo says its own.")] = None,
    user: Annotated[str | None, typer.Option(help="Whom, by the provider's user id.")] = None,
    to: Annotated[
        str | None, typer.Option(metavar="CHANNEL:ADDRESS", help="Whom, by sms:+15145550123.")
    ] = None,
    via: Annotated[str | None, typer.Option(help="The channel, for --user.")] = None,
    conversation_id: Annotated[str | None, typer.Option(help="Where there are several.")] = None,
    option: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=VALUE",
            help="What the provider calls it (SMS_SENDER=15550001111); KEY:=JSON for no text.",
        ),
    ] = [],  # noqa: B006
    as_json: JsonFlag = False,
) -> None:
    """Send a message, or have an Avaamo agent greet somebody."""
    from handlers.actions import Send, StartAvaamo
    from handlers.content import Text
    from handlers.people import User
    from receiver.provider import Recipient

    options = _options(option)
    channel, address = _address(to) if to else (via, None)
    action: Action
    if find_account(load_settings(), account).provider == "avaamo":
        if text is not None:
            raise WrongUse("an Avaamo agent says its own greeting: leave the TEXT out")
        action = StartAvaamo(account=account, to_phone=address, params=options)
    elif text is None:
        raise WrongUse("say a TEXT")
    elif (user is None) == (to is None):
        raise WrongUse("say whom: --user ID or --to CHANNEL:ADDRESS")
    else:
        action = Send(
            content=Text(text),
            via=channel,
            to=address,
            conversation_id=conversation_id,
            options=options,
        )
    heed(load_settings(), account, action, user)
    _tell(_send(account, action, Recipient(user=User(user) if user else None)), account, as_json)


def _address(text: str) -> tuple[str, str]:
    """("sms", "+15145550123") of "sms:+15145550123"."""
    from handlers.people import normalise

    channel, sign, address = text.partition(":")
    if not sign or not channel or not address:
        raise WrongUse(f"{text!r} should be CHANNEL:ADDRESS, such as sms:+15145550123")
    return channel, normalise(channel, address)


def _options(given: list[str]) -> dict[str, Any]:
    """KEY=VALUE is a text, KEY:=JSON anything else."""
    found: dict[str, Any] = {}
    for key, value in pairs(given).items():
        try:
            found[key.removesuffix(":")] = json.loads(value) if key.endswith(":") else value
        except ValueError:
            raise WrongUse(f"the value of {key.removesuffix(':')} is no JSON") from None
    return found


def _identity(channel: str, address: str, given: dict[str, Any]) -> "Action":
    """What linking is at Sinch: known at once, without a confirmation. Raises WrongUse."""
    from handlers.actions import AddIdentity

    for name in (name for name, value in given.items() if value is not None):
        raise WrongUse(f"for a Sinch account there is no --{name.replace('_', '-')}")
    return AddIdentity(channel=channel, identity=address)


def _link(
    platform: str,
    address: str,
    extra: dict[str, Any],
    confirmation: tuple[str, str | None],
    conversation_id: str | None,
) -> "Action":
    """Raises WrongUse for what the platform has not or the pairing does not allow."""
    from handlers.actions import Link

    try:
        target = _target(platform, address, extra)
        confirm = _confirmation(*confirmation)
        return Link(target=target, confirmation=confirm, conversation_id=conversation_id)
    except ValueError as error:
        raise WrongUse(str(error)) from None


def _target(platform: str, address: str, extra: dict[str, Any]) -> "Target":
    """Raises ValueError for an address, and WrongUse for an option, that the platform has not."""
    from handlers import links

    kinds = (links.Twilio, links.MessageBird, links.WhatsApp, links.Messenger, links.Mailgun)
    platforms: dict[str, Any] = {
        str(kind.__dataclass_fields__["platform"].default): kind for kind in kinds
    }
    kind = platforms[pick(platform, platforms, "platform")]
    for name in extra:
        if name not in kind.__dataclass_fields__:
            raise WrongUse(f"{platform} takes no --{name.replace('_', '-')}")
    target: Target = kind(address, **extra)
    return target


def _confirmation(name: str, message: str | None) -> "Confirmation":
    from handlers.links import Immediate, Prompt, UserActivity

    if pick(name, ("immediate", "userActivity", "prompt"), "confirmation") == "userActivity":
        return UserActivity(message or "")
    return Prompt(message) if name == "prompt" else Immediate(message)


def _send(account: str, action: "Action", recipient: "Recipient") -> "Sent":
    """Carry it out. Raises Failure for an account that cannot, and SendError."""
    options = find_account(load_settings(), account)
    if lacks := options.lacks():
        where = ", ".join(f"accounts.{account}.{name}" for name in lacks)
        raise Failure(f"nothing can be sent without {where}")
    return asyncio.run(_carry_out(account, options, action, recipient))


async def _carry_out(account: str, options: Any, action: "Action", whom: "Recipient") -> "Sent":
    from receiver.send import Sender

    provider = find_provider(options.provider)
    async with Sender(lambda: datetime.now(UTC)) as sender:
        return await sender.send(account, provider, options, action, whom)


def _tell(sent: "Sent", account: str, as_json: bool) -> None:
    """What the provider answered."""
    if as_json:
        say_json({"account": account, **asdict(sent)})
        return
    lines = ["done" if sent.linked or not sent.identities else "asked for; the outcome comes later"]
    if sent.message_id:
        lines.append(f"message {sent.message_id}")
    if sent.user:
        lines.append(f"user {sent.user.id}")
    lines += [f"{i.channel} {i.identity or i.client_id or ''} {i.status}" for i in sent.identities]
    typer.echo(printable("\n".join(lines)))
