"""Keys that are derived: which are the same, which are near each other."""

import pytest

from storage import keys

OBJECT_ID = "message:appUser:{:08x}0123456789abcdef"
ULIDS = ["01M7XPE600{}", "01M7XPFR9C{}", "01M8QSY9JR{}"]  # ascending
NOON = 1_795_262_400  # unix seconds


def test_an_event_has_one_key_in_its_account() -> None:
    for name in (OBJECT_ID.format(NOON), ULIDS[0].format("0" * 16), "postback:1", "", "é"):
        assert len(keys.event("support", name)) == 16
        assert keys.event("support", name) == keys.event("support", name)
        assert keys.event("support", name) != keys.event("other", name)


def test_keys_of_events_with_a_time_are_in_its_order() -> None:
    timed = [keys.event("support", OBJECT_ID.format(NOON + number)) for number in range(50)]
    assert timed == sorted(timed)
    assert timed[0][:4] == NOON.to_bytes(4, "big")
    ulids = [keys.event("support", f"MO:{one.format('Z' * 16)}:sms") for one in ULIDS]
    assert ulids == sorted(ulids)


def test_events_of_the_same_second_have_different_keys() -> None:
    names = [f"message:{NOON:08x}{number:016x}" for number in range(1000)]
    assert len({keys.event("support", name) for name in names}) == 1000


@pytest.mark.parametrize(
    "name",
    [
        f"{NOON:08x}0123456789abcde",  # too short
        f"{NOON:08x}0123456789abcdef0",  # too long
        f"c{NOON:08x}0123456789abcdef",  # the end of a word
        f"{NOON:08x}0123456789abcdeg",  # no hex
        "01M7XPE600IIIIIIIIIIIIIIII",  # Crockford has no I
        "81M7XPE6000000000000000000",  # beyond 48 bits
    ],
)
def test_what_is_no_id_with_a_time_is_a_digest(name: str) -> None:
    assert keys.event("support", name) == keys.digest("event", "support", name)
