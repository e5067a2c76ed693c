"""The providers there are. A new one is one line here."""

from receiver.provider import Provider
from receiver.providers.avaamo.adapter import OUTBOUND as AVAAMO_OUT
from receiver.providers.avaamo.options import AvaamoOptions
from receiver.providers.sinch.adapter import OUTBOUND as SINCH_OUT
from receiver.providers.sinch.hooks import WEBHOOKS as SINCH_HOOKS
from receiver.providers.sinch.options import SinchOptions
from receiver.providers.sinch.webhook import INBOUND as SINCH_IN
from receiver.providers.sinch_sms.adapter import OUTBOUND as SINCH_SMS_OUT
from receiver.providers.sinch_sms.options import SinchSmsOptions
from receiver.providers.sinch_sms.webhook import INBOUND as SINCH_SMS_IN
from receiver.providers.smooch.adapter import OUTBOUND as SMOOCH_OUT
from receiver.providers.smooch.hooks import WEBHOOKS as SMOOCH_HOOKS
from receiver.providers.smooch.options import SmoochOptions
from receiver.providers.smooch.webhook import INBOUND as SMOOCH_IN

PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider("smooch", SmoochOptions, SMOOCH_IN, SMOOCH_OUT, SMOOCH_HOOKS),
        Provider("sinch", SinchOptions, SINCH_IN, SINCH_OUT, SINCH_HOOKS),
        Provider("sinch_sms", SinchSmsOptions, SINCH_SMS_IN, SINCH_SMS_OUT),
        Provider("avaamo", AvaamoOptions, None, AVAAMO_OUT),
    )
}
