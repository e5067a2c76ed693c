"""`hookline demo`: see it work."""

import asyncio
from typing import Annotated

import typer

from receiver.cli.app import Failure, app


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End when all has happened; exit 1 if it has not.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65534, help="Where it listens.")] = 8000,
) -> None:
    """Show everything on this machine: webhooks in, identities, replies and a link out."""
    from rich.console import Console

    from receiver import demo as stage
    from receiver.logs import configure

    configure("auto", "error")
    try:
        missed = asyncio.run(stage.run(Console(), once=once, port=port))
    except OSError as error:
        raise Failure(f"{error}; choose another by --port") from None
    if missed:
        raise typer.Exit(1)
