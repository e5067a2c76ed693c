"""What is remembered: SQL only, for SQLite and PostgreSQL."""
