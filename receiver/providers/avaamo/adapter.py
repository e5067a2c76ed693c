"""
Avaamo's SMS Send API: it lets an agent greet somebody, and can say nothing else.

    POST {host}/sms/{channel_uuid}/send.json {"to_phone", <params>} -> 200 {"success": true}

The uuid in the path is the only credential, so no error repeats the path or the answer's words.
https://docs.avaamo.com/user-guide/ref/avaamo-platform-api-documentation/sms-send-api
"""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

import httpx

from handlers.actions import Action, StartAvaamo
from receiver import fields
from receiver.answers import refusal, summary
from receiver.errors import Rejected, Uncertain, Unparsed, Unsupported
from receiver.options import reveal
from receiver.provider import Exchange, Outbound, Recipient, Sent
from receiver.providers.avaamo.options import AvaamoOptions


def carry_out(action: Action, recipient: Recipient, options: AvaamoOptions) -> Exchange:
    """The exchange for one action. Raises Unsupported when it is started, before any request."""
    if not isinstance(action, StartAvaamo):
        raise Unsupported(f"avaamo only greets: it cannot carry out {action.kind}")
    if options.channel_uuid is None:
        raise Unsupported("avaamo needs channel_uuid")
    uuid = quote(reveal(options.channel_uuid), safe="")
    given = action.params | ({"to_phone": action.to_phone} if action.to_phone else {})
    request = httpx.Request("POST", f"{options.host}/sms/{uuid}/send.json", json=given)
    response = yield request
    return _outcome(request, response)


def _outcome(request: httpx.Request, response: httpx.Response) -> Sent:
    """Only 200 with `"success": true` is one: what a failure looks like is not documented."""
    if not response.is_success:
        raise refusal(request, response, quote=False)
    try:
        body = fields.load(response.content)
    except Unparsed as error:
        raise Uncertain(summary(request, response, str(error)), status=200) from None
    success = body.get("success")
    if success is True and response.status_code == 200:
        return Sent(raw=body)
    if success is False:
        raise Rejected(summary(request, response, "success is false"), status=200)
    raise Uncertain(summary(request, response, "it does not say whether it succeeded"), status=200)


def auth(options: AvaamoOptions, clock: Callable[[], datetime]) -> httpx.Auth | None:
    """There is none: whoever knows the uuid may call."""
    return None


OUTBOUND = Outbound(carry_out, auth)
