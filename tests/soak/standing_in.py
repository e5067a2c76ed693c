"""Both providers' stand-ins, for tens of thousands of replies."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from receiver.bench import bodies
from receiver.standins.hooks import Hooks
from receiver.standins.server import serving_in_thread
from receiver.standins.sinch import SinchState, sinch_app
from receiver.standins.smooch import SmoochState, smooch_app
from tests.receiver.worker import sinch_account, smooch_account


class _Silent(Hooks):
    """Tells nobody what became of a message, which would take longer than all the rest."""

    def fire(self, *bodies: dict[str, Any]) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Providers:
    """accounts: the settings of those that the bench's webhooks come from."""

    smooch: SmoochState
    sinch: SinchState
    accounts: dict[str, dict[str, Any]]

    def count(self) -> int:
        """Replies so far. What is not needed any more is forgotten meanwhile."""
        for state in (self.smooch, self.sinch):
            state.requests.clear()
        return len(self.smooch.messages) + len(self.sinch.messages)

    def replies(self) -> list[int]:
        """The number of the webhook that each reply is for, of each provider as they came."""
        texts = [message["text"] for message in self.smooch.messages]
        texts += [message["message"]["text_message"]["text"] for message in self.sinch.messages]
        return [int(text.removeprefix("re ")) for text in texts]


def _late(app: ASGIApp, seconds: float) -> ASGIApp:
    """Everything is done at once, and answered so much later."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(seconds)
            await send(message)

        await app(scope, receive, answer)

    return run


@contextmanager
def providers(delay: float) -> Iterator[Providers]:
    """Both, on the loopback. delay: seconds between what is done and its answer."""
    secrets = {name: secret.decode() for name, secret in bodies.SECRETS.items()}
    smooch = SmoochState(adopt=True, secret=secrets["chat"])
    sinch = SinchState(adopt=True, secret=secrets["texts"])
    for state in (smooch, sinch):
        state.hooks = _Silent(lambda body, now: {}, state.clock)
    with (
        serving_in_thread(_late(smooch_app(smooch), delay)) as chat,
        serving_in_thread(_late(sinch_app(sinch), delay)) as texts,
    ):
        accounts = {
            "chat": smooch_account(smooch, chat),
            "texts": sinch_account(sinch, texts),
        }
        yield Providers(smooch, sinch, accounts)
