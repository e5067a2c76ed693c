"""What a message says, typed; and that an odd shape is never an error."""

from typing import Any

import pytest

from handlers.content import (
    Button,
    Carousel,
    Form,
    FormField,
    FormResponse,
    Item,
    ItemList,
    Location,
    Media,
    Other,
    Template,
    Text,
)
from receiver.providers.smooch.contents import content, words

URL = "https://example.com/a"
ITEM = {"_id": "i", "title": "Tea", "actions": [{"_id": "b", "type": "buy", "amount": 900}]}
TEA = Item("Tea", buttons=(Button("buy", amount=900),))

CASES: list[tuple[dict[str, Any], Any]] = [
    ({"type": "text", "text": "Hi"}, Text("Hi")),
    ({"type": "text", "text": "Hi", "payload": "HI"}, Text("Hi", payload="HI")),
    ({"text": "Hi", "metadata": [], "actions": []}, Text("Hi")),
    ({"type": "text", "text": ""}, None),
    ({"type": "text"}, None),
    ({}, None),
    (
        {"type": "text", "text": "?", "actions": [{"type": "reply", "text": "A", "payload": "a"}]},
        Text("?", (Button("reply", "A", "a"),)),
    ),
    ({"mediaUrl": URL}, Media(URL, kind="media")),
    (
        {"type": "image", "mediaUrl": URL, "mediaType": "image/png", "mediaSize": 5.0, "text": "c"},
        Media(URL, "c", "image/png", 5, kind="image"),
    ),
    ({"type": "file", "mediaUrl": URL, "altText": "a"}, Media(URL, alt_text="a", kind="file")),
    ({"type": "audio", "mediaUrl": URL, "mediaSize": True}, Media(URL, kind="audio")),
    ({"type": "video", "mediaUrl": URL, "mediaSize": "9"}, Media(URL, kind="video")),
    ({"type": "image"}, None),
    (
        {
            "type": "location",
            "coordinates": {"lat": 45.5, "long": -73},
            "location": {"name": "Shop", "address": "1 Example St"},
        },
        Location(45.5, -73.0, "Shop", "1 Example St"),
    ),
    ({"type": "location", "coordinates": {"lat": "45.5", "long": 1}}, None),
    ({"type": "location", "coordinates": {"lat": 1e300, "long": 1}}, None),
    (
        {"type": "carousel", "items": [ITEM], "displaySettings": {"imageAspectRatio": "square"}},
        Carousel((TEA,), settings={"imageAspectRatio": "square"}),
    ),
    ({"type": "list", "items": [ITEM, "odd"]}, ItemList((TEA,))),
    ({"type": "carousel", "items": []}, None),
    ({"type": "list", "items": {}}, None),
    (
        {
            "type": "form",
            "blockChatInput": True,
            "submitted": False,
            "fields": [
                {"type": "text", "name": "n", "label": "Name", "minSize": 1},
                {"label": "?"},
            ],
        },
        Form((FormField("n", "Name", extra={"minSize": 1}),), False, True),
    ),
    ({"type": "form"}, None),
    (
        {
            "type": "formResponse",
            "textFallback": "Size - L",
            "fields": [{"type": "select", "name": "s", "label": "Size", "select": [{"name": "l"}]}],
        },
        FormResponse((FormField("s", "Size", "select", [{"name": "l"}]),), "Size - L"),
    ),
    ({"type": "formResponse", "fields": []}, None),
    ({"type": "template", "template": {"name": "t"}}, Template({"name": "t"})),
    ({"type": "template", "template": "t"}, None),
    ({"type": "hsm", "x": 1}, Other("hsm", {"type": "hsm", "x": 1})),
]


@pytest.mark.parametrize(("message", "expected"), CASES)
def test_the_content_of_a_message(message: dict[str, Any], expected: Any) -> None:
    assert content(message) == expected


def test_a_button_keeps_what_is_not_modelled_and_one_without_a_type_is_left_out() -> None:
    link = {
        "_id": "b1",
        "type": "webview",
        "text": "Open",
        "uri": URL,
        "fallback": URL,
        "size": "tall",
        "metadata": {"a": 1},
        "currency": "cad",
    }
    found = content({"type": "text", "text": "?", "actions": [link, {"text": "no type"}, 7]})
    extra = {"fallback": URL, "size": "tall"}
    button = Button("webview", "Open", uri=URL, currency="cad", metadata={"a": 1}, extra=extra)
    assert found == Text("?", (button,))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"text": "a\u0000b\ud800c"}, "ab\ufffdc"),
        ({"type": "image", "text": "caption"}, "caption"),
        ({"type": "formResponse", "text": "", "textFallback": "all"}, "all"),
        ({"type": "text", "textFallback": "no form"}, None),
        ({"text": ""}, None),
        ({"text": 5}, None),
        (None, None),
    ],
)
def test_the_text_of_a_message(message: Any, expected: str | None) -> None:
    assert words(message) == expected
