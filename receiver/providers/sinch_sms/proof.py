"""
Is this callback genuine? XMS signs nothing unless it is asked to, so there are three ways to know:

    webhook_secrets         the signature, once Sinch has switched it on; then nothing else counts
    path_token              a token in the URL that was given to Sinch: /webhooks/NAME/TOKEN
    basic_user, _password   a user and password in that URL, which come as Basic authentication

Of the last two, all that are configured are asked for. With none of the three nothing is accepted,
unless the settings say in words that everything is.
https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks
"""

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

from receiver import sinch_diagnosis, sinch_signature
from receiver.errors import Refused
from receiver.provider import PATH_TOKEN, Headers, Proof, Step, only
from receiver.providers.sinch_sms.options import SinchSmsOptions

AUTHORIZATION = b"authorization"

# Both are the secret itself, not made with it.
PROOFS = {**sinch_signature.PROOFS, PATH_TOKEN: True, AUTHORIZATION: True}


def verify(
    headers: Headers,
    body: bytes,
    secrets: Sequence[bytes],
    now: datetime,
    options: SinchSmsOptions,
) -> Proof:
    """What proves that Sinch sent it, in the way that the account says. Raises Refused."""
    if secrets:
        return sinch_signature.verify(headers, body, secrets, now, options)
    checks = _checks(options)
    if not checks and options.accept_unsigned is None:
        raise Refused("no secret, path_token or basic_user is configured to check it with")
    for check in checks.values():
        check(headers, options)
    return Proof()


def explain(
    headers: Headers,
    body: bytes,
    secrets: Sequence[bytes],
    now: datetime,
    options: SinchSmsOptions,
) -> list[Step]:
    """The same step by step; every step is not False if, and only if, it would pass."""
    checks = {} if secrets else _checks(options)
    if checks:
        return [_step(name, check, headers, options) for name, check in checks.items()]
    if secrets or options.accept_unsigned is None:
        return sinch_diagnosis.explain(headers, body, secrets, now, options)
    return [Step("unsigned", None, "the account accepts whatever comes (accept_unsigned)")]


_Check = Callable[[Headers, SinchSmsOptions], None]


def _checks(options: SinchSmsOptions) -> dict[str, _Check]:
    found: dict[str, _Check] = {}
    if options.path_token is not None:
        found["path token"] = _path
    if options.basic_user is not None:
        found["basic"] = _basic
    return found


def _path(headers: Headers, options: SinchSmsOptions) -> None:
    given = [value for name, value in headers if name == PATH_TOKEN]
    if not given:
        raise Refused("the token is missing at the end of the path")
    if len(given) > 1 or not _same(given[0], options.webhook_path.removeprefix("/").encode()):
        raise Refused("the token at the end of the path is not path_token")


def _basic(headers: Headers, options: SinchSmsOptions) -> None:
    given = only(headers, AUTHORIZATION)
    if not _same(given, options.webhook_headers["Authorization"].encode()):
        raise Refused("the header authorization is not that of basic_user and basic_password")


def _same(given: bytes, wanted: bytes) -> bool:
    """Digests are compared, so that the time tells neither a length nor how much was right."""
    return hmac.compare_digest(sha256(given).digest(), sha256(wanted).digest())


def _step(name: str, check: _Check, headers: Headers, options: SinchSmsOptions) -> Step:
    try:
        check(headers, options)
    except Refused as refused:
        return Step(name, False, str(refused))
    return Step(name, True, "the same")
