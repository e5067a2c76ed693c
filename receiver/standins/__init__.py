"""Stand-in providers: Starlette apps that behave as the real ones do, faults on demand."""
