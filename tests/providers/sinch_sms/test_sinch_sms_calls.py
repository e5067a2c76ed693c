"""The SMS API's calls beside sending."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from receiver.errors import Rejected, Unauthorized, Unsupported
from receiver.providers.sinch_sms import calls
from receiver.providers.sinch_sms.options import SinchSmsOptions
from tests.driver import drive

ROOT = "https://eu.sms.api.sinch.com/xms/v1/plan1/batches"
Make = Callable[[SinchSmsOptions], Any]


def options(**more: Any) -> SinchSmsOptions:
    given = {"provider": "sinch_sms", "service_plan_id": "plan1", "region": "eu"} | more
    return SinchSmsOptions.model_validate(given)


BATCH = {"id": "b1", "to": ["15145550142"], "canceled": False}
REPORT = {"batch_id": "b1", "statuses": []}
CASES: list[tuple[Make, str, Any]] = [
    (lambda o: calls.get_batch("b1", o), f"GET {ROOT}/b1", BATCH),
    (lambda o: calls.cancel_batch("b1", o), f"DELETE {ROOT}/b1", BATCH),
    (
        lambda o: calls.delivery_report("b1", o, "full"),
        f"GET {ROOT}/b1/delivery_report?type=full",
        REPORT,
    ),
    (
        lambda o: calls.recipient_report("b1", "+15145550142", o),
        f"GET {ROOT}/b1/delivery_report/15145550142",
        REPORT,
    ),
    (
        lambda o: calls.list_batches(o, page=2, page_size=5),
        f"GET {ROOT}?page=2&page_size=5",
        {"batches": []},
    ),
]


@pytest.mark.parametrize(("make", "line", "told"), CASES)
def test_each_call_is_one_request_and_gives_its_answer(make: Make, line: str, told: Any) -> None:
    driven = drive(make(options()), httpx.Response(200, json=told))
    assert driven.lines == [line]
    assert driven.sent == told
    with pytest.raises(Rejected):
        drive(make(options()), httpx.Response(404))
    with pytest.raises(Unsupported, match="service_plan_id"):
        next(make(options(service_plan_id=None)))


def test_the_probe_needs_a_good_token() -> None:
    good: Any = drive(calls.fitting(options()), httpx.Response(200, json={"batches": []})).sent
    assert good == []
    with pytest.raises(Unauthorized):
        drive(calls.fitting(options()), httpx.Response(401))
