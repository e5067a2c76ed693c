"""`hookline` commands that are killed, stopped and started again, and their settings."""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from receiver.settings import as_toml
from tests.parts import postgres
from tests.parts.postgres import Server
from tests.parts.process import COMMAND

KINDS = ("sqlite", "postgresql")
BACK = 10.0  # seconds until what is not needed any more must be closed
SPARE = 10  # files that may come to it: a pool's five connections to SQLite, of two files each
START = 60.0  # seconds that a start may take
PATIENCE = 20.0  # seconds that a stop may take; it takes ten at most


class Hookline:
    """One command, each time with the same settings and the same addresses.

    folder: where it runs; its log is there. env: beside our own.
    """

    def __init__(self, folder: Path, toml: str, *arguments: str, **env: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hookline.toml").write_text(toml)
        self.folder = folder
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self._arguments = arguments
        plain = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
        self._env = {**plain, **env}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Of the running one."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Once more; it is not ready yet when this returns."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *self._arguments],
                cwd=self.folder,
                env=self._env,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL: it learns nothing of it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def signal(self, number: int) -> None:
        """Send it."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.signal(signal.SIGTERM)
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def heeds_stop(self) -> bool:
        """Whether it has come so far that SIGTERM does not end it at once. Linux only."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> signal.SIGTERM - 1 & 1)

    def stop_when_up(self) -> int:
        """SIGTERM once it heeds it; its exit code."""
        until = time.monotonic() + START
        while not self.heeds_stop() and time.monotonic() < until:
            time.sleep(0.02)
        return self.stop()

    def descriptors(self) -> int:
        """How many files and sockets the running one has open. Linux only."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def freed(self, before: int) -> int:
        """The same once it is about as few as before, or after a while."""
        until = time.monotonic() + BACK
        while self.descriptors() > before + SPARE and time.monotonic() < until:
            time.sleep(0.05)
        return self.descriptors()

    def memory(self) -> float:
        """MiB resident. Linux only."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return round(pages * resource.getpagesize() / 2**20, 1)

    def surprises(self) -> int:
        """How often its log tells of an exception that nobody expected."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return sum(text.count(mark) for mark in ("Traceback (most recent", '"exception": '))


def toml(settings: Mapping[str, Any], accounts: Mapping[str, Mapping[str, Any]]) -> str:
    """A hookline.toml."""
    lines = [f"{name} = {as_toml(value)}" for name, value in settings.items()]
    for name, options in accounts.items():
        lines += [f"[accounts.{name}]", *(f"{k} = {as_toml(v)}" for k, v in options.items())]
    return "\n".join(lines) + "\n"


@contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, Server | None]]:
    """The URL of a new one, and the server that has it; None where it is a file in the folder."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/hookline.db", None
        return
    with postgres.server() as running:
        yield postgres.create_database(running.url, "soak"), running
