"""The one place that runs handlers. They are foreign code: nothing they do ends the process."""

import asyncio
import inspect
import time
from typing import Any

from handlers.context import Context
from handlers.log import Log
from handlers.router import Handler
from receiver.aside import aside

_MOMENT = 1.0  # seconds; so long may a handler compute that was begun when time was nearly over

# What each task is at: read by the watchdog, from its thread, about a task that goes nowhere.
_calls: dict[asyncio.Task[Any], tuple[Handler, Context[Any]]] = {}


async def call(handler: Handler, context: Context[Any], seconds: float) -> Exception | None:
    """What the handler raised; None if it returned.

    A TimeoutError if it took longer. A plain function, which runs in a thread, cannot be stopped:
    it goes on, but what it asks for is not heard. Nor can a coroutine that never awaits: it holds
    up its loop, and has failed all the same if it returns too late.
    """
    task = asyncio.current_task()
    assert task is not None
    latest = time.monotonic() + max(seconds, _MOMENT)
    _calls[task] = handler, context
    try:
        async with asyncio.timeout(seconds) as timeout:
            if handler.is_async:
                await handler.function(context)
            elif inspect.isawaitable(found := await aside(handler.function, context)):
                await found
    except BaseException as error:
        if timeout.expired():
            return _late(handler, seconds)
        if isinstance(error, Exception):
            return error
        if isinstance(error, GeneratorExit) or task.cancelling():
            raise  # it is we who are stopped; a handler may raise CancelledError by itself
        return RuntimeError(f"{handler.name} raised {type(error).__name__}: {error}")
    finally:
        del _calls[task]
    return _late(handler, seconds) if time.monotonic() > latest else None


def under_way(task: asyncio.Task[Any] | None) -> tuple[str, Log] | None:
    """The name of the handler that a task runs, and the log that it was given, which names the
    event; None if it runs none. From any thread."""
    found = None if task is None else _calls.get(task)
    return None if found is None else (found[0].name, found[1].log)


def _late(handler: Handler, seconds: float) -> TimeoutError:
    return TimeoutError(f"{handler.name} took longer than {seconds:g} s")
