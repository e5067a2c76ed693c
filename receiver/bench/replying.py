"""The handler that sends one reply."""

from handlers import Context, MessageReceived, Router
from receiver.bench.bodies import number_of
from receiver.bench.noop import trace

router = Router()


@router.on(MessageReceived)
async def reply(ctx: Context[MessageReceived]) -> None:
    """Note that it was started, and reply."""
    trace.note(number_of(ctx.event.message_id or ""))
    ctx.reply("We are looking into it.")
