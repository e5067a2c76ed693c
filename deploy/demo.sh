#!/bin/sh
# Everything on this machine, in a minute: sh deploy/demo.sh [--once] [--port PORT]
set -eu
cd -- "$(dirname -- "$0")/.."
. deploy/setup.sh

setup requirements
rm -f "$log"
exec .venv/bin/hookline demo "$@"
