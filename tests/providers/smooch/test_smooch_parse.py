"""
Every payload file, and the events in it: `expected.jsonl` has one line for each file.

A line names what the events have, by the names of their fields; what it does not name is None,
empty or False. Without an `id`, a digest of the body stands in for an hour.
"""

import json
from dataclasses import astuple, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers.event import Event
from receiver.providers.smooch import read_v1, read_v2
from receiver.providers.smooch.webhook import parse

HERE = Path(__file__).parent
EXPECTED = {
    row["file"]: row["events"]
    for row in map(json.loads, (HERE / "expected.jsonl").read_text("utf-8").splitlines())
}
ELSEWHERE = {"raw", "content", "dedup_window", "link", "reference"}  # tested on their own


def shown(event: Event) -> dict[str, Any]:
    """The fields that say something, as JSON has them."""
    found = {name.name: getattr(event, name.name) for name in fields(event)}
    if event.dedup_window is not None:
        del found["id"]
    plain = {name: value for name, value in found.items() if name not in ELSEWHERE and says(value)}
    return {"type": event.type} | {name: as_json(value) for name, value in plain.items()}


def says(value: Any) -> bool:
    return value not in (None, (), False)


def as_json(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case tuple():
            return [as_json(one) for one in value]
        case str() | bool():
            return value
        case _:
            return [
                one
                for name, one in zip(fields(value), astuple(value), strict=True)
                if name.name != "app_id"
            ]


def payload(name: str) -> bytes:
    return (HERE / "payloads" / f"{name}.json").read_bytes()


@pytest.mark.parametrize("name", EXPECTED)
def test_each_payload_gives_exactly_these_events(name: str) -> None:
    found = [shown(event) for event in parse(payload(name))]
    wanted = [{key: value for key, value in row.items() if says(value)} for row in EXPECTED[name]]
    assert found == wanted


@pytest.mark.parametrize("name", EXPECTED)
def test_an_id_starts_with_the_trigger_and_a_digest_counts_for_an_hour(name: str) -> None:
    for event, row in zip(parse(payload(name)), EXPECTED[name], strict=True):
        assert event.id.startswith(f"{event.trigger or 'unknown'}:")
        assert event.dedup_window == (None if "id" in row else timedelta(hours=1))


def test_every_payload_file_has_a_line() -> None:
    assert {path.stem for path in (HERE / "payloads").glob("*__*.json")} == set(EXPECTED)


@pytest.mark.parametrize(("version", "readers"), [("v1", read_v1.READERS), ("v2", read_v2.READERS)])
def test_every_trigger_has_a_payload(version: str, readers: dict[str | None, Any]) -> None:
    rows = [row for name, found in EXPECTED.items() if name.startswith(version) for row in found]
    assert set(readers) <= {row.get("trigger") for row in rows}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_same_bytes_give_the_same_events(name: str) -> None:
    assert parse(payload(name)) == parse(payload(name))


def test_a_receipt_says_whether_it_is_the_last_one() -> None:
    names = ["v1.1__delivery_channel", "v2__delivery_user", "v1.1__delivery_failure"]
    assert [event.final for name in names for event in parse(payload(name))] == [False, True, None]


def test_each_event_keeps_its_own_part_of_the_json() -> None:
    body = json.loads(payload("v1__message_several"))
    kept = [event.raw for event in parse(payload("v1__message_several"))]
    assert kept == [{**body, "messages": [message]} for message in body["messages"]]

    [whole] = parse(payload("v1__message_twilio"))
    assert whole.raw == json.loads(payload("v1__message_twilio"))

    envelope = json.loads(payload("v2__several"))
    kept = [event.raw for event in parse(payload("v2__several"))]
    assert kept == [
        one if isinstance(one, dict) else {"events": [one]} for one in envelope["events"]
    ]
