"""A handler's time is over when it is over, even where nothing could stop it."""

import asyncio
import time
from typing import Any

import pytest

from handlers import Context, MessageReceived, Router
from receiver.calling import call
from tests.conftest import NOW


@pytest.mark.parametrize(
    ("seconds", "limit", "error"),
    [
        (1.2, 0.5, "blocks took longer than 0.5 s"),
        (0.2, 0.0, None),  # it was begun when the time of its event was nearly over
        (1.2, 30.0, None),
    ],
)
def test_a_handler_that_never_waits_has_failed_if_it_returns_too_late(
    seconds: float, limit: float, error: str | None
) -> None:
    router = Router()

    @router.on_message
    async def blocks(_: Context[MessageReceived]) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - the handler that one should not write

    event = MessageReceived(id="m1")
    context: Context[Any] = Context(event=event, account="chat", provider="smooch", now=NOW)
    found = asyncio.run(call(router.handlers[0], context, limit))
    assert isinstance(found, TimeoutError) == (error is not None)
    assert error is None or str(found).endswith(error)
