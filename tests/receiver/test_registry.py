"""The providers that an account may name."""

import pytest

from receiver.registry import PROVIDERS


def test_there_are_four_and_only_avaamo_sends_no_webhooks() -> None:
    assert sorted(PROVIDERS) == ["avaamo", "sinch", "sinch_sms", "smooch"]
    assert [name for name, provider in PROVIDERS.items() if provider.inbound is None] == ["avaamo"]


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_has_the_options_that_carry_its_name(name: str) -> None:
    provider = PROVIDERS[name]
    assert provider.name == name
    options = provider.options.model_validate({"provider": name})
    assert options.model_dump()["provider"] == name
