#!/bin/sh
# Installs the peers' parts into a folder of their own: BENCH_PEERS_HOME, else the user's cache.
# Whatever cannot be installed leaves its peers out of the bench, and nothing else.
set -u
here=$(cd "$(dirname "$0")" && pwd)
home=${BENCH_PEERS_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/hookline-peers}
mkdir -p "$home"

"${PYTHON:-python3}" -m venv "$home/venv" &&
    "$home/venv/bin/python" -m pip install --quiet --upgrade --requirement "$here/requirements.txt" ||
    echo "prepare: the Python peers are incomplete" >&2

if command -v npm >/dev/null; then
    cp "$here/package.json" "$home/package.json"
    npm install --prefix "$home" --no-package-lock --no-audit --no-fund --silent ||
        echo "prepare: the Node peers are incomplete" >&2
fi
command -v redis-server >/dev/null || echo "prepare: no redis-server, so no peer with Redis" >&2
echo "$home"
