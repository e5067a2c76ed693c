"""Who wrote, and where they can be reached: values, without a database or a network."""

from dataclasses import dataclass, replace

from handlers.values import quick

PHONE_CHANNELS = frozenset({"sms", "mms", "rcs", "whatsapp", "viber_business"})


@quick
@dataclass(frozen=True, slots=True)
class User:
    """A person as one provider knows them.

    id:          Smooch `appUser._id` (v2 `user.id`), Sinch `contact_id`, or, where the provider
                 names nobody, `<channel>:<identity>` (app-scoped: `<channel>:<identity>:<app_id>`).
    external_id: the id that the business gave (`userId`, `externalId`, `external_id`), or None.
    """

    id: str
    external_id: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class ChannelIdentity:
    """One address on one channel.

    channel:   our name for it: "sms", "whatsapp", "email", "messenger" ...
    identity:  the address: E.164 with `+`, an e-mail, a page-scoped id; None where the provider
               does not reveal it (Smooch v1 Messenger tells a client id only).
    platform:  the provider's own word: "twilio", "mailgun", "VIBERBM".
    client_id: Smooch's id of the client (never an address); None for Sinch.
    app_id:    the app that an app-scoped identity belongs to (Sinch), else None.
    status:    "active", "pending", "inactive" or "blocked".
    """

    channel: str
    identity: str | None = None
    platform: str | None = None
    client_id: str | None = None
    app_id: str | None = None
    status: str = "active"

    def as_(self, status: str) -> "ChannelIdentity":
        """The same identity in another status."""
        return replace(self, status=status)


_PHONE_MARKS = str.maketrans("", "", "+-.()")


def normalise(channel: str, address: str) -> str:
    """The address as it is kept: phones as E.164, the domain of an e-mail in lower case.

    A possible phone number has 8 to 15 ASCII digits and does not start with 0 ("00" is "+");
    what is none (a WhatsApp business-scoped id) stays as it came, and so do all other channels.
    """
    if channel in PHONE_CHANNELS:
        return _e164(address)
    if channel == "email":
        return _mail(address)
    return address


def comparable(channel: str, address: str) -> str:
    """What two addresses have in common when they are the same one: e-mails are case-folded."""
    return address.casefold() if channel == "email" else address


def _e164(address: str) -> str:
    digits = address.removeprefix("+")
    if not digits.isdigit():
        digits = "".join(address.split()).translate(_PHONE_MARKS)
    if digits.startswith("00"):
        digits = digits[2:]
    possible = 8 <= len(digits) <= 15 and digits.isascii() and digits.isdigit()
    return f"+{digits}" if possible and digits[0] != "0" else address


def _mail(address: str) -> str:
    address = address.strip()
    if address.endswith(">") and "<" in address:
        address = address[address.rindex("<") + 1 : -1].strip()
    name, at, domain = address.rpartition("@")
    return f"{name}@{domain.lower()}" if at else address
