"""The one place that runs handlers. They are foreign code: nothing they do ends the process."""

import asyncio
import inspect
from typing import Any

from handlers.context import Context
from handlers.router import Handler
from receiver.aside import aside


async def call(handler: Handler, context: Context[Any], seconds: float) -> Exception | None:
    """What the handler raised; None if it returned.

    A TimeoutError if it took longer. A plain function, which runs in a thread, cannot be stopped:
    it goes on, but what it asks for is not heard.
    """
    try:
        async with asyncio.timeout(seconds) as timeout:
            if handler.is_async:
                await handler.function(context)
            elif inspect.isawaitable(found := await aside(handler.function, context)):
                await found
    except BaseException as error:
        if timeout.expired():
            return TimeoutError(f"{handler.name} took longer than {seconds:g} s")
        if isinstance(error, Exception):
            return error
        if isinstance(error, GeneratorExit) or _is_cancelled():
            raise  # it is we who are stopped
        return RuntimeError(f"{handler.name} raised {type(error).__name__}: {error}")
    return None


def _is_cancelled() -> bool:
    """Whether somebody cancelled this very task: a handler may raise CancelledError by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
