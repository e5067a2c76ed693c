"""An address is one address, however it was written."""

import pytest

from handlers.people import comparable, normalise


@pytest.mark.parametrize("channel", ["sms", "mms", "rcs", "whatsapp", "viber_business"])
@pytest.mark.parametrize(
    "written",
    [
        "+15145550100",
        "15145550100",
        "0015145550100",
        "+1 (514) 555-0100",
        "1.514.555.0100",
        " +1\u00a0514\u202f555\u20090100\t",
        "(+1) 514 555 0100",
    ],
)
def test_a_phone_number_is_e164_on_a_phone_channel(channel: str, written: str) -> None:
    assert normalise(channel, written) == "+15145550100"


@pytest.mark.parametrize(
    "opaque",
    [
        "12345",
        "1234567",
        "1234567890123456",
        "05145550100",
        "000012345678",
        "ACME",
        "US.1349000000000001",
        "whatsapp:+15145550100",
        "+١٥١٤٥٥٥٠١٠٠",
        "",
    ],
)
def test_what_is_no_possible_number_stays_as_it_came(opaque: str) -> None:
    assert normalise("sms", opaque) == opaque


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Ada@Example.COM", "Ada@example.com"),
        (" Ada@Example.COM ", "Ada@example.com"),
        ("Ada Example <Ada@Example.COM>", "Ada@example.com"),
        ('"Ada < Example" < Ada@Example.COM > ', "Ada@example.com"),
        ('"a@b"@Example.COM', '"a@b"@example.com'),
        ("Postmaster", "Postmaster"),
        ("", ""),
    ],
)
def test_of_an_email_the_domain_is_in_lower_case(written: str, kept: str) -> None:
    assert normalise("email", written) == kept


@pytest.mark.parametrize("channel", ["messenger", "telegram", "viber", "line", "kakaotalk", "web"])
def test_an_address_elsewhere_is_kept_to_the_letter(channel: str) -> None:
    for address in ("15145550100", "+bC/d 0==", " Ab@C.De "):
        assert normalise(channel, address) == address


def test_emails_are_compared_without_regard_to_case_and_others_are_not() -> None:
    assert comparable("email", "Ada@example.com") == comparable("email", "ada@example.com")
    assert comparable("viber", "aB==") != comparable("viber", "ab==")
