"""Event loops: which kind, what runs beside a block, and one in a thread of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


def kind() -> type[asyncio.AbstractEventLoop] | None:
    """The fastest loop there is, for `asyncio.Runner`; None: asyncio's own."""
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.Loop


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it to its end in a new loop of the calling thread, which is not the main one.

    A task that raises SystemExit or KeyboardInterrupt stops its loop. Here it is a handler's own
    task, for no signal comes to this thread: who awaits it is told, and the loop goes on.
    """
    with asyncio.Runner(loop_factory=kind()) as runner:
        loop = runner.get_loop()
        task = loop.create_task(main)
        while not task.done():
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_until_complete(task)
        task.result()


@asynccontextmanager
async def beside(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let these run until the block ends.

    One that fails ends the block and comes out of it in a group; what the block itself raises
    comes out as it is.
    """
    raised: Exception | None = None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        try:
            yield
        except Exception as error:
            raised = error
        finally:
            for task in tasks:
                task.cancel()
    if raised is not None:
        raise raised


async def whole(step: Coroutine[Any, Any, T]) -> T:
    """Wait for a step even when cancelled: its connection must be back before the pool closes."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait([task])
