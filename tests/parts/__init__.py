"""Real parts that tests run against: PostgreSQL, nginx, processes."""
