"""The words by which somebody would be known in a body: their ids and their addresses."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from handlers.people import PHONE_CHANNELS
from storage.dialects import Transaction

SHORT = 8  # characters; a shorter word counts only where it is all of a JSON text


@dataclass(frozen=True, slots=True)
class Traces:
    """words: in lower case, as they may stand in a body."""

    words: frozenset[bytes]

    def found_in(self, content: bytes) -> bool:
        """Whether it names them."""
        lowered = content.lower()
        return any(word in lowered for word in self.words)


def of(tx: Transaction, people: Sequence[bytes]) -> Traces:
    """What those with these keys are called, and where they are reached."""
    rows = tx.known("app_user", "id, external_id", "key", people)
    names = {name for row in rows for name in row if name}
    places = tx.known("identity", "channel, identity, client_id", "user_key", people)
    names |= {client for _, _, client in places if client}
    names |= {_address(channel, address) for channel, address, _ in places if address}
    # A user may be nothing but an address (Sinch DISPATCH, SMS): "sms:+15145550123".
    names |= {_address(*name.split(":", 1)) for name in names if ":" in name}
    return Traces(frozenset(_forms(names)))


def _address(channel: str, address: str) -> str:
    """As every provider writes it: some leave out the + of a phone number."""
    return address.removeprefix("+") if channel in PHONE_CHANNELS else address


def _forms(names: Iterable[str]) -> Iterable[bytes]:
    for name in filter(None, names):
        for form in (name, json.dumps(name)[1:-1]):
            word = form.lower().encode("utf-8", "surrogatepass")
            yield word if len(name) >= SHORT else b'"' + word + b'"'
