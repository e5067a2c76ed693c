"""Who is measured: the floor, Hookline itself, and the peers that a folder's `peers.toml` names."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from receiver.bench import databases
from receiver.bench.bodies import SECRETS
from receiver.bench.processes import HOOKLINE, Command, Failed, running, wait_listening
from receiver.serving import free_port

FLOOR = "floor"
OURS = "hookline"
HOME = Path(
    os.environ.get("BENCH_PEERS_HOME")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hookline-peers"
)

# What Hookline needs to take the webhooks, and to send to a stand-in.
_ACCOUNTS: dict[str, dict[str, Any]] = {
    "chat": {
        "provider": "smooch",
        "app_id": "6f1a2b3c4d5e6f7081920a1b",
        "key_id": "app_bench",
        "key_secret": "a key of the bench, of thirty-two bytes",
    },
    "texts": {
        "provider": "sinch",
        "project_id": "3f2a1b0c-9d8e-4f7a-8b6c-5d4e3f2a1b0c",
        "app_id": "01HSIM0APP0000000000000001",
        "key_id": "bench",
        "key_secret": "a key of the bench",
    },
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that can be measured.

    run:    its command; `beside`: those that it needs. In them {python} is the Python and {home}
            the folder of the peers' parts, {port} where it must listen, {spare} another free port.
    env:    more for its environment, with the same marks.
    stores: False for one that can be sent the same webhook again.
    stored: events in its database when it begins.
    """

    name: str
    run: Sequence[str]
    beside: Sequence[Sequence[str]] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()
    stores: bool = True
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Peers:
    """Those that can take part, and why others cannot, by name."""

    there: tuple[Contender, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Server:
    """A running contender. group: of its processes."""

    port: int
    group: int
    log: Path


def floor() -> Contender:
    """uvicorn, doing nothing."""
    return Contender(FLOOR, ("{own}", "-m", "receiver.bench.floor", "{port}"), stores=False)


def hookline(stored: int, *, works: bool) -> Contender:
    """The real `hookline serve`."""
    arguments = ("serve",) if works else ("serve", "--no-work")
    name = f"{OURS} on {stored:,}" if stored else OURS
    return Contender(name, (*HOOKLINE, *arguments), stored=stored)


def settings_file(
    folder: Path,
    database: str,
    port: int,
    handlers: Sequence[str] = (),
    base_url: str | None = None,
) -> Path:
    """Settings for a Hookline that takes the bench's webhooks. base_url: of the stand-in."""
    lines = [
        f"database_url = {json.dumps(database)}",
        f"handlers = {json.dumps(list(handlers))}",
        f"port = {port}",
        f"admin_port = {free_port()}",
    ]
    for name, options in _ACCOUNTS.items():
        lines.append(f"[accounts.{name}]")
        given = {**options, "webhook_secrets": [SECRETS[name].decode()]}
        if base_url is not None:
            given["base_url"] = base_url
            given |= {"auth_url": f"{base_url}/oauth2/token"} if name == "texts" else {}
        lines += [f"{key} = {json.dumps(value)}" for key, value in given.items()]
    file = folder / "hookline.toml"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


@contextmanager
def serving(
    contender: Contender, database: str, folder: Path, core: int | None
) -> Iterator[Server]:
    """The contender, listening, on this database. Raises Failed."""
    port, spare = free_port(), free_port()
    log = folder / "server.log"
    log.write_bytes(b"")
    settings = settings_file(folder, database, port)
    env = {"HOOKLINE_CONFIG": str(settings)} if contender.name.startswith(OURS) else {}
    env |= _env(contender, database, port, spare)
    with ExitStack() as stack:
        for needed in contender.beside:
            beside = Command(filled(needed, port, spare), folder, env)
            stack.enter_context(running(beside, core, log))
        command = Command(filled(contender.run, port, spare), contender.folder.resolve(), env)
        process = stack.enter_context(running(command, core, log))
        wait_listening(process, port, log)
        yield Server(port, process.pid, log)


def _env(contender: Contender, database: str, port: int, spare: int) -> dict[str, str]:
    given = dict(zip(contender.env, filled(list(contender.env.values()), port, spare), strict=True))
    return {
        "BENCH_DATABASE": database,
        "BENCH_SMOOCH_SECRET": SECRETS["chat"].decode(),
        "BENCH_SINCH_SECRET": SECRETS["texts"].decode(),
        "BENCH_PEERS_HOME": str(HOME),
        **given,
    }


def filled(parts: Sequence[str], port: int = 0, spare: int = 0) -> list[str]:
    """A command with its marks replaced (see Contender); {own} is the Python that runs this."""
    own = HOME / "venv" / "bin" / "python"
    marks = {
        "{own}": sys.executable,
        "{python}": str(own),
        "{bin}": str(own.parent),
        "{home}": str(HOME),
        "{port}": str(port),
        "{spare}": str(spare),
    }
    filled = list(parts)
    for mark, value in marks.items():
        filled = [part.replace(mark, value) for part in filled]
    return filled


def peers(folder: Path, bench: str, database: str, only: Sequence[str] = ()) -> Peers:
    """Those of `folder`/peers.toml that take part in this bench on this database.

    only: their names; empty: all. One whose parts are missing is left out. Raises Failed.
    """
    file = folder / "peers.toml"
    try:
        tables = tomllib.loads(file.read_text("utf-8")).get(bench, {})
    except (OSError, ValueError) as error:
        raise Failed(f"{file} cannot be read: {error}") from None
    unknown = set(only) - set(tables)
    if unknown:
        raise Failed(f"{file} has no {bench}.{min(unknown)}; there is {', '.join(tables)}")
    there, left_out = [], {}
    for name, table in tables.items():
        if (only and name not in only) or databases.kind(database) not in table["databases"]:
            continue
        reason = _lacks(table.get("needs", []), folder)
        if reason is None:
            there.append(_peer(name, table, folder))
        else:
            left_out[name] = reason
    return Peers(tuple(there), left_out)


def _peer(name: str, table: Mapping[str, Any], folder: Path) -> Contender:
    return Contender(name, table["run"], table.get("beside", []), table.get("env", {}), folder)


def _lacks(needs: Sequence[Sequence[str]], folder: Path) -> str | None:
    """What is missing: the first of these commands that does not succeed, in its own words."""
    for need in needs:
        command = filled(need)
        env = {**os.environ, "BENCH_PEERS_HOME": str(HOME)}
        try:
            tried = subprocess.run(  # noqa: S603
                command, capture_output=True, timeout=60, cwd=folder, env=env, check=False
            )
        except OSError:
            return f"{command[0]} is not there"
        if tried.returncode:
            said = tried.stderr.decode("utf-8", "replace").strip().splitlines()
            errors = [line for line in said if "Error" in line]
            return (errors or said or ["it failed"])[-1][:200]
    return None
