"""
Proofs of durability that take minutes: `python -m tests.soak.NAME --help`.

Each stops by itself, tells its seed, and exits with 1 where a promise was broken. The suite has a
short version of each.
"""
