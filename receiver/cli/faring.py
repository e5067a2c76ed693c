"""`hookline accounts`: how each account fares."""

from dataclasses import asdict
from datetime import UTC, datetime

from receiver.cli.app import app, load_settings
from receiver.cli.database import opened
from receiver.cli.looking import JsonFlag, show

COLUMNS = ["account", "provider", "rate", "queued", "dead", "paused_until", "error"]


@app.command()
def accounts(as_json: JsonFlag = False) -> None:
    """What waits to be sent by each account, and whether it is paused."""
    from storage import rates

    with opened() as database, database.read() as tx:
        states = rates.states(tx, datetime.now(UTC))
    configured = load_settings().accounts
    rows = [
        {"account": name, "provider": options.provider, "rate": options.rate}
        | asdict(states.get(name, rates.State()))
        for name, options in configured.items()
    ]
    show(rows, COLUMNS, as_json)
