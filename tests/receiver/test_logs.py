"""The logs: one line an event, and nothing in it that must not be seen."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from receiver import logs
from receiver.brief import brief

CANARY = 'canary-"secret"-7f3a9c'
PHONE = "+15145550123"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """What `configure` changes for the whole process."""
    root = logging.getLogger()
    kept = (root.handlers[:], root.level)
    levels = {name: logging.getLogger(name).level for name in logs.OTHERS}
    access = logging.getLogger("uvicorn.access")
    yield
    root.handlers[:], root.level = kept
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    access.propagate = True
    structlog.reset_defaults()
    brief.write = None


def written(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def configured(format: Any = "json", level: str = "info", **more: Any) -> io.StringIO:
    out = io.StringIO()
    logs.configure(format, level, stream=out, **more)
    return out


def test_an_event_is_one_line_of_json_with_a_utc_time() -> None:
    out = configured()
    logs.get_logger().info("webhook_received", account="support", events=2)
    [line] = written(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "webhook_received",
        "level": "info",
        "account": "support",
        "events": 2,
    }


@pytest.mark.parametrize(
    "key",
    [
        *("authorization", "Authorization", "secret", "token", "key_secret", "phone", "identity"),
        *("address", "text", "body", "payload", "to", "password", "url", "webhook_secrets"),
        *("access_token", "callback_url", "phoneNumber", "X-API-Key", "identities", "raw"),
    ],
)
def test_a_private_value_is_hidden_by_its_key_at_any_depth(key: str) -> None:
    out = configured()
    logs.get_logger().info("e", **{key: CANARY}, nested=[{"deep": {key: [CANARY]}}])
    [line] = written(out)
    assert line[key] == "**********"
    assert line["nested"] == [{"deep": {key: "**********"}}]


def raise_with(local: str) -> None:
    raise ValueError(f"could not send {local} to {PHONE}")


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_known_secret_a_number_and_a_bearer_token_are_hidden_wherever_they_are(
    format: str,
) -> None:
    out = configured(format, hidden=[CANARY])
    log = logs.get_logger()
    log.info(
        "said", what=CANARY, note=f"to {PHONE} with Bearer abcdef123456", error=ValueError(CANARY)
    )
    try:
        raise_with(CANARY)
    except ValueError:
        log.exception("bug")
        logging.getLogger("library").exception("failed for %s: %s", PHONE, CANARY)
    text = out.getvalue()
    assert "could not send" in text
    for kept in (CANARY, json.dumps(CANARY)[1:-1], PHONE, "5550123", "abcdef123456"):
        assert kept not in text


def raise_beside_a_local() -> None:
    payload = "-".join(("only", "in", "a", "local"))
    raise ValueError(len(payload))


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(format: str) -> None:
    out = configured(format)
    try:
        raise_beside_a_local()
    except ValueError:
        logs.get_logger().exception("bug")
    assert "raise_beside_a_local" in out.getvalue()
    assert "only-in-a-local" not in out.getvalue()


def test_libraries_are_heard_from_a_warning_on_and_uvicorns_access_log_never() -> None:
    out = configured(level="debug")
    for name in ("uvicorn.error", "httpx", "alembic.runtime.migration"):
        logging.getLogger(name).info("too much")
        logging.getLogger(name).warning("worth it")
    logging.getLogger("uvicorn.access").warning("GET /")
    assert [(line["logger"], line["event"]) for line in written(out)] == [
        ("uvicorn.error", "worth it"),
        ("httpx", "worth it"),
        ("alembic.runtime.migration", "worth it"),
    ]


def test_what_is_below_the_level_is_not_written() -> None:
    out = configured(level="warning")
    logs.get_logger().info("no")
    logs.get_logger().warning("yes")
    assert [line["event"] for line in written(out)] == ["yes"]


@pytest.mark.parametrize(("out", "as_json"), [(io.StringIO(), True), (Terminal(), False)])
def test_auto_is_json_unless_it_is_a_terminal(out: io.StringIO, as_json: bool) -> None:
    logs.configure("auto", stream=out)
    logs.get_logger().info("hello")
    assert out.getvalue().startswith("{") is as_json
    assert "hello" in out.getvalue()


def test_a_module_that_took_its_logger_early_writes_where_it_is_told_later() -> None:
    log = logs.get_logger()
    configured()
    out = configured()
    log.info("late")
    assert [line["event"] for line in written(out)] == ["late"]


def test_others_can_look_at_the_events_before_anything_is_hidden() -> None:
    seen = []

    def count(logger: Any, name: str, event: Any) -> Any:
        seen.append((event["event"], event["to"]))
        return event

    out = configured(extra=[count])
    logs.get_logger().info("action_delivered", to=PHONE)
    assert seen == [("action_delivered", PHONE)]
    assert PHONE not in out.getvalue()
