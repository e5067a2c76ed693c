"""Starts servers as processes of their own, and ends what it started and nothing else."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from receiver.bench import machine

PATIENCE = 30.0  # seconds until a server that does not listen has failed
GRACE = 12.0  # seconds until one that does not stop is killed

HOOKLINE = (sys.executable, "-c", "from receiver.cli import main; main()")


class Failed(Exception):
    """A measurement could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """arguments: the program and what it is given. env: beside our own. folder: where it runs."""

    arguments: Sequence[str]
    folder: Path
    env: Mapping[str, str]


@contextmanager
def running(command: Command, core: int | None, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The process while the block runs, as a group of its own; what it says goes to `log`."""
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603
            list(command.arguments),
            cwd=command.folder,
            env={**_clean(os.environ), **command.env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        machine.pin(process.pid, core)
        yield process
    finally:
        _end(process)


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings of an installation that is none of our business."""
    return {name: value for name, value in environ.items() if not name.startswith("HOOKLINE_")}


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number, wait in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait)
            break
    with contextlib.suppress(ProcessLookupError):  # a worker that outlived its master
        os.killpg(process.pid, signal.SIGKILL)


def wait_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Until the port takes connections. Raises Failed."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            raise Failed(f"the server ended: {last_line(log)}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise Failed(f"the server does not listen after {PATIENCE:g} s: {last_line(log)}")


def last_line(log: Path) -> str:
    """The last thing that a process said, the last error if there is one."""
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    said = [line.strip() for line in lines if any(c.isalnum() for c in line)]
    errors = [line for line in said if "Error" in line]
    return (errors or said or ["it said nothing"])[-1][:300]
