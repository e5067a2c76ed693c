"""
Who may be written to: for each address, from what providers tell, from the errors of what was sent
to somebody who had stopped it, and from STOP and START in text messages.

The latest word counts, whatever the order in which they come; at the same time a refusal does. A
word about a person whose address was not told is kept under the person and the channel.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from handlers.actions import Action, AddIdentity, Link, Reply, Send, StartAvaamo
from handlers.event import Consent, Event, Fault, Receipt
from handlers.events import ConsentFailed, ConsentOptedOut, MessageReceived
from handlers.people import PHONE_CHANNELS, ChannelIdentity, User, normalise
from storage import keys
from storage.dialects import Transaction
from storage.tables import micros

# Where a message of one word is an order, by the carriers' rules.
# https://help.twilio.com/articles/223134027
SPOKEN = frozenset({"sms", "mms", "rcs"})

# The business's own windows: nobody can be written to there who does not open them.
_OWN = frozenset({"web", "ios", "android", "sdk", "api"})
STOP_WORDS = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT")
START_WORDS = ("START", "YES", "UNSTOP")

# What providers and channels answer when a recipient has stopped, or never wanted, our messages.
# 21610 is Twilio's, under Smooch's error. https://www.twilio.com/docs/api/errors/21610
# https://developers.sinch.com/docs/conversation/api-reference (reason codes)
STOPPED = frozenset({"21610", "RECIPIENT_NOT_OPTED_IN", "RECIPIENT_OPTED_OUT"})

_COLUMNS = "place, account, channel, identity, consent, reason, said_at, event_id"


@dataclass(frozen=True, slots=True)
class Words:
    """The messages that are orders, when they say nothing else; case and blanks do not matter."""

    stop: frozenset[str]
    start: frozenset[str]

    @classmethod
    def of(cls, stop: Iterable[str], start: Iterable[str]) -> "Words":
        """From the settings of these names."""
        return cls(frozenset(map(_plain, stop)), frozenset(map(_plain, start)))


def _plain(text: str) -> str:
    return text.strip().casefold()


USUAL = Words.of(STOP_WORDS, START_WORDS)
_LONGEST = 160  # characters of a message that is looked at


@dataclass(frozen=True, slots=True)
class Said:
    """consent: "in" or "out". asked: whether the person wrote it, who may be told that it is so."""

    consent: str
    reason: str
    asked: bool = False


def said(event: Event, words: Words) -> Said | None:
    """What an event says of consent; None where it says nothing."""
    match event:
        case MessageReceived():  # nearly all of them
            return _spoken(event, words)
        case ConsentFailed():
            return None
        case Consent():
            return Said("out" if isinstance(event, ConsentOptedOut) else "in", event.type)
        case Receipt(error=Fault() as why):
            code = next((c for c in (why.code, why.underlying) if c in STOPPED), None)
            return Said("out", code) if code else None
    return None


def _spoken(event: MessageReceived, words: Words) -> Said | None:
    if event.channel not in SPOKEN or event.text is None:
        return None
    word = _plain(event.text) if len(event.text) <= _LONGEST else ""
    if word in words.stop:
        return Said("out", word, asked=True)
    return Said("in", word, asked=True) if word in words.start else None


def note(
    tx: Transaction, account: str, event: Event, what: Said, event_id: int, now: datetime
) -> None:
    """Keep what an event says, unless something later is known."""
    stop = event_id if what.asked and what.consent == "out" else None
    latest = (micros(event.occurred_at or now), what.consent)
    for place, channel, address in _places(account, event):
        there = tx.known("consent", "said_at, consent, event_id", "place", [place])
        known = there[0] if there else (-1, "", None)
        if latest > (known[0], known[1]):
            row = (place, account, channel, address, what.consent, what.reason, latest[0])
            tx.upsert("consent", _COLUMNS, [(*row, stop or known[2])], "place")
        elif stop and known[2] is None:  # the provider's own notice was faster
            tx.run("UPDATE consent SET event_id = ? WHERE place = ?", stop, place)


def _places(account: str, event: Event) -> list[tuple[bytes, str, str]]:
    """(place, channel, address) of those that an event is about; the address of a person is ""."""
    told = [
        (place, known.channel, known.identity or "")
        for known in event.identities
        if (isinstance(event, Consent) or known.channel == event.channel)
        and (place := keys.address(account, known))
    ]
    if told or event.user is None or event.channel is None:
        return told
    itself = _itself(event.user)
    if itself is not None and itself.channel == event.channel:
        place = keys.address(account, itself)
        return [(place, event.channel, itself.identity or "")] if place else []
    return [(_person(keys.user(account, event.user.id), event.channel), event.channel, "")]


def _itself(user: User) -> ChannelIdentity | None:
    """The address of a user who is known by nothing else (Sinch DISPATCH, SMS)."""
    channel, _, address = user.id.partition(":")
    return ChannelIdentity(channel, address) if channel in PHONE_CHANNELS and address else None


def _person(user_key: bytes, channel: str) -> bytes:
    return keys.digest("consent", user_key.hex(), channel)


@dataclass(frozen=True, slots=True)
class Letter:
    """An action that is about to be sent. `event_id`: what it answers; None: nothing.

    account: who sends it. heard: other accounts whose people's words count for it as well.
    """

    id: int
    account: str
    action: Action
    user: User | None
    user_key: bytes | None
    identities: Sequence[ChannelIdentity]
    event_id: int | None
    heard: tuple[str, ...] = ()


@dataclass(slots=True)
class _Target:
    letter: Letter
    channel: str
    places: list[bytes] = field(default_factory=list)


def refused(tx: Transaction, letters: Sequence[Letter]) -> set[int]:
    """The ids of those that would go to somebody who has refused messages on that channel.

    A link is among them too, whatever its confirmation: what is said next would go there. The
    first reply to the message by which they refused is not: it may confirm it.
    """
    heard = _heard(tx, letters)
    targets = [t for letter in letters if (t := _target(letter, heard)) is not None]
    if not targets:
        return set()
    _add_people(tx, targets)
    rows = tx.known(
        "consent",
        "place, said_at, consent, event_id",
        "place",
        {place for target in targets for place in target.places},
    )
    words = {bytes(row[0]): (row[1], row[2], row[3]) for row in rows}
    found = {}
    for target in targets:
        known = [words[place] for place in target.places if place in words]
        latest = max(known, key=lambda word: word[:2], default=None)
        if latest is not None and latest[1] == "out":
            found[target.letter.id] = {word[2] for word in known}
    confirming = _confirmations(tx, letters, found)
    return set(found) - confirming


def _heard(tx: Transaction, letters: Sequence[Letter]) -> dict[bytes, str]:
    """Whose account hears the people whom an Avaamo agent writes to: its own hears nobody."""
    people = {i.user_key for i in letters if isinstance(i.action, StartAvaamo) and i.user_key}
    if not people:
        return {}
    return {bytes(row[0]): row[1] for row in tx.known("app_user", "key, account", "key", people)}


def _target(letter: Letter, heard: Mapping[bytes, str]) -> _Target | None:
    """Where it will arrive, as far as that is known here; None where nobody can have refused."""
    where = _where(letter)
    if where is None or where.channel in _OWN:
        return None
    also = heard.get(letter.user_key or b"")
    accounts = {letter.account, *letter.heard, *([also] if also else [])}
    places = [place for name in accounts if (place := keys.address(name, where))]
    return _Target(letter, where.channel, places)


def _where(letter: Letter) -> ChannelIdentity | None:
    match letter.action:
        case Send(via=str() as channel, to=str() as address):
            return _at(channel, address)
        case Link(target=target):
            return _at(target.channel, target.address)
        case AddIdentity(channel=channel, identity=address, app_id=app):
            return _at(channel, address, app)
        case StartAvaamo(to_phone=str() as address):
            return _at("sms", address)
        case Send(via=wanted) | Reply(channel=wanted):
            return _reached(letter, wanted)
    return None


def _at(channel: str, address: str, app: str | None = None) -> ChannelIdentity:
    return ChannelIdentity(channel, normalise(channel, address), app_id=app)


def _reached(letter: Letter, wanted: str | None) -> ChannelIdentity | None:
    """Where a person is reached on a channel, or at all; without an address if none is known."""
    itself = _itself(letter.user) if letter.user else None
    active = [i for i in letter.identities if i.status == "active"] + ([itself] if itself else [])
    on = wanted or (active[0].channel if active else None)
    if on is None:
        return None
    known = (i for i in active if i.channel == on and i.identity)
    return next(known, ChannelIdentity(on))


def _add_people(tx: Transaction, targets: Sequence[_Target]) -> None:
    """What was said of a person counts under all the ids that mean them, too."""
    own = {key for target in targets if (key := _reader(target.letter))}
    aliases: dict[bytes, list[bytes]] = {key: [key] for key in own}
    for into, key in tx.known("app_user", "merged_into, key", "merged_into", own):
        aliases[bytes(into)].append(bytes(key))
    for target in targets:
        people = aliases.get(_reader(target.letter) or b"", [])
        target.places += [_person(key, target.channel) for key in people]


def _reader(letter: Letter) -> bytes | None:
    """Whom it is for; None where it goes to an address."""
    match letter.action:
        case Reply() | Send(to=None):
            return letter.user_key
    return None


def _confirmations(
    tx: Transaction, letters: Sequence[Letter], out: Mapping[int, Collection[int | None]]
) -> set[int]:
    """The ids of those that are the first reply to the very message by which somebody refused."""
    replies = {
        letter.id: letter.event_id
        for letter in letters
        if isinstance(letter.action, Reply)
        and letter.event_id is not None
        and letter.event_id in out.get(letter.id, ())
    }
    if not replies:
        return set()
    rows = tx.run(
        "SELECT min(id) FROM action WHERE kind = 'reply'"
        " AND event_id IN (SELECT value FROM numbers(?)) GROUP BY event_id",
        sorted(set(replies.values())),
    )
    return {row[0] for row in rows} & set(replies)
