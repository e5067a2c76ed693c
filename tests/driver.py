"""Drives an exchange: with answers at hand, or over a client."""

import json
from collections.abc import Sequence
from typing import Any

import httpx

from receiver.provider import Exchange, Sent


class Driven:
    """The requests that an exchange made, and what came of it."""

    def __init__(self, exchange: Exchange, answers: Sequence[httpx.Response]) -> None:
        self.requests: list[httpx.Request] = []
        self.sent: Sent | None = None
        waiting = list(answers)
        try:
            self.requests.append(next(exchange))
            while True:
                self.requests.append(exchange.send(waiting.pop(0)))
        except StopIteration as stop:
            self.sent = stop.value
        assert not waiting, "answers were left over"

    @property
    def lines(self) -> list[str]:
        """Each request as "METHOD url"."""
        return [f"{request.method} {request.url}" for request in self.requests]

    @property
    def bodies(self) -> list[Any]:
        """Each request's JSON; None where it has no body."""
        return [json.loads(r.content) if r.content else None for r in self.requests]


def drive(exchange: Exchange, *answers: httpx.Response) -> Driven:
    """Play the provider's answers to an exchange."""
    return Driven(exchange, answers)


async def perform(
    client: httpx.AsyncClient, exchange: Exchange, auth: httpx.Auth | None = None
) -> Sent:
    """Carry an exchange out over a client."""
    try:
        request = next(exchange)
        while True:
            request = exchange.send(await client.send(request, auth=auth))
    except StopIteration as stop:
        sent: Sent = stop.value
        return sent
