"""Whether those to whom a command would send have refused it, as far as a database can tell."""

from pathlib import Path
from typing import TYPE_CHECKING

from receiver.cli.app import Failure
from receiver.cli.database import opened

if TYPE_CHECKING:
    from handlers.actions import Action
    from receiver.settings import Settings
    from storage.consent import Letter
    from storage.dialects import Transaction


def heed(settings: "Settings", account: str, action: "Action", user: str | None) -> None:
    """Raise Failure where the action would go to somebody who has refused messages there.

    user: the provider's id, an alias or the external id; None where the action names an address.
    Without a database there is nothing to heed; one that is there, but does not answer, is a
    Failure too: nobody is written to who may have refused it.
    """
    from storage import consent

    if not _is_there(settings.database_url.get_secret_value()):
        return
    with opened() as database, database.read() as tx:
        letters = _letters(tx, settings, account, action, user)
        refused = consent.refused(tx, letters)
    if refused:
        start = settings.start_words[:1] or ["the word that ends it"]
        raise Failure(
            "opted_out: whom this is for wants no messages there, so nothing was sent."
            f" It works again once they text {start[0]}, or the provider tells that they agreed"
        )


def _is_there(url: str) -> bool:
    """A server is taken to be there. To look into an SQLite file that is not would make it."""
    return not url.startswith("sqlite") or Path(url.removeprefix("sqlite:///")).exists()


def _letters(
    tx: "Transaction", settings: "Settings", account: str, action: "Action", user: str | None
) -> list["Letter"]:
    """The action as the outbox would have it, for all whom the name may mean."""
    from handlers.people import User
    from storage import keys, queries
    from storage.consent import Letter

    # An agent of Avaamo's hears nobody itself: what was said to any other account counts.
    elsewhere = settings.accounts[account].provider == "avaamo"
    heard = tuple(settings.accounts) if elsewhere else ()
    known = queries.users(tx, account, user, limit=0) if user else []
    if not known:
        someone = User(user) if user else None
        return [Letter(0, account, action, someone, None, (), None, heard)]
    return [
        Letter(
            n,
            account,
            action,
            User(one.id),
            keys.user(account, one.id),
            one.identities,
            None,
            heard,
        )
        for n, one in enumerate(known)
    ]
