"""The handler that does nothing but leave its trace (in the file that BENCH_TRACE names)."""

import os
from pathlib import Path

from handlers import Context, MessageReceived, Router
from receiver.bench.bodies import number_of
from receiver.bench.trace import Trace

router = Router()
trace = Trace(Path(os.environ["BENCH_TRACE"]))


@router.on(MessageReceived)
async def noop(ctx: Context[MessageReceived]) -> None:
    """Note that it was started."""
    trace.note(number_of(ctx.event.message_id or ""))
