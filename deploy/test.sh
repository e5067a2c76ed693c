#!/bin/sh
# The checks and the tests: sh deploy/test.sh [what pytest takes]
#
# With HOOKLINE_TEST_STRICT=1 nothing is skipped: a real part that is missing is a failure.
set -eu
cd -- "$(dirname -- "$0")/.."
. deploy/setup.sh

setup requirements-dev
PATH=$PWD/.venv/bin:$PATH
export PATH

step "ruff check" ruff check
step "ruff format" ruff format --check
step "mypy" mypy
if [ "${HOOKLINE_TEST_STRICT:-}" = 1 ]; then
    step "PostgreSQL and nginx" python -m tests.parts
fi
rm -f "$log"
exec python -m pytest -n auto "$@"
