"""
The receiving half of Sinch SMS (XMS).

Callbacks are signed like those of the Conversation API, once Sinch has switched it on for the
service plan; without a secret nothing is accepted.
https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks
"""

from receiver.provider import Inbound
from receiver.providers.sinch_sms.parse import parse
from receiver.sinch_diagnosis import explain
from receiver.sinch_signature import sign, verify

INBOUND = Inbound(verify=verify, explain=explain, sign=sign, parse=parse)
