"""
All that a handler may know and ask.

Nothing is sent here: what a handler asks for is planned, and the plan is carried out only if the
handler returns. A handler that fails has sent nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from handlers.actions import (
    Action,
    AddIdentity,
    CreateUser,
    Link,
    MarkRead,
    Reply,
    Send,
    StartAvaamo,
    Typing,
    Unlink,
)
from handlers.checks import Delay, address, json_object, words
from handlers.content import Content
from handlers.errors import Elsewhere, OwnMessage
from handlers.event import Event, Receipt
from handlers.events import MessageSent
from handlers.links import Confirmation, Immediate, LinkRecord, Target
from handlers.log import SILENT, Log
from handlers.people import ChannelIdentity, User
from handlers.plan import Planned, linkable, message, planned
from handlers.states import Model, States

# Covariant: a handler of any Message takes the context of a MessageReceived.
E_co = TypeVar("E_co", bound=Event, covariant=True)

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_IMMEDIATE = Immediate()


class Context(Generic[E_co]):
    """One event, what is known of the user who caused it, and what may be done about it.

    event:      what happened.
    account:    the name of the account it came by; provider: that account's, "smooch", "sinch" ...
    now:        when this run of the handler began, aware; it is the handler's clock.
    identities: where the user can be reached: all that are known, in any status.
    links:      the links that were asked for, for this user.
    states:     state name -> JSON object, as `changed_states` gave it.
    match:      the named groups of the rule that matched; None for a group that took no part.
    elsewhere:  the integration that has the conversation, if it is known not to be ours.
    attempt:    1 at the first run, 2 after one failure ...
    error:      what a handler raised, for a handler of errors; None for all others.
    """

    def __init__(
        self,
        *,
        event: E_co,
        account: str,
        provider: str,
        now: datetime,
        identities: tuple[ChannelIdentity, ...] = (),
        links: tuple[LinkRecord, ...] = (),
        states: Mapping[str, Any] = _NOTHING,
        match: Mapping[str, str | None] = _NOTHING,
        elsewhere: str | None = None,
        attempt: int = 1,
        error: Exception | None = None,
        log: Log = SILENT,
    ) -> None:
        if now.tzinfo is None:
            raise ValueError("`now` has no time zone: use datetime.now(UTC)")
        self._event = event
        self.account = account
        self.provider = provider
        self.now = now
        self.identities = identities
        self.links = links
        self.match = match
        self.elsewhere = elsewhere
        self.attempt = attempt
        self.error = error
        self.log = log
        self._states = States(states)
        self._planned: list[Planned] = []

    @property
    def event(self) -> E_co:
        """What happened."""
        return self._event

    @property
    def user(self) -> User | None:
        """Whom the event is about; None where the provider names nobody."""
        return self._event.user

    @property
    def actions(self) -> tuple[Planned, ...]:
        """What was asked for so far, in order."""
        return tuple(self._planned)

    def identity(self, channel: str) -> ChannelIdentity | None:
        """Where the user is reached on `channel` now, one with a known address first; or None.

        Only active identities count; the others stand in `identities`.
        """
        found = [i for i in self.identities if (i.channel, i.status) == (channel, "active")]
        return next((i for i in found if i.identity is not None), found[0] if found else None)

    def state(self, model: type[Model]) -> Model:
        """What handlers remember of this user as `model`, or a fresh `model()`; see `States.of`.

        It is kept by the class's name, or its ClassVar `state_name`. Changes are saved when the
        handler succeeds. Without a user nothing can be remembered (ValueError).
        """
        self._need_user("remember a state")
        return self._states.of(model)

    def changed_states(self) -> dict[str, dict[str, Any]]:
        """The states that the handler altered, by name, as JSON objects."""
        return self._states.changed()

    def reply(
        self,
        content: Content | str,
        *,
        key: str | None = None,
        after: Delay | None = None,
        answer_own: bool = False,
        answer_elsewhere: bool = False,
        **options: Any,
    ) -> None:
        """Say something where the event happened.

        options: the provider's own keys, as for `Reply`. Raises OwnMessage on a MessageSent or a
        receipt unless `answer_own`, Elsewhere (a Drop) where another integration has the
        conversation unless `answer_elsewhere`, ValueError where the event names neither a user nor
        a conversation.
        """
        self._guard(answer_own, answer_elsewhere)
        self._need_somebody("reply to")
        reply = Reply(
            content=message(content),
            channel=self.event.channel,
            conversation_id=self.event.conversation_id,
            options=json_object(options, "options"),
        )
        self._plan(reply, key, after)

    def send(
        self,
        content: Content | str,
        *,
        via: str | None = None,
        to: str | None = None,
        key: str | None = None,
        after: Delay | None = None,
        answer_own: bool = False,
        answer_elsewhere: bool = False,
        **options: Any,
    ) -> None:
        """Say something on the channel `via` (None: where the user is reached best).

        to: an address on `via`, for somebody else than the user. Raises as `reply` does.
        """
        self._guard(answer_own, answer_elsewhere or to is not None)
        if to is None:
            self._need_somebody("send to")
        elif via is None:
            raise ValueError("`to` is an address on a channel: say which, via=...")
        send = Send(
            content=message(content),
            via=via if via is None else words(via, "via"),
            to=to if to is None else address(str(via), to, "to"),
            conversation_id=self.event.conversation_id if to is None else None,
            options=json_object(options, "options"),
        )
        self._plan(send, key, after)

    def link(
        self,
        target: Target,
        confirmation: Confirmation = _IMMEDIATE,
        *,
        note: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> None:
        """Ask for a channel to be linked to the user.

        The outcome is an event of its own: LinkSucceeded, LinkFailed or LinkExpired, which has
        `note` in `event.link.note`. Raises ValueError without a user or for a pairing that the
        provider forbids, TypeError for what is no target.
        """
        self._need_user("link a channel")
        link = Link(
            target=linkable(target),
            confirmation=confirmation,
            note=json_object(note, "note"),
            conversation_id=self.event.conversation_id,
        )
        self._plan(link, key)

    def unlink(self, channel: str, *, client_id: str | None = None) -> None:
        """Take a channel away from the user: this client of it, or the one that is active."""
        self._need_user("unlink a channel")
        named = [i for i in self.identities if (i.channel, i.client_id) == (channel, client_id)]
        found = self.identity(channel) if client_id is None else next(iter(named), None)
        known = found or ChannelIdentity(words(channel, "channel"), client_id=client_id)
        self._plan(Unlink(channel=channel, client_id=known.client_id, platform=known.platform))

    def add_identity(
        self,
        channel: str,
        identity: str,
        *,
        app_id: str | None = None,
        note: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an address to the user's contact (Sinch). The outcome comes as a link's does."""
        self._need_user("add an identity")
        add = AddIdentity(
            channel=words(channel, "channel"),
            identity=address(channel, identity, "identity"),
            app_id=app_id,
            note=json_object(note, "note"),
        )
        self._plan(add)

    def create_user(
        self,
        *,
        external_id: str | None = None,
        given_name: str | None = None,
        surname: str | None = None,
        email: str | None = None,
        identities: tuple[tuple[str, str], ...] = (),
        language: str | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a user before they write: Smooch needs `external_id`, Sinch `identities`."""
        if not external_id and not identities:
            raise ValueError(
                "nobody to create: give external_id, or identities=((channel, address),)"
            )
        create = CreateUser(
            external_id=external_id,
            given_name=given_name,
            surname=surname,
            email=email,
            identities=tuple((on, address(on, at, "identities")) for on, at in identities),
            language=language,
            properties=json_object(properties, "properties"),
        )
        self._plan(create)

    def typing(self, on: bool = True) -> None:
        """Show, or end, the typing indicator where the event happened."""
        self._need_somebody("show typing to")
        where = self.event.conversation_id
        self._plan(Typing(on=on, conversation_id=where, channel=self.event.channel))

    def mark_read(self) -> None:
        """Tell the person that their message was read."""
        self._need_somebody("tell")
        event, where = self.event, self.event.conversation_id
        read = MarkRead(conversation_id=where, message_id=event.message_id, channel=event.channel)
        self._plan(read)

    def start_avaamo(self, account: str, /, *, to_phone: str | None = None, **params: Any) -> None:
        """Let the Avaamo agent of `account` greet `to_phone` by SMS; `params` are for the agent.

        to_phone: with country code; None where the agent's own authentication finds it.
        """
        start = StartAvaamo(
            account=words(account, "account"),
            to_phone=None if to_phone is None else address("sms", to_phone, "to_phone"),
            params=json_object(params, "params"),
        )
        self._plan(start)

    def _plan(self, action: Action, key: str | None = None, after: Delay | None = None) -> None:
        self._planned.append(planned(action, key, after))

    def _guard(self, answer_own: bool, answer_elsewhere: bool) -> None:
        if isinstance(self.event, MessageSent | Receipt) and not answer_own:
            raise OwnMessage(f"{self.event.type} is about our own words: say answer_own=True")
        if self.elsewhere is not None and not answer_elsewhere:
            raise Elsewhere(f"{self.elsewhere} has the word: say answer_elsewhere=True")

    def _need_user(self, purpose: str) -> None:
        if self.user is None:
            raise ValueError(f"cannot {purpose}: {self.event.type} names no user (see ctx.user)")

    def _need_somebody(self, purpose: str) -> None:
        if self.user is None and self.event.conversation_id is None:
            what = f"nobody to {purpose}: {self.event.type} names no user"
            raise ValueError(f"{what}; send(..., via=..., to=...) says whom")
