"""`hookline config`: the settings in force."""

from typing import Annotated, Any

import typer

from receiver.cli.app import app, load_settings, printable, say_json


@app.command()
def config(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show the settings in force, secrets hidden."""
    from receiver.settings import describe

    shown = describe(load_settings())
    if as_json:
        say_json(shown)
        return
    for line in _lines(shown):
        typer.echo(printable(line))


def _lines(shown: dict[str, Any]) -> list[str]:
    """As it would stand in the TOML file; what is not set is left out."""
    accounts = shown.pop("accounts")
    lines = _values(shown)
    for name, options in accounts.items():
        lines += ["", f"[accounts.{name}]", *_values(options)]
    return lines


def _values(table: dict[str, Any]) -> list[str]:
    from receiver.settings import as_toml

    return [f"{name} = {as_toml(value)}" for name, value in table.items() if value is not None]
