"""
A stand-in for Smooch: v1, v1.1 and v2 in one app.

    state = SmoochState(adopt=True)
    async with serving(smooch_app(state)) as url:      # base_url of a smooch account
        ...
    assert [seen.path for seen in state.requests] == [...]
"""

from typing import Any

from starlette.types import ASGIApp

from receiver.standins import smooch_v1, smooch_v2
from receiver.standins.core import Refusal, application
from receiver.standins.smooch_state import Client, Person, SmoochState

__all__ = ["SmoochState", "cancel", "confirm", "smooch_app"]


def smooch_app(state: SmoochState) -> ASGIApp:
    """The app; what it does and remembers is in `state`."""
    return application(state, [*smooch_v1.routes(state), *smooch_v2.routes(state)], _refuse)


def _refuse(error: Refusal, path: str) -> dict[str, Any]:
    if path.startswith("/v2/"):
        return {"errors": [{"code": error.code, "title": error.words}]}
    return {"error": {"code": error.code, "description": error.words}}


def confirm(state: SmoochState, client_id: str) -> None:
    """The person agrees to a link that waits for them. Raises KeyError for an unknown client."""
    person, client = _pending(state, client_id)
    (smooch_v2 if client.version == "v2" else smooch_v1).confirm(state, person, client)


def cancel(state: SmoochState, client_id: str) -> None:
    """The person does not agree. Raises KeyError for an unknown client."""
    person, client = _pending(state, client_id)
    (smooch_v2 if client.version == "v2" else smooch_v1).fail(state, person, client)


def _pending(state: SmoochState, client_id: str) -> tuple[Person, Client]:
    for person in state.users.values():
        for client in person.clients:
            if client.id == client_id and client.status == "pending":
                return person, client
    raise KeyError(client_id)
