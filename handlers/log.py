"""How a handler logs: by a value that it is given, never by one that it fetches."""

from typing import Any, Protocol


class Log(Protocol):
    """A structlog logger will do, bound to the account and the event."""

    def debug(self, event: str, **values: Any) -> Any: ...
    def info(self, event: str, **values: Any) -> Any: ...
    def warning(self, event: str, **values: Any) -> Any: ...
    def error(self, event: str, **values: Any) -> Any: ...


class Silent:
    """A log that keeps nothing."""

    def debug(self, event: str, **values: Any) -> None:
        """Keep nothing."""

    info = warning = error = debug


SILENT = Silent()
