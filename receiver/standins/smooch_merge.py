"""Two users of the Smooch stand-in become one: when asked to, or while a link is on its way."""

from typing import Any

from receiver.standins.smooch_state import Client, Person, SmoochState


def merge(
    state: SmoochState, gone: Person, kept: Person, version: str, told: dict[str, Any] | None = None
) -> None:
    """Everything of the one is the other's; from now on its id is nobody's. Told by webhook.

    told: what v2 tells besides.
    """
    kept.clients += gone.clients
    for name, owner in state.conversations.items():
        if owner == gone.id:
            state.conversations[name] = kept.id
    del state.users[gone.id]
    if version == "v2":
        users = {"surviving": _named(kept, "id"), "discarded": _named(gone, "id")}
        state.fire_v2(
            "user:merge", {"mergedUsers": users, "reason": "channelLinking"} | (told or {})
        )
        return
    hook: dict[str, Any] = {"trigger": "merge:appUser", "surviving": _named(kept, "_id")}
    hook["discarded"] = [_named(gone, "_id")]  # an array before v2
    state.hooks.fire(hook | ({"version": version} if version != "v1" else {}))


def in_the_middle(state: SmoochState, person: Person, client: Client) -> tuple[Person, Client]:
    """Whose link it is now: `state.merging` may have named somebody else for this person.

    Where they were reached at that address before, that client stays, and this one goes.
    """
    survivor = state.merging.pop(person.id, None)
    if survivor is None:
        return person, client
    kept = state.users.get(survivor) or state.add_user(survivor)
    there = [
        c for c in kept.clients if (c.platform, c.address) == (client.platform, client.address)
    ]
    told = {}
    if there:
        person.clients.remove(client)
        one = {"id": there[0].id, "type": client.platform, "status": there[0].status}
        other = {"id": client.id, "type": client.platform, "status": client.status}
        told["mergedClients"] = {"surviving": one, "discarded": other}
        there[0].criteria = client.criteria
        there[0].version = client.version
    merge(state, person, kept, client.version, told)
    return kept, there[0] if there else client


def _named(person: Person, key: str) -> dict[str, Any]:
    name = "externalId" if key == "id" else "userId"
    return {key: person.id} | ({name: person.external_id} if person.external_id else {})
