"""What is read of a body before it is stored."""

from dataclasses import replace

import pytest

from receiver.receive import read
from storage.inbox import Delivery
from tests.conftest import NOW
from tests.fuzz import bodies
from tests.receiver.reception import SINCH, SMOOCH, known


@pytest.mark.parametrize(("account", "provider"), [(SMOOCH, "smooch"), (SINCH, "sinch")])
def test_all_is_read_but_the_providers_json_which_the_body_holds(
    account: str, provider: str
) -> None:
    receiving = known("secret")
    inbound = receiving[account].provider.inbound
    assert inbound is not None
    for body in bodies(provider):
        whole = inbound.parse(body)
        kept = read(receiving, Delivery(account, body, (), NOW)).events
        assert kept == tuple(replace(event, raw={}) for event in whole)
