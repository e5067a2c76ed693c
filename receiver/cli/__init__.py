"""The command line. `main` is what the `hookline` script runs."""

from receiver.cli.main import main

__all__ = ["main"]
