"""The handler that replies once to each message, and notes in a file that it was started."""

import os

from handlers import Context, MessageReceived, Router
from receiver.bench.bodies import number_of

router = Router()
# Many processes append; a line this short is never mixed with another.
_NOTES = os.open(os.environ["SOAK_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@router.on_message
async def reply(ctx: Context[MessageReceived]) -> None:
    """The reply names the webhook that it is for."""
    number = number_of(ctx.event.message_id or "")
    os.write(_NOTES, b"%d\n" % number)
    ctx.reply(f"re {number}")
