"""
Sinch's names for channels, and ours.

https://developers.sinch.com/docs/conversation/channel-support
"""

# Every other name is ours in capitals: SMS, WHATSAPP, MESSENGER ... The list is open.
_RENAMED: dict[str, str | None] = {
    "VIBERBM": "viber_business",
    "APPLEBC": "apple",
    "KAKAOTALKCHAT": "kakaotalk_chat",
    "CHANNEL_UNSPECIFIED": None,
}


def channel_name(word: str | None) -> str | None:
    """Our name for Sinch's `word`, in whatever case; None where it names no channel."""
    if not word:
        return None
    return _RENAMED.get(word.upper(), word.lower())


_WORDS = {ours: word for word, ours in _RENAMED.items() if ours}


def channel_word(name: str) -> str:
    """Sinch's word for our `name`."""
    return _WORDS.get(name, name.upper())
