"""What the machine is, which core is whose, and how much memory a group of processes has."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where. None: no pinning, for want of a second core or of the system call."""

    server: int | None = None
    client: int | None = None


def cores() -> Cores:
    """The first core for the server, the last for the client."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores()
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[-1]) if len(allowed) > 1 else Cores()


def pin(pid: int, core: int | None) -> None:
    """Keep a process (0: this one) to a core. Its later threads and children inherit that."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {core})


def describe(folder: Path) -> dict[str, Any]:
    """The machine in a few words. folder: where the databases are, for its file system."""
    pinned = cores()
    return {
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "server_core": pinned.server,
        "client_core": pinned.client,
        "disk": _file_system(folder),
    }


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str | None:
    """Its type ("ext4", "tmpfs"); None where the system does not say."""
    mounts = [line.split() for line in _lines("/proc/mounts")]
    above = [(len(m[1]), m[2]) for m in mounts if folder.resolve().is_relative_to(m[1])]
    return max(above)[1] if above else None


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def memory(group: int) -> float | None:
    """MiB resident of all processes of a process group; None where there is no /proc."""
    sizes = [_resident(pid) for pid in _pids() if _group_of(pid) == group]
    return round(sum(sizes) / 1024, 1) if sizes else None


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:  # it has ended meanwhile
        return None


def _resident(pid: int) -> int:
    """KiB."""
    for line in _lines(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
