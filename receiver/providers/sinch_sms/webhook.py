"""
The receiving half of Sinch SMS (XMS).

Callbacks are unsigned until Sinch has switched signing on for the service plan, and then signed
like those of the Conversation API.
https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks
"""

from receiver.provider import Inbound
from receiver.providers.sinch_sms.parse import parse
from receiver.providers.sinch_sms.proof import PROOFS, explain, verify
from receiver.sinch_signature import sign

INBOUND = Inbound(verify=verify, explain=explain, sign=sign, parse=parse, proofs=PROOFS)
