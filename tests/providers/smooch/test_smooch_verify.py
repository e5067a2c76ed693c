"""X-API-Key: what is accepted, what is refused, and that nothing is given away."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import Refused
from receiver.provider import Headers, Proof, Step
from receiver.providers.smooch.webhook import INBOUND

NOW = datetime(2021, 2, 3, tzinfo=UTC)
OLD, NEW = b"old-Secret-0000000001", b"new-Secret-0000000002"


def verify(headers: Headers, secrets: Sequence[bytes] = (OLD, NEW)) -> Proof:
    return INBOUND.verify(headers, b"{}", secrets, NOW, None)


def explain(headers: Headers, secrets: Sequence[bytes] = (OLD, NEW)) -> list[Step]:
    return INBOUND.explain(headers, b"{}", secrets, NOW, None)


def key(value: bytes) -> Headers:
    return [(b"content-type", b"application/json"), (b"x-api-key", value)]


@pytest.mark.parametrize(("secret", "index"), [(OLD, 0), (NEW, 1)])
def test_any_of_the_secrets_is_good_so_that_they_can_be_rotated(secret: bytes, index: int) -> None:
    assert verify(key(secret)) == Proof(secret=index)


def test_of_two_equal_secrets_the_first_is_named_and_empty_ones_keep_their_place() -> None:
    assert verify(key(NEW), [b"", NEW, NEW]) == Proof(secret=1)


REFUSED: list[tuple[str, Headers, Sequence[bytes]]] = [
    ("missing", [(b"content-type", b"application/json")], (OLD,)),
    ("doubled", [*key(OLD), (b"x-api-key", OLD)], (OLD,)),
    ("empty", key(b""), (OLD,)),
    ("empty secret", key(b""), (b"", b" ")),
    ("blank secret", key(b" "), (b"", b" ")),
    ("wrong", key(b"wrong"), (OLD, NEW)),
    ("prefix", key(OLD[:-1]), (OLD, NEW)),
    ("longer", key(OLD + b"0"), (OLD, NEW)),
    ("another case", key(OLD.upper()), (OLD, NEW)),
    ("blanks around it", key(b" " + OLD), (OLD, NEW)),
    ("both joined", key(OLD + b", " + NEW), (OLD, NEW)),
    ("not ASCII", key(b"caf\xc3\xa9"), ("café".encode(),)),
    ("not UTF-8", key(b"\xff\xfe"), (b"\xff\xfe", OLD)),
    ("no secret at all", key(OLD), ()),
]


@pytest.mark.parametrize(
    ("headers", "secrets"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_everything_else_is_refused_without_naming_key_or_secret(
    headers: Headers, secrets: Sequence[bytes]
) -> None:
    with pytest.raises(Refused) as refused:
        verify(headers, secrets)
    shown = [str(refused.value), *(step.detail for step in explain(headers, secrets))]
    values = [value for name, value in headers if name == b"x-api-key"]
    for hidden in [*secrets, *values]:
        if hidden.strip():
            assert not any(hidden.decode("latin-1") in text for text in shown)


@given(st.binary(max_size=40))
def test_no_header_value_is_anything_but_accepted_or_refused(value: bytes) -> None:
    try:
        verify(key(value))
    except Refused:
        assert value not in (OLD, NEW)


@pytest.mark.parametrize(
    ("headers", "secrets"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_an_explanation_of_a_refusal_has_a_step_that_failed(
    headers: Headers, secrets: Sequence[bytes]
) -> None:
    assert any(step.ok is False for step in explain(headers, secrets))


@pytest.mark.parametrize("secrets", [(OLD, NEW), (b"", NEW), (NEW,)])
def test_an_explanation_of_a_good_request_has_none(secrets: Sequence[bytes]) -> None:
    steps = explain(key(NEW), secrets)
    assert not any(step.ok is False for step in steps)
    assert Step(f"secret {len(secrets)}", True, "the same") in steps


@pytest.mark.parametrize(
    ("value", "secret", "hint"),
    [
        (b" " + OLD + b"\t", OLD, "hint: blanks"),
        (b'"' + OLD + b'"', OLD, "hint: quotes"),
        (b"Bearer " + OLD, OLD, "hint: bearer"),
        (OLD.upper(), OLD, "hint: case"),
        (OLD, OLD + b"\n", "hint: configured"),
    ],
)
def test_an_explanation_guesses_what_went_wrong(value: bytes, secret: bytes, hint: str) -> None:
    assert hint in [step.name for step in explain(key(value), [secret])]


def test_a_key_that_is_simply_wrong_gets_no_hint() -> None:
    assert not [step for step in explain(key(b"wrong")) if step.name.startswith("hint")]


def test_what_is_signed_is_verified() -> None:
    signed = INBOUND.sign(b"{}", NEW, NOW, "")
    assert signed == {"X-API-Key": NEW.decode()}
    assert verify([(name.lower().encode(), value.encode()) for name, value in signed.items()])
