"""`hookline serve`, `work` and `migrate`: the process itself."""

from typing import Annotated, Any

import typer

from receiver.cli.app import Failure, app, say_json

Host = Annotated[str | None, typer.Option(help="The public listener's address.")]
PortNumber = Annotated[int | None, typer.Option(min=1, max=65535, help="Its port.")]


@app.command()
def serve(
    host: Host = None,
    port: PortNumber = None,
    no_work: Annotated[
        bool, typer.Option("--no-work", help="Only receive; `hookline work` does the rest.")
    ] = False,
) -> None:
    """Receive webhooks and run the handlers, until SIGTERM."""
    _start({"host": host, "port": port}, receives=True, works=not no_work)


@app.command()
def work() -> None:
    """Run the handlers and send, without receiving; any number of these over one PostgreSQL."""
    _start({}, receives=False, works=True)


def _start(overrides: dict[str, Any], *, receives: bool, works: bool) -> None:
    from receiver import settings
    from receiver.node import CannotStart
    from receiver.plugins import BadHandler
    from receiver.run import start

    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        start(settings.load(**given), receives=receives, works=works)
    except (CannotStart, BadHandler, OSError) as error:
        raise Failure(f"cannot start: {error}") from None


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is to be done; exit 1 if anything is.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Bring the database's schema up to date."""
    from receiver.cli.database import opened

    with opened(migrated=False) as database:
        found = database.pending() if check else database.migrate()
    if as_json:
        say_json({"pending" if check else "applied": found})
    else:
        what = "to be applied" if check else "applied"
        typer.echo(f"{what}: {', '.join(found)}" if found else "The schema is up to date.")
    if check and found:
        raise typer.Exit(1)
