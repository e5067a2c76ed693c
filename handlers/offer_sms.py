"""
Goes on by SMS: whoever writes their number in the chat is texted there.

The outcome is not waited for. It comes as an event of its own, and the note says whose it is.
"""

from phonenumbers import PhoneNumberFormat, PhoneNumberMatcher, format_number

from handlers import (
    Context,
    Event,
    Immediate,
    LinkExpired,
    LinkFailed,
    LinkOutcome,
    LinkSucceeded,
    MessageReceived,
    Router,
    Twilio,
    when,
)

router = Router()

WHY = "offer_sms"
UNDER_WAY = {"pending", "matched"}


def number_in(event: Event) -> dict[str, str | None] | None:
    """The first number with a country code, however it is spelt, as {"phone": "+15145550123"}."""
    found = next(iter(PhoneNumberMatcher((event.text or "")[:1000], None)), None)
    return {"phone": format_number(found.number, PhoneNumberFormat.E164)} if found else None


def asked_here(event: Event) -> dict[str, str | None] | None:
    """The id of the link, if it was this module that asked for it."""
    link = event.link if isinstance(event, LinkOutcome) else None
    return {"link": str(link.id)} if link and link.note.get("why") == WHY else None


@router.on_message(when.check(number_in))
async def offer(ctx: Context[MessageReceived]) -> None:
    """Link the number, unless there is one already or one is under way."""
    if ctx.identity("sms"):
        ctx.reply("Thanks, we can reach you by SMS already.")
    elif any(link.channel == "sms" and link.status in UNDER_WAY for link in ctx.links):
        ctx.reply("Thanks, a text message is on its way.")
    else:
        move(ctx, str(ctx.match["phone"]))
        ctx.reply("Thanks! We are texting you now.")


def move(ctx: Context[MessageReceived], number: str) -> None:
    """Ask for SMS in the provider's way: Smooch links a channel, Sinch adds an identity."""
    note = {"why": WHY, "number": number}
    if ctx.provider == "sinch":
        ctx.add_identity("sms", number, note=note)
    else:
        ctx.link(Twilio(number), Immediate("Hello! You asked us to text you."), note=note)


@router.on_message(when.text(r"^\s*\+?\(?(?:\d[\s().-]*){7,15}$"))
async def ask_for_country_code(ctx: Context[MessageReceived]) -> None:
    """Say how to write a number that could be anywhere."""
    ctx.reply("Is that your number? Please add the country code: +1 514 555 0123.")


@router.on(LinkSucceeded, when.check(asked_here))
async def linked(ctx: Context[LinkSucceeded]) -> None:
    """Go on where the person is now."""
    ctx.send("From now on we can also reach you here.", via="sms")


@router.on(LinkFailed, when.check(asked_here))
@router.on(LinkExpired, when.check(asked_here))
async def not_linked(ctx: Context[LinkOutcome]) -> None:
    """Say so in the chat: once, though a link that expired may still fail."""
    ctx.send(
        "We could not reach your phone. Is the number right?",
        key=f"{WHY}:{ctx.match['link']}",
    )
