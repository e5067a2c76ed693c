"""
The SMS (XMS) API's calls beside sending: what has become of a batch, and calling one back.

Each is one small exchange that returns the JSON of the answer.
https://developers.sinch.com/docs/sms/api-reference/sms/batches
"""

from typing import Literal
from urllib.parse import quote

import httpx

from receiver.answers import call
from receiver.errors import Unsupported
from receiver.provider import Call, Calls
from receiver.providers.sinch_sms.options import SinchSmsOptions


def batches_url(options: SinchSmsOptions, *below: str) -> str:
    """Where batches are, and what is `below`. Raises Unsupported without a service plan."""
    if not options.service_plan_id:
        raise Unsupported("sinch_sms needs service_plan_id")
    plan = quote(options.service_plan_id, safe="")
    parts = ["batches", *(quote(part, safe="") for part in below)]
    return f"{options.host}/xms/v1/{plan}/{'/'.join(parts)}"


def get_batch(batch_id: str, options: SinchSmsOptions) -> Call:
    """The batch as it was taken in: {"id", "to", "body", "canceled" ...}."""
    request = httpx.Request("GET", batches_url(options, batch_id))
    return (yield from call(request, effect=False, needs="id"))


def cancel_batch(batch_id: str, options: SinchSmsOptions) -> Call:
    """Call back what of a batch has not been sent yet; the batch, with "canceled" set."""
    request = httpx.Request("DELETE", batches_url(options, batch_id))
    return (yield from call(request, effect=False, needs="id"))


def delivery_report(
    batch_id: str,
    options: SinchSmsOptions,
    kind: Literal["summary", "full"] = "summary",
) -> Call:
    """{"batch_id", "statuses": [{"code", "status", "count", "recipients"?}]}.

    kind: with "full" the recipients stand beside each status.
    """
    url = batches_url(options, batch_id, "delivery_report")
    return (yield from call(httpx.Request("GET", url, params={"type": kind}), effect=False))


def recipient_report(batch_id: str, number: str, options: SinchSmsOptions) -> Call:
    """{"batch_id", "recipient", "status", "code", "at" ...} of one recipient."""
    url = batches_url(options, batch_id, "delivery_report", number.removeprefix("+"))
    return (yield from call(httpx.Request("GET", url), effect=False))


def list_batches(options: SinchSmsOptions, *, page: int = 0, page_size: int = 30) -> Call:
    """A page, the first is 0, of {"batches": [...], "count", "page", "page_size"}."""
    params = {"page": page, "page_size": page_size}
    return (
        yield from call(httpx.Request("GET", batches_url(options), params=params), effect=False)
    )


def fitting(options: SinchSmsOptions) -> Calls[list[str]]:
    """Whether the token is good for the plan; there is nothing else that could not fit."""
    yield from list_batches(options, page_size=1)
    return []
