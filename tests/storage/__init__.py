"""Storage, on each database."""
