"""Says back what was said. Copy it, and begin."""

from handlers import Context, MessageReceived, Router

router = Router()

NAMES = {
    "image": "an image",
    "file": "a file",
    "audio": "a recording",
    "video": "a video",
    "media": "a file",
    "location": "a location",
    "formResponse": "a form",
    "product": "an order",
    "binary": "some data",
}


@router.on_message
async def echo(ctx: Context[MessageReceived]) -> None:
    """Answer words with the words, and anything else with what it was."""
    content, text = ctx.event.content, ctx.event.text
    name = NAMES.get(content.kind) if content else None
    if name is not None:
        ctx.reply(f"You sent {name}: {text}" if text else f"You sent {name}.")
    elif text:
        ctx.reply(f"You said: {text}")
    else:
        ctx.reply("You sent something that I cannot read.")
