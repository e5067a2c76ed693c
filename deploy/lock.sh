#!/bin/sh
# Makes the two lock files anew, from pyproject.toml. Needs uv.
#
#   sh deploy/lock.sh              keeps what fits
#   sh deploy/lock.sh --upgrade    takes the newest of everything
set -eu
cd -- "$(dirname -- "$0")/.."

lock() {
    name=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        --output-file "deploy/$name" "$@" pyproject.toml >/dev/null
    if grep -n '://' "deploy/$name"; then
        echo "deploy/$name names a host" >&2
        exit 1
    fi
}

lock requirements.txt --group build "$@"
# The same versions, and the tests' own on top of them.
lock requirements-dev.txt --group build --group dev --constraint deploy/requirements.txt "$@"
