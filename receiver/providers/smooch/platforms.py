"""
Our channel names to Smooch's platforms, for sending; one channel may have several.

https://docs.smooch.io/rest/#linkable-channels-and-entities
"""

from receiver.provider import Recipient
from receiver.providers.smooch.options import SmoochOptions

# Every other name is the same word on both sides.
PLATFORMS = {
    "sms": ("twilio", "messagebird"),
    "email": ("mailgun",),
    "google": ("gbm", "googlercs"),
    "slack": ("slackconnect",),
    "kakaotalk": ("kakao",),
}


def platforms(channel: str) -> tuple[str, ...]:
    """The platforms that reach `channel`; the name itself where it is one."""
    return PLATFORMS.get(channel, (channel,))


def platform(channel: str, recipient: Recipient, options: SmoochOptions) -> str:
    """The platform by which this recipient is reached on `channel`.

    First the one they are known on, newest first; then one that the account has an integration
    for; then the usual one.
    """
    names = platforms(channel)
    known = [
        identity.platform
        for identity in recipient.identities
        if identity.channel == channel and identity.status != "inactive"
    ]
    for name in (*known, *options.integrations):
        if name in names:
            return name
    return names[0]
