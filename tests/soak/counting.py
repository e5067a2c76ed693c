"""The handler that counts each person's messages, so that one handled twice would show."""

from pydantic import BaseModel

from handlers import Context, MessageReceived, Router

router = Router()


class Heard(BaseModel):
    """How many messages of this person have been handled."""

    count: int = 0


@router.on_message
async def count(ctx: Context[MessageReceived]) -> None:
    """One more."""
    ctx.state(Heard).count += 1
