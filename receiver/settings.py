"""
The settings of one installation: `load` reads them, `describe` shows them, `documented` lists them.

Anything that is not understood stops the start, with all problems in one message: a setting that
is spelt wrong and silently ignored is worse than one that is missing.
"""

import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails

from receiver.kinds import Database, Delay, Peer, Port, Slug, Word
from receiver.options import AccountOptions, Secret
from receiver.redact import hide_password, password_in, secrets_in, shown
from receiver.registry import PROVIDERS
from receiver.sources import (
    BadSettings,
    Entry,
    Problem,
    decode,
    flat,
    from_environment,
    from_file,
    from_folder,
    merge,
    nearest,
    origin_of,
    variable,
)
from storage.consent import START_WORDS, STOP_WORDS

__all__ = ["BadSettings", "Problem", "Settings", "describe", "documented", "load", "secrets"]

FILE = "hookline.toml"

if TYPE_CHECKING:
    Account = AccountOptions
else:
    Account = Annotated[
        Union[tuple(p.options for p in PROVIDERS.values())],  # noqa: UP007
        Discriminator("provider"),
    ]


class Settings(BaseModel):
    """Everything that can be set. Times: seconds, or "30s", "5m", "24h", "7d".

    database_url: where everything is kept: sqlite:///hookline.db or postgresql://user:password@host/name.
    handlers: your routers, in order: a module, module:router, or a file.
    host: the address of the public listener, which serves the webhooks and nothing else.
    port: its port.
    uds: a Unix socket in place of host and port, for a proxy on the same machine.
    admin_host: the address of the admin listener, which tells its health.
    admin_port: its port.
    admin_token: what `/readyz` wants as a bearer token; needed when it is not on the loopback.
    max_body_bytes: the longest body that is taken, in bytes; a longer one is a 413.
    header_timeout: how long a request may take to send its headers.
    body_timeout: how long it may take to send its body.
    trusted_proxies: addresses or networks whose X-Forwarded headers are believed.
    log_format: json, console, or auto: console on a terminal, else json.
    log_level: debug, info, warning or error.
    concurrency: how many handlers run at once.
    handler_timeout: how long one handler may take.
    max_attempts: how often an event or an action is tried before it is a dead letter.
    lease: how long claimed work belongs to a worker that no longer says anything.
    link_expiry: how long the outcome of a link is waited for.
    queue_limit: how many requests may wait for the database before new ones are told to come later.
    spool_dir: the folder where webhooks wait while the database is away; "" for none. Without it
        `hookline-spool` in this folder with PostgreSQL, and none with SQLite, whose disk it shares.
    spool_max_bytes: how much may wait there, in bytes, before new ones are told to come later.
    quarantine_requests: how many refused requests are kept, a tenth of them from one sender.
    quarantine_bytes: how many bytes of them; the oldest make room.
    quarantine_age: how long they are kept.
    stop_words: the whole of a text message by which a person wants no more of them on that channel.
    start_words: the whole of one by which they do again.
    keep_payloads: how long bodies are kept once their events are done.
    keep_events: how long the rest is kept, the dedup keys among it.
    accounts: one table for each integration; its name is the last part of the webhook's URL.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    database_url: Database = SecretStr("sqlite:///hookline.db")
    handlers: list[str] = []
    host: str = "127.0.0.1"
    port: Port = 8000
    uds: str | None = None
    admin_host: str = "127.0.0.1"
    admin_port: Port = 8001
    admin_token: Secret | None = None
    max_body_bytes: PositiveInt = 1_048_576
    header_timeout: Delay = timedelta(seconds=10)
    body_timeout: Delay = timedelta(seconds=15)
    trusted_proxies: list[Peer] = ["127.0.0.1"]
    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    concurrency: PositiveInt = 100
    handler_timeout: Delay = timedelta(seconds=30)
    max_attempts: PositiveInt = 12
    lease: Delay = timedelta(seconds=60)
    link_expiry: Delay = timedelta(hours=24)
    queue_limit: PositiveInt = 1000
    spool_dir: str | None = None
    spool_max_bytes: PositiveInt = 1_073_741_824
    quarantine_requests: PositiveInt = 10_000
    quarantine_bytes: PositiveInt = 67_108_864
    quarantine_age: Delay = timedelta(days=7)
    stop_words: list[Word] = list(STOP_WORDS)
    start_words: list[Word] = list(START_WORDS)
    keep_payloads: Delay = timedelta(days=30)
    keep_events: Delay = timedelta(days=180)
    accounts: dict[Slug, Account] = {}


def load(
    path: Path | None = None, environ: Mapping[str, str] = os.environ, **overrides: Any
) -> Settings:
    """The settings in force. `overrides` (the command line) win over the environment, that over
    the secrets folder, that over the TOML file: `path`, else $HOOKLINE_CONFIG, else hookline.toml
    in this folder if there is one. A file or folder that is named must be there.

    Raises BadSettings with everything that is wrong.
    """
    entries, problems = _decoded(_entries(path, environ, overrides))
    tree, clashes = merge(entries)
    problems += clashes
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        problems += [_problem(found, tree, entries) for found in error.errors()]
    if problems:
        raise BadSettings(problems)
    return settings


def _entries(
    path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> Iterator[Entry]:
    """All there is, the strongest first."""
    yield from flat(overrides, "the command line")
    yield from from_environment(environ)
    if folder := environ.get("HOOKLINE_SECRETS_DIR"):
        yield from from_folder(Path(folder))
    named = path or environ.get("HOOKLINE_CONFIG")
    if named or Path(FILE).exists():
        yield from from_file(Path(named or FILE))


def _decoded(entries: Iterable[Entry]) -> tuple[list[Entry], list[Problem]]:
    good: list[Entry] = []
    problems = []
    for entry in entries:
        try:
            good += decode(entry, _shape)
        except ValueError as error:
            problems.append(Problem(".".join(entry.path), entry.origin, str(error)))
    return good, problems


def _shape(path: tuple[str, ...]) -> type:
    """What the setting at `path` wants: list, dict, timedelta, or object for all the rest.

    A name means the same in every provider's options, so the provider need not be known here.
    """
    match path:
        case ("accounts", _):
            return dict
        case ("accounts", _, name):
            models: Iterable[type[BaseModel]] = (p.options for p in PROVIDERS.values())
        case (name,):
            models = (Settings,)
        case _:
            return object
    fields = (m.model_fields[name].annotation for m in models if name in m.model_fields)
    annotation = next(fields, object)
    kind = get_origin(annotation) or annotation
    return kind if kind in (list, dict, timedelta) else object


# Pydantic's own words, where they could be clearer. The rest it says well enough.
_WORDS = {
    "extra_forbidden": "there is no such setting",
    "missing": "is missing",
    "union_tag_not_found": "has no provider",
    "string_pattern_mismatch": "is no name for an account: a letter, then letters, digits or _,"
    " in lower case",
    "dict_type": "should be a table",
    "model_type": "should be a table",
    "model_attributes_type": "should be a table",
    "string_type": "should be text, in quotes",
    "timezone_aware": "has no time zone: write 2026-12-31T12:00:00Z, or +01:00 for the Z",
}


def _problem(found: ErrorDetails, tree: Mapping[str, Any], entries: list[Entry]) -> Problem:
    path = _path(found["loc"], tree)
    origin = origin_of(path, entries)
    what = _WORDS.get(found["type"]) or found["msg"].removeprefix("Value error, ")
    hint = _hint(found, path, tree)
    if found["type"] == "union_tag_invalid":
        path, what = (*path, "provider"), f"there is no such provider ({', '.join(PROVIDERS)})"
    elif hint and origin == variable(path):
        hint = variable((*path[:-1], hint))
    return Problem(".".join(path), origin, what, hint)


def _path(loc: tuple[int | str, ...], tree: Mapping[str, Any]) -> tuple[str, ...]:
    """Pydantic's place of an error without what no setting is called: its union's tags."""
    match loc:
        case ("accounts", name, _, *rest) if name in tree["accounts"]:
            return ("accounts", str(name), *(str(step) for step in rest if step != "[key]"))
        case _:
            return tuple(str(step) for step in loc)


def _hint(found: ErrorDetails, path: tuple[str, ...], tree: Mapping[str, Any]) -> str | None:
    """The right name that is nearest to a wrong one."""
    match found["type"], path:
        case "extra_forbidden", ("accounts", account, name, *_):
            options = PROVIDERS[tree["accounts"][account]["provider"]].options
            return nearest(name, options.model_fields)
        case "extra_forbidden", (name, *_):
            return nearest(name, Settings.model_fields)
        case "union_tag_invalid", (_, account, *_):
            return nearest(str(tree["accounts"][account]["provider"]), PROVIDERS)
        case "string_pattern_mismatch", (_, account, *_):
            slug = re.sub(r"[^a-z0-9_]", "_", account.lower())
            return slug if slug[:1].isalpha() else None
        case _:
            return None


def describe(settings: Settings) -> dict[str, Any]:
    """The settings in force as JSON can hold them, secrets as stars, times as they are written."""
    url = settings.database_url.get_secret_value()
    return {**shown(settings.model_dump()), "database_url": hide_password(url)}


def secrets(settings: Settings) -> list[str]:
    """Every secret text there is, for those who must not let it out."""
    password = password_in(settings.database_url.get_secret_value())
    return [*secrets_in(settings.model_dump(exclude={"database_url"})), *password]


def documented() -> list[tuple[str, str, str]]:
    """(name, default, meaning) of every setting, from the docstring of Settings."""
    meanings = re.findall(r"^(\w+): (.+(?:\n .+)*)$", inspect.getdoc(Settings) or "", re.MULTILINE)
    defaults = describe(Settings())
    return [(name, as_toml(defaults[name]), " ".join(text.split())) for name, text in meanings]


def as_toml(value: Any) -> str:
    forms: dict[type, Callable[[Any], str]] = {
        str: lambda text: f'"{text}"',
        list: lambda items: f"[{', '.join(map(as_toml, items))}]",
        bool: lambda flag: str(flag).lower(),
        type(None): lambda _: "",
    }
    return forms.get(type(value), str)(value)
