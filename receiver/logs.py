"""
Logs: structlog, set up once; one line an event on stderr, JSON unless that is a terminal.

What must never be in a log is kept out twice: by its key, and in the finished line, tracebacks
included, by its looks (a phone number, a bearer token) and by what the settings say is secret.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from receiver.brief import brief
from receiver.redact import HIDDEN

# Loggers of others that have something to say when it is a warning; httpx logs URLs at INFO.
OTHERS = ("alembic", "asyncio", "httpcore", "httpx", "psycopg", "sqlalchemy", "uvicorn")

# Values under these keys, or keys that end so, are never written, at whatever depth.
# fmt: off
PRIVATE = frozenset({
    "address", "addresses", "authorization", "body", "content", "cookie", "criteria", "email",
    "external_id", "from", "headers", "identities", "identity", "key_secret", "params",
    "password", "payload", "phone", "phones", "raw", "recipient", "secret", "secrets",
    "signature", "text", "to", "to_phone", "token", "url", "webhook_secrets", "x-api-key",
})
# fmt: on
_PRIVATE_END = ("_secret", "_secrets", "_token", "_password", "_phone", "_url", "phonenumber")

_PHONE = re.compile(r"\+([1-9]\d\d)\d{4,11}(\d)")
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
SHORTEST = 6  # characters; a shorter secret would be found in everything


def get_logger(**bound: Any) -> Any:
    """A logger; how it writes is decided by `configure`, before or after this.

    bound: stands in each of its lines.
    """
    return structlog.get_logger(**bound)


def configure(
    format: Literal["auto", "json", "console"] = "auto",
    level: str = "info",
    *,
    hidden: Iterable[str] = (),
    extra: Sequence[Processor] = (),
    stream: TextIO | None = None,
) -> None:
    """Set up our loggers and those of the libraries; may be called again.

    hidden: texts that are replaced by stars wherever they stand in a line (the settings' secrets).
    extra:  processors that see each of our events before anything is hidden (metrics).
    stream: where to write; None is stderr.
    """
    out = stream or sys.stderr
    as_json = format == "json" or (format == "auto" and not out.isatty())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    after: list[Processor] = [redact, *_renderers(as_json, out.isatty()), _Hide(hidden)]
    structlog.configure(
        processors=[*before, *extra, *after],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _bridge(out, threshold, before, after)
    cheaply = as_json and not extra and threshold <= logging.INFO
    brief.write = out.write if cheaply else None


def frames(error: BaseException) -> dict[str, str]:
    """What an error of somebody else's code was and where it came from, without its message.

    A handler's exception may quote the very text that must not be in a log; the message is kept
    with the event (`hookline events show`).
    """
    found = traceback.extract_tb(error.__traceback__)[-4:]
    where = " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in found)
    return {"error": type(error).__name__, "at": where}


def _renderers(as_json: bool, colors: bool) -> list[Processor]:
    """From an event to a line. Tracebacks never show local variables: payloads are among them."""
    if not as_json:
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer()]


def _bridge(
    out: TextIO, threshold: int, before: Sequence[Processor], after: Sequence[Processor]
) -> None:
    """Let what libraries log by `logging` come out the same way."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *after],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    for name in OTHERS:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False


def redact(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Hide private values by their key, at any depth."""
    return cast(EventDict, _clean(event))


def _clean(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: HIDDEN if _private(key) else _clean(v) for key, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(inner) for inner in value]
        case _:
            return value


def _private(key: object) -> bool:
    name = str(key).lower()
    return name in PRIVATE or name.endswith(_PRIVATE_END)


class _Hide:
    """The last step: no secret, phone number or bearer token in the finished line."""

    def __init__(self, hidden: Iterable[str]) -> None:
        forms = {form for text in hidden for form in (text, json.dumps(text)[1:-1])}
        longest_first = sorted((f for f in forms if len(f) >= SHORTEST), key=len, reverse=True)
        self._secret = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, logger: WrappedLogger, name: str, line: Any) -> str:
        shown = self._secret.sub(HIDDEN, line)
        shown = _PHONE.sub(r"+\1***\2", shown)
        return _BEARER.sub(rf"\1 {HIDDEN}", shown)
