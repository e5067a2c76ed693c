# Sourced by demo.sh and test.sh, with the project as the current folder.
#
#   setup requirements        .venv with what Hookline needs to run
#   setup requirements-dev    and with what its tests need
#
# Needs python 3.11 or newer; uses uv where there is one. What is there already is used again
# unless the lock file, pyproject.toml or the folder's place has changed.

log=$(mktemp)
trap 'rm -f "$log"' EXIT

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# step WORDS COMMAND...: one line that says what is done; the output only if it fails.
step() {
    printf '%s ... ' "$1" >&2
    shift
    if "$@" >"$log" 2>&1; then
        echo done >&2
    else
        status=$?
        echo failed >&2
        cat "$log" >&2
        exit "$status"
    fi
}

has() {
    command -v "$1" >/dev/null 2>&1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for python in python3.13 python3.12 python3.11 python3; do
        if has "$python" && new_enough "$python"; then
            return
        fi
    done
    python=
}

setup() {
    lock=deploy/$1.txt
    sum=$({ pwd; cat "$lock" pyproject.toml; } | cksum)
    if [ "$(cat ".venv/$1.sum" 2>/dev/null)" = "$sum" ] && [ -x .venv/bin/hookline ]; then
        return
    fi
    usable || make_environment
    step "Installing what deploy/$1.txt names" install --require-hashes -r "$lock"
    step "Installing Hookline" install --no-deps --no-build-isolation -e .
    # What the tests need holds all that running needs.
    if [ "$1" = requirements-dev ]; then
        { pwd; cat deploy/requirements.txt pyproject.toml; } | cksum >.venv/requirements.sum
    fi
    echo "$sum" >".venv/$1.sum"
}

# An environment that is there, still works, and can be installed into.
usable() {
    new_enough .venv/bin/python && { has uv || .venv/bin/python -c 'import pip' >/dev/null 2>&1; }
}

make_environment() {
    rm -rf .venv
    find_python
    if has uv; then
        step "Making .venv" uv venv --python "${python:->=3.11}" .venv
        return
    fi
    if [ -z "$python" ]; then
        fail "Hookline needs Python 3.11 or newer, and there is none in PATH." \
            "Debian, Ubuntu: apt-get install python3 python3-venv     macOS: brew install python"
    fi
    can_make_environments || add_venv
    step "Making .venv" "$python" -m venv .venv
}

# Debian has the standard library's venv in a package of its own.
can_make_environments() {
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1
}

add_venv() {
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if has apt-get && [ "$(id -u)" = 0 ]; then
        step "Installing $package" apt_install "$package"
    fi
    can_make_environments || fail "$python cannot make virtual environments." \
        "Debian, Ubuntu: sudo apt-get install $package     Anywhere: install uv. Then run this again."
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get install -y --no-install-recommends "$1" || {
        apt-get update && apt-get install -y --no-install-recommends "$1"
    }
}

install() {
    if has uv; then
        uv pip install --python .venv/bin/python "$@"
    else
        .venv/bin/python -m pip install --disable-pip-version-check "$@"
    fi
}
