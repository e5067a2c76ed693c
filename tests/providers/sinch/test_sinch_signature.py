"""Which requests are Sinch's, and what is said of those that are not."""

import hashlib
import json
import shutil
import subprocess
from base64 import b64decode, b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.errors import Refused
from receiver.provider import Inbound, Proof
from receiver.providers.sinch import webhook
from receiver.providers.sinch.options import SinchOptions
from receiver.providers.sinch_sms import webhook as sms_webhook
from receiver.providers.sinch_sms.options import SinchSmsOptions

OPTIONS = SinchOptions(provider="sinch")
SECRET = b"tr0ub4dor-and-3_horses"
BODY = '{"app_id":"","message":{"contact_message":{"text_message":{"text":"Où"}}}}'.encode()
NONCE = "01HKNONCE0000000000000001"
SIGNED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TIME = str(int(SIGNED.timestamp()))
PREFIX = "x-sinch-webhook-signature"

Headers = list[tuple[bytes, bytes]]


def block(key: bytes, pad: int) -> bytes:
    """The key of HMAC's inner or outer hash, RFC 2104."""
    return bytes(byte ^ pad for byte in key.ljust(64, b"\0"))


def digest(secret: bytes, body: bytes, nonce: str = NONCE, time: str = TIME) -> bytes:
    """HMAC-SHA256 by the letter of RFC 2104, apart from the code that is tested."""
    signed = body + b"." + nonce.encode() + b"." + time.encode()
    inner = hashlib.sha256(block(secret, 0x36) + signed).digest()
    return hashlib.sha256(block(secret, 0x5C) + inner).digest()


def request(
    signature: bytes | None = None, nonce: str | None = NONCE, time: str | None = TIME, **more: str
) -> Headers:
    """The headers of a genuine request for BODY, but for what is given; None leaves one out."""
    if signature is None:
        signature = b64encode(digest(SECRET, BODY, nonce or "", time or ""))
    sent: dict[str, str | None] = {
        "": signature.decode("latin-1"),
        "-nonce": nonce,
        "-timestamp": time,
        "-algorithm": "HmacSHA256",
        **{f"-{name}": value for name, value in more.items()},
    }
    return [
        ((PREFIX + name).encode(), value.encode("latin-1"))
        for name, value in sent.items()
        if value is not None
    ]


def verify(headers: Headers, body: bytes = BODY, now: datetime = SIGNED, **more: Any) -> Proof:
    secrets = more.get("secrets", [SECRET])
    return webhook.INBOUND.verify(headers, body, secrets, now, more.get("options", OPTIONS))


