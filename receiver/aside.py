"""Plain functions beside the event loop."""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any


async def aside(function: Callable[..., Any], *args: Any) -> Any:
    """What `function` returns or raises, from a thread of its own.

    Unlike with asyncio.to_thread, one that never returns takes no thread from others and does not
    hold up the end of the process. Who stops waiting does not stop it.
    """
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def told(result: Any, error: BaseException | None) -> None:
        if not waiting.done():
            waiting.set_result((result, error))

    def run() -> None:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = context.run(function, *args), None
        except BaseException as error:
            outcome = None, error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(told, *outcome)

    name = getattr(function, "__name__", "function")
    threading.Thread(target=run, name=f"aside-{name}", daemon=True).start()
    result, error = await waiting
    if error is not None:
        raise error
    return result
