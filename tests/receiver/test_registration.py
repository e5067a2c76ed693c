"""What must change at a provider so that its webhooks come to us."""

from typing import Any

import pytest

from receiver import registration
from receiver.provider import Registered
from receiver.registration import Wanted

TARGET = "https://hooks.example.com/webhooks/support"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (TARGET, True),
        (TARGET + "/", True),
        ("https://HOOKS.example.com:443/webhooks/support", True),
        ("http://hooks.example.com/webhooks/support", False),
        ("https://hooks.example.com:8443/webhooks/support", False),
        ("https://hooks.example.com/webhooks/Support", False),
        (TARGET + "?key=1", False),
        ("https://other.example.com/webhooks/support", False),
        ("https://[", False),
    ],
)
def test_targets_are_the_same_where_nothing_that_matters_differs(other: str, same: bool) -> None:
    assert registration.same_target(TARGET, other) is same
    assert registration.same_target(other, TARGET) is same


@pytest.mark.parametrize(
    ("target", "leads"),
    [
        (TARGET, True),
        ("https://example.com/behind/a/proxy/webhooks/support/", True),
        (TARGET + "?key=1", True),
        ("https://hooks.example.com/webhooks/other", False),
        ("https://hooks.example.com/webhooks/support/more", False),
        ("https://hooks.example.com/", False),
        ("https://[", False),
    ],
)
def test_a_target_leads_to_an_account_by_the_end_of_its_path(target: str, leads: bool) -> None:
    assert registration.leads_to(target, "support") is leads


@pytest.mark.parametrize(
    ("secret", "ours", "found"),
    [
        ("one", [b"one"], True),
        ("two", [b"one", b"two"], True),
        ("one", [b"two"], False),
        ("one", [], False),
        (None, [b"one"], False),
        ("", [b""], False),
        ("é", ["é".encode()], True),
    ],
)
def test_a_secret_is_ours_if_it_is_any_of_them(
    secret: str | None, ours: list[bytes], found: bool
) -> None:
    assert registration.is_ours(secret, ours) is found


def wanted(**more: Any) -> Wanted:
    given: dict[str, Any] = {
        "target": TARGET,
        "triggers": frozenset({"a", "b"}),
        "settings": {"includeClient": True},
    }
    return Wanted(**given | more)


def hook(**more: Any) -> Registered:
    given: dict[str, Any] = {
        "id": "w1",
        "target": TARGET,
        "triggers": frozenset({"a", "b"}),
        "secret": "theirs",
        "settings": {"includeClient": True},
    }
    return Registered(**given | more)


def test_a_new_one_says_all_that_is_wanted_and_the_secret_only_where_it_is_ours() -> None:
    plain = {"target": TARGET, "triggers": ["a", "b"], "includeClient": True}
    assert registration.new(wanted()) == plain
    assert registration.new(wanted(give="ours")) == plain | {"secret": "ours"}


OURS = (b"ours", b"older")


@pytest.mark.parametrize(
    ("found", "want", "changes"),
    [
        (hook(), wanted(), {}),
        (hook(target=TARGET + "/"), wanted(), {}),
        (hook(triggers=frozenset("abc")), wanted(), {}),
        (hook(triggers=frozenset("abc")), wanted(exact=True), {"triggers": ["a", "b"]}),
        (hook(triggers=frozenset("c")), wanted(), {"triggers": ["a", "b", "c"]}),
        (hook(settings={}), wanted(), {"includeClient": True}),
        (hook(settings={"includeClient": False}), wanted(), {"includeClient": True}),
        (hook(secret="ours"), wanted(secrets=OURS, give="ours"), {}),
        (hook(secret="older"), wanted(secrets=OURS, give="ours"), {}),
        (hook(), wanted(secrets=OURS, give="ours"), {"secret": "ours"}),
        (hook(secret=None), wanted(secrets=OURS, give="ours"), {"secret": "ours"}),
        (hook(secret=None), wanted(give="fresh"), {"secret": "fresh"}),
        (hook(), wanted(give="fresh"), {}),
        (hook(), wanted(secrets=OURS), {}),
    ],
)
def test_only_what_differs_changes(found: Registered, want: Wanted, changes: Any) -> None:
    assert registration.changes(found, want) == changes


def test_every_webhook_with_the_target_is_found_in_order() -> None:
    others = [hook(id="w0", target="https://other.example.com/"), hook(), hook(id="w2")]
    assert [one.id for one in registration.pointing_at(TARGET + "/", others)] == ["w1", "w2"]


def test_secrets_show_in_no_representation() -> None:
    assert "ours" not in repr(wanted(secrets=OURS, give="ours"))
    assert "theirs" not in repr(hook())
