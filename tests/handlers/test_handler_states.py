"""What handlers remember of a user between two events."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field

from handlers import (
    Context,
    Event,
    MessageReceived,
    Unknown,
    User,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN = User("5f0a2c", "ann@example.com")
MESSAGE = MessageReceived(
    id="m1", user=ANN, channel="web", conversation_id="c1", message_id="m1", text="hello"
)


def context(event: Event = MESSAGE, **known: Any) -> Context[Any]:
    return Context(event=event, account="support", provider="smooch", now=NOW, **known)


class Basket(BaseModel):
    items: list[str] = []
    opened: datetime | None = None


class Renamed(BaseModel):
    state_name: ClassVar[str] = "Basket"
    count: int = Field(default=0, alias="Anzahl")


class Demanding(BaseModel):
    size: int


def test_a_state_that_was_never_saved_is_fresh_and_the_same_each_time() -> None:
    ctx = context()
    assert ctx.state(Basket) == Basket()
    assert ctx.state(Basket) is ctx.state(Basket)


def test_a_state_that_is_only_read_is_not_saved() -> None:
    ctx = context(states={"Basket": {"items": ["tea"]}})
    assert ctx.state(Basket).items == ["tea"]
    assert ctx.changed_states() == {}


def test_a_state_that_was_altered_is_saved_and_comes_back() -> None:
    ctx = context(states={"Basket": {"items": ["tea"]}, "Other": {"a": 1}})
    ctx.state(Basket).items.append("milk")
    ctx.state(Basket).opened = NOW
    changed = ctx.changed_states()
    assert changed == {"Basket": {"items": ["tea", "milk"], "opened": "2026-03-01T12:00:00Z"}}
    again = context(states=changed).state(Basket)
    assert again == Basket(items=["tea", "milk"], opened=NOW)


def test_a_state_is_kept_by_the_name_it_gives_itself_and_by_its_fields_names() -> None:
    ctx = context()
    ctx.state(Renamed).count = 3
    assert ctx.changed_states() == {"Basket": {"count": 3}}
    assert context(states={"Basket": {"count": 3}}).state(Renamed).count == 3


def test_two_models_of_one_name_are_told_apart() -> None:
    ctx = context()
    ctx.state(Basket)
    with pytest.raises(TypeError, match="two models are called Basket"):
        ctx.state(Renamed)


def test_a_state_needs_defaults() -> None:
    with pytest.raises(TypeError, match=r"Demanding\(\) fails: .* size \(missing\)"):
        context().state(Demanding)


def test_a_stored_state_that_no_longer_fits_names_the_field_and_not_the_value() -> None:
    with pytest.raises(ValueError, match=r"the state Basket does not fit .* items") as caught:
        context(states={"Basket": {"items": "secret"}}).state(Basket)
    assert "secret" not in str(caught.value)


def _odd_value(basket: Basket) -> None:
    basket.items = 5  # type: ignore[assignment]


def _odd_object(basket: Basket) -> None:
    basket.items = [object()]  # type: ignore[list-item]


@pytest.mark.parametrize("spoil", [_odd_value, _odd_object])
def test_a_state_that_could_not_be_loaded_again_is_not_saved(
    spoil: Callable[[Basket], None],
) -> None:
    ctx = context()
    spoil(ctx.state(Basket))
    with pytest.raises((TypeError, ValueError), match="the state Basket"):
        ctx.changed_states()


def test_nothing_is_remembered_of_nobody() -> None:
    with pytest.raises(ValueError, match="cannot remember a state: unknown names no user"):
        context(Unknown(id="u1")).state(Basket)
