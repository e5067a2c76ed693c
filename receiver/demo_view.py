"""How the demo looks on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from receiver.accounts import Account
from receiver.listing import shown


def _asked(row: dict[str, Any]) -> str:
    """What was asked for, and how far it got."""
    action = row["action"]
    match row["kind"]:
        case "reply" | "send":
            via = f"via {action['via']} " if action.get("via") else ""
            what = f"{via}“{action['content'].get('text')}”"
        case "link":
            what = f"{action['target']['platform']} {action['target']['address']}"
        case "add_identity":
            what = f"{action['channel']} {action['identity']}"
        case _:
            what = ""
    return f"{what}  {row['status']}".strip()


class View:
    """Prints what happens, one line each."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def _line(self, mark: str, what: str, detail: str = "") -> None:
        self._say(f"  {mark} {what:<{30 - 2 * mark.startswith('   ')}} {escape(detail)}".rstrip())

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)

    def opening(self, public: str, handlers: Sequence[str]) -> None:
        """Where it runs."""
        self._say(
            f"[bold]Hookline[/bold] receives at {public}/webhooks/…  "
            f"handlers: {', '.join(handlers)}\n"
            "Smooch and Sinch are stand-ins on this machine; everything else is real."
        )

    def act(self, title: str, words: str) -> None:
        """Somebody writes."""
        self._say(f"\n[bold cyan]{title}[/bold cyan]  “{escape(words)}”")

    def webhook(self, account: str, trigger: str, response: httpx.Response) -> None:
        """The provider tells us."""
        ms = response.elapsed.total_seconds() * 1000
        self._line(
            "[green]→[/green]",
            f"webhook /webhooks/{account}",
            f"{trigger.partition('/')[0]}, verified, on disk, "
            f"answered {response.status_code} in {ms:.0f} ms",
        )

    def story(self, told: Sequence[Any], accounts: Mapping[str, Account]) -> None:
        """What came of it: events, identities, handlers, and what was sent."""
        known: set[str] = set()
        for row, runs, actions in told:
            event = shown(row, accounts)
            self._event(event, known)
            for run in runs:
                name = run["handler"].removeprefix("handlers.")
                self._line("   [magenta]ƒ[/magenta]", "handler", f"{name}  {run['outcome']}")
            for action in actions:
                colour = "green" if action["status"] == "sent" else "red"
                self._line(f"   [{colour}]←[/{colour}]", action["kind"], _asked(action))

    def _event(self, event: dict[str, Any], known: set[str]) -> None:
        user = (event["user"] or {}).get("id")
        self._line("[blue]●[/blue]", event["type"], f"user {user}" if user else "")
        for identity in event["identities"]:
            where = identity["identity"] or f"client {identity['client_id']}"
            line = f"{identity['channel']} {where}, {identity['status']}"
            if line not in known:
                known.add(line)
                self._line("   [yellow]@[/yellow]", "identity", line)

    def refusals(self, again: httpx.Response, new: int, forged: httpx.Response) -> None:
        """What is no news, and what is no webhook."""
        self._say("\n[bold cyan]And what should not count[/bold cyan]")
        self._line(
            "[green]→[/green]", "the first webhook again", f"{again.status_code}, {new} new events"
        )
        self._line("[green]→[/green]", "one with a forged key", f"{forged.status_code}, not parsed")

    def people(self, users: Sequence[Any], links: Sequence[Any]) -> None:
        """Who is known now, and how they can be reached."""
        table = Table(title="\nWho is known now", title_justify="left", box=None, pad_edge=False)
        for column in ("account", "user", "can be reached by"):
            table.add_column(column, style="bold" if column == "user" else None)
        for user in reversed(users):
            ways = "\n".join(
                f"{i.channel} {i.identity or ''} ({i.status})".replace("  ", " ")
                for i in user.identities
            )
            table.add_row(user.account, user.id, ways)
        self._console.print(table, highlight=False)
        for link in reversed(links):
            what = f"{link['platform']} {link['address']}: {link['status']}"
            self._line("[green]✓[/green]", f"link {link['account']}", what)

    def closing(self, missed: Sequence[str]) -> None:
        """The verdict."""
        if missed:
            for words in missed:
                self._say(f"\n[bold red]✗[/bold red] {escape(words)}")
        else:
            self._console.print("\n[bold green]✓ Everything happened.[/bold green]")

    def staying(self, public: str, admin: str) -> None:
        """What can be tried now."""
        self._console.print(
            f"\nStill running. Health: {admin}/readyz   Webhooks: {public}/webhooks/chat\n"
            "Ctrl-C ends it."
        )
