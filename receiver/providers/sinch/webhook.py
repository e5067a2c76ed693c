"""
The receiving half of the Sinch Conversation API.

https://developers.sinch.com/docs/conversation/callbacks
"""

from receiver.provider import Inbound
from receiver.providers.sinch.parse import parse
from receiver.sinch_diagnosis import explain
from receiver.sinch_signature import PROOFS, sign, verify

INBOUND = Inbound(verify=verify, explain=explain, sign=sign, parse=parse, proofs=PROOFS)
