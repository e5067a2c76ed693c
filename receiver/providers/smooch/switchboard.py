"""
Who has a conversation: where several integrations share an app, one at a time answers (v2).

    "conversation": {"id": ..., "activeSwitchboardIntegration":
                     {"id": ..., "name": "bot", "integrationId": ..., "integrationType": "custom"}}

https://developer.zendesk.com/documentation/conversations/switchboard/
"""

from handlers.event import Event
from receiver import fields
from receiver.providers.smooch.options import SmoochOptions

_NAMES = ("name", "id", "integrationId")


def elsewhere(event: Event, options: SmoochOptions) -> str | None:
    """The active integration where it is another than ours; None where it is ours, where there is
    none, or where the settings do not say which one we are."""
    if options.switchboard is None:
        return None
    active = fields.obj(event.raw, "payload.conversation.activeSwitchboardIntegration")
    known = [name for key in _NAMES if (name := fields.ident(active, key))]
    return known[0] if known and options.switchboard not in known else None