def refusal(headers: Headers, body: bytes = BODY, now: datetime = SIGNED, **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        verify(headers, body, now, **more)
    return str(caught.value)


def signature_step(headers: Headers, body: bytes = BODY, secret: bytes = SECRET) -> str:
    """What `explain` says of a signature that it holds for wrong."""
    steps = webhook.INBOUND.explain(headers, body, [b"another secret", secret], SIGNED, OPTIONS)
    [step] = [step for step in steps if step.name == "signature"]
    assert step.ok is False
    return step.detail


# The one vector that Sinch publishes, in its documentation and its SDKs' tests (Apache-2.0).
# https://developers.sinch.com/docs/conversation/callbacks
PUBLISHED_SECRET = b"foo_secret1234"
PUBLISHED = [
    (b"x-sinch-webhook-signature", b"6bpJoRmFoXVjfJIVglMoJzYXxnoxRujzR4k2GOXewOE="),
    (b"x-sinch-webhook-signature-nonce", b"01FJA8B4A7BM43YGWSG9GBV067"),
    (b"x-sinch-webhook-signature-timestamp", b"1634579353"),
    (b"x-sinch-webhook-signature-algorithm", b"HmacSHA256"),
]
PUBLISHED_AT = datetime(2021, 10, 18, 17, 49, 13, tzinfo=UTC)
PUBLISHED_BODY = (Path(__file__).parent / "published_vector.body").read_bytes()


def test_the_published_vector_is_genuine() -> None:
    proof = verify(PUBLISHED, PUBLISHED_BODY, PUBLISHED_AT, secrets=[PUBLISHED_SECRET])
    assert (proof.secret, proof.nonce) == (0, "01FJA8B4A7BM43YGWSG9GBV067")
    assert proof.signed_at == PUBLISHED_AT


def test_a_signature_made_by_openssl_is_genuine() -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    made = subprocess.run(
        [openssl, "dgst", "-sha256", "-hmac", SECRET.decode(), "-binary"],
        input=BODY + f".{NONCE}.{TIME}".encode(),
        capture_output=True,
        check=True,
    )
    assert verify(request(b64encode(made.stdout))).secret == 0


def test_what_is_signed_here_is_genuine_and_spelt_as_sinch_spells_it() -> None:
    sent = webhook.INBOUND.sign(BODY, SECRET, SIGNED, NONCE)
    assert sent == {name.decode(): value.decode() for name, value in request()}


def test_every_secret_is_good_and_the_proof_says_which() -> None:
    assert verify(request(), secrets=[b"old", SECRET]).secret == 1
    assert verify(request(), secrets=[SECRET, b"new"]).secret == 0
    assert verify(request(), secrets=[b"", SECRET, SECRET]).secret == 1


@pytest.mark.parametrize("name", ["hmacsha256", "HMACSHA256", "HmacSHA256"])
def test_the_algorithm_is_named_in_any_case(name: str) -> None:
    assert verify(request(algorithm=name)).secret == 0


def test_the_algorithm_need_not_be_named() -> None:
    assert verify(request()[:3]).secret == 0


@pytest.mark.parametrize("name", ["HmacSHA1", "none", "", "HmacSHA256, none", "HmacSHA256 "])
def test_another_algorithm_is_refused(name: str) -> None:
    assert "algorithm" in refusal(request(algorithm=name))


@pytest.mark.parametrize("index", range(4))
def test_a_doubled_header_is_refused(index: int) -> None:
    headers = request()
    assert "came 2 times" in refusal([*headers, headers[index]])


@pytest.mark.parametrize("index", range(3))
def test_a_missing_header_is_refused(index: int) -> None:
    headers = request()
    assert "is missing" in refusal(headers[:index] + headers[index + 1 :])


@pytest.mark.parametrize(
    "nonce", ["", "a.b", 'a"b', "a b", "a,b", "n" * 129, "a\n", "caf\xe9", "a/b", "a="]
)
def test_a_nonce_of_another_form_is_refused(nonce: str) -> None:
    signed = b64encode(digest(SECRET, BODY, nonce))
    assert "nonce" in refusal(request(signed, nonce=nonce))


def test_a_nonce_may_have_128_characters() -> None:
    assert verify(request(nonce="n" * 126 + "-_")).nonce == "n" * 126 + "-_"


def test_text_cannot_move_from_the_body_into_the_nonce() -> None:
    """The signed text is the same: only the form of the nonce tells."""
    dotted = request(b64encode(digest(SECRET, b"{}.x")))
    assert verify(dotted, b"{}.x").secret == 0
    assert "nonce" in refusal(request(dotted[0][1], nonce=f"x.{NONCE}"), b"{}")


@pytest.mark.parametrize(
    "time",
    [
        *("", "-1", "+1", "1_772", " 1772600767", "1772600767 ", "1772600767.0", "1.7e9", "nan"),
        *("0x1", "2026-03-04T05:06:07Z", "1772600767000", "999999999999", "١٧٧٢", "\xb2", "1\n"),
    ],
)
def test_a_timestamp_of_another_form_is_refused(time: str) -> None:
    headers = request(b64encode(digest(SECRET, BODY, time=time)), time=None)
    assert "timestamp" in refusal([*headers, (f"{PREFIX}-timestamp".encode(), time.encode())])


def other_forms() -> dict[str, bytes]:
    right = digest(SECRET, BODY)
    text = b64encode(right)
    return {
        "hexadecimal": right.hex().encode(),
        "without padding": text.rstrip(b"="),
        "URL-safe": urlsafe_b64encode(right),
        "other case": text.swapcase(),
        "white space after": text + b" ",
        "newline after": text + b"\n",
        "more padding": text + b"=",
        "doubled": text + b"," + text,
        "with a version": b"v1," + text,
        "other bits after the last byte": text[:-2] + bytes([text[-2] + 1]) + b"=",
        "empty": b"",
        "not ASCII": text[:-1] + b"\xff",
        "of another secret": b64encode(digest(b"another", BODY)),
        "of another body": b64encode(digest(SECRET, BODY + b" ")),
        "of another nonce": b64encode(digest(SECRET, BODY, nonce="other")),
        "of another time": b64encode(digest(SECRET, BODY, time="1")),
        "of an empty secret": b64encode(digest(b"", BODY)),
        "of the secret decoded": b64encode(digest(b64decode(SECRET + b"=="), BODY)),
    }


@pytest.mark.parametrize("form", other_forms())
def test_only_the_documented_signature_passes(form: str) -> None:
    reason = refusal(request(other_forms()[form]))
    assert reason == "the signature was made with none of the configured secrets"


@pytest.mark.parametrize("secrets", [[], [b""], [b"", b""]])
def test_without_a_secret_nothing_passes(secrets: list[bytes]) -> None:
    forged = request(b64encode(digest(b"", BODY)))
    assert "no secret is configured" in refusal(forged, secrets=secrets)


def test_an_empty_secret_beside_a_real_one_opens_nothing() -> None:
    forged = request(b64encode(digest(b"", BODY)))
    assert "none of the configured secrets" in refusal(forged, secrets=[b"", SECRET])


@pytest.mark.parametrize("body", [BODY + b"\n", BODY[:-1], BODY.replace(b":", b": "), b""])
def test_the_raw_body_is_what_is_signed(body: bytes) -> None:
    assert "none of the configured secrets" in refusal(request(), body)


INSIDE = SinchOptions(
    provider="sinch", max_age=timedelta(seconds=300), max_skew=timedelta(seconds=60)
)


@pytest.mark.parametrize(
    ("late", "good"),
    [
        (timedelta(seconds=299), True),
        (timedelta(seconds=300), True),
        (timedelta(seconds=300, microseconds=1), False),
        (timedelta(seconds=301), False),
        (timedelta(seconds=-60), True),
        (timedelta(seconds=-60, microseconds=-1), False),
        (timedelta(days=9_000), False),
        (timedelta(days=-9_000), False),
    ],
)
def test_the_bounds_of_the_window_are_inside_it(late: timedelta, good: bool) -> None:
    if good:
        assert verify(request(), now=SIGNED + late, options=INSIDE).signed_at == SIGNED
    else:
        assert "which is more than" in refusal(request(), now=SIGNED + late, options=INSIDE)


def test_a_forgery_is_called_a_forgery_however_old() -> None:
    forged = request(b64encode(digest(b"another", BODY)))
    assert "secrets" in refusal(forged, now=SIGNED + timedelta(days=400))


def test_a_request_of_tomorrow_points_at_the_clock() -> None:
    assert "clock" in refusal(request(), now=SIGNED - timedelta(hours=1))


def test_no_reason_holds_a_secret_or_a_signature() -> None:
    for signature in other_forms().values():
        headers = request(signature)
        told = [refusal(headers), signature_step(headers)]
        assert not any(SECRET.decode() in reason for reason in told)
        assert not any(b64encode(digest(SECRET, BODY)).decode() in reason for reason in told)


def test_sms_callbacks_are_signed_the_same_way() -> None:
    options = SinchSmsOptions(provider="sinch_sms")
    inbound: Inbound = sms_webhook.INBOUND
    assert inbound.verify(request(), BODY, [SECRET], SIGNED, options).secret == 0
    with pytest.raises(Refused, match="no secret"):
        inbound.verify([], BODY, [], SIGNED, options)


def reserialised() -> list[bytes]:
    value = json.loads(BODY)
    return [
        json.dumps(value).encode(),
        json.dumps(value, ensure_ascii=False).encode(),
        json.dumps(value, separators=(",", ":")).encode(),
        json.dumps(value, indent=2, ensure_ascii=False).encode(),
        json.dumps(value, indent=4).encode(),
    ]


@pytest.mark.parametrize("body", reserialised())
def test_a_reserialised_body_is_recognised(body: bytes) -> None:
    assert "written again as JSON" in signature_step(request(), body)


def test_a_body_with_other_key_order_is_recognised() -> None:
    signed = b'{"a":1,"b":2}'
    headers = request(b64encode(digest(SECRET, signed)))
    assert "written again as JSON" in signature_step(headers, b'{"b": 2, "a": 1}')


@pytest.mark.parametrize("body", [BODY + b"\n", BODY + b"\r\n", BODY + b"  ", b" " + BODY])
def test_white_space_around_the_body_is_recognised(body: bytes) -> None:
    assert "white space was added" in signature_step(request(), body)


def test_a_lost_newline_and_changed_line_ends_are_recognised() -> None:
    lines = b'{\n"a":1\n}\n'
    headers = request(b64encode(digest(SECRET, lines)))
    assert "white space" in signature_step(headers, lines.rstrip())
    assert "line ends" in signature_step(headers, lines.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("apart", [1, -1, 300, -300])
def test_a_changed_timestamp_is_recognised(apart: int) -> None:
    signed = b64encode(digest(SECRET, BODY, time=str(int(TIME) + apart)))
    assert str(timedelta(seconds=abs(apart))) in signature_step(request(signed))


@pytest.mark.parametrize("secret", [b"a2V5LW9mLTEy", b"a2V5LW9mLTE", b"-_8-aGVsbG8", b"tr0ub4_r"])
def test_a_base64_decoded_secret_is_recognised(secret: bytes) -> None:
    standard = secret.replace(b"-", b"+").replace(b"_", b"/")
    key = b64decode(standard + b"=" * (-len(standard) % 4))
    headers = request(b64encode(digest(key, BODY)))
    assert "base64-decoded" in signature_step(headers, secret=secret)


def test_white_space_around_the_secret_is_recognised() -> None:
    headers = request(b64encode(digest(SECRET, BODY)))
    assert "white space at an end" in signature_step(headers, secret=SECRET + b"\n")


@pytest.mark.parametrize(
    ("form", "cause"),
    [
        ("hexadecimal", "in hexadecimal"),
        ("without padding", "without its '=' padding"),
        ("newline after", "white space around it"),
        ("of another secret", "no configured secret made this signature"),
        ("of another nonce", "no configured secret made this signature"),
        ("not ASCII", "no configured secret made this signature"),
    ],
)
def test_the_form_of_a_signature_is_recognised(form: str, cause: str) -> None:
    assert cause in signature_step(request(other_forms()[form]))


def test_url_safe_base64_is_recognised() -> None:
    nonce = next(n for n in map(str, range(99)) if b"+" in b64encode(digest(SECRET, BODY, n)))
    headers = request(urlsafe_b64encode(digest(SECRET, BODY, nonce)), nonce=nonce)
    assert "URL-safe" in signature_step(headers)
    assert "none of the configured" in refusal(headers)


def test_a_genuine_request_is_explained_step_by_step() -> None:
    late = SIGNED + timedelta(days=3)
    steps = webhook.INBOUND.explain(request(), BODY, [b"old", SECRET], late, OPTIONS)
    assert [(step.name, step.ok) for step in steps] == [
        ("signature header", True),
        ("nonce", True),
        ("timestamp", True),
        ("algorithm", True),
        ("signature", True),
        ("age", None),
    ]
    assert steps[-2].detail == "made with secret 2 of 2"
    told = "signed 3 days ago; a live request this old is refused (max_age)"
    assert steps[-1].detail == told


@pytest.mark.parametrize(
    ("late", "told"),
    [
        (timedelta(seconds=1), "signed 1 second ago"),
        (timedelta(minutes=2), "signed 2 minutes ago"),
        (
            timedelta(hours=-2),
            "signed 2 hours in the future; a live request this far in the future",
        ),
        (timedelta(0), "signed 0 seconds ago"),
    ],
)
def test_the_age_is_told_in_words(late: timedelta, told: str) -> None:
    steps = webhook.INBOUND.explain(request(), BODY, [SECRET], SIGNED + late, OPTIONS)
    assert steps[-1].detail.startswith(told)


def test_each_malformed_header_is_named() -> None:
    headers = request(nonce="a.b", time="soon", algorithm="none")[1:]
    steps = webhook.INBOUND.explain(headers, BODY, [SECRET], SIGNED, OPTIONS)
    assert [step.ok for step in steps] == [False] * 5
    assert steps[-1].detail.startswith("not checked")


@pytest.mark.parametrize("headers", [request(), []])
def test_no_secret_is_explained(headers: Headers) -> None:
    steps = webhook.INBOUND.explain(headers, BODY, [b""], SIGNED, OPTIONS)
    [step] = [step for step in steps if step.name == "signature"]
    assert (step.ok, step.detail) == (False, "no secret is configured to check it with")


HEADER = st.tuples(
    st.sampled_from([name for name, _ in request()] + [b"host"]),
    st.binary(max_size=40) | st.sampled_from([value for _, value in request()]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(HEADER, max_size=6), st.binary(max_size=40) | st.just(BODY))
def test_no_headers_make_it_raise_anything_else(headers: Headers, body: bytes) -> None:
    """And `explain` finds nothing wrong exactly where `verify` passes."""
    steps = webhook.INBOUND.explain(headers, body, [SECRET], SIGNED, OPTIONS)
    try:
        verify(headers, body)
    except Refused:
        assert any(step.ok is False for step in steps)
    else:
        assert all(step.ok is not False for step in steps)
