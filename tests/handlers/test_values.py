"""Values that are quick to make behave like any other frozen dataclass."""

import copy
import inspect
import pickle
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from handlers.content import Text
from handlers.event import Fault
from handlers.events import EVENTS, MessageReceived
from handlers.people import ChannelIdentity, User
from handlers.values import quick


@quick
@dataclass(frozen=True, slots=True)
class Parcel:
    name: str
    weight: float = 1.0
    parts: list[str] = field(default_factory=list)
    label: str | None = field(default=None, kw_only=True)


QUICK = [*EVENTS.values(), Fault, User, ChannelIdentity, Text, Parcel]
of_every_class = pytest.mark.parametrize("cls", QUICK, ids=lambda cls: cls.__name__)


@of_every_class
def test_what_is_given_for_a_field_is_its_value(cls: Any) -> None:
    given = {one.name: object() for one in fields(cls)}
    made = cls(**given)
    assert {name: getattr(made, name) for name in given} == given


@of_every_class
def test_a_field_that_is_not_given_has_its_default(cls: Any) -> None:
    needed = [one for one in fields(cls) if one.default is one.default_factory is MISSING]
    made = cls(**{one.name: "x" for one in needed})
    for one in fields(cls):
        if one.default is not MISSING:
            assert getattr(made, one.name) is one.default
        elif one.default_factory is not MISSING:
            assert getattr(made, one.name) == one.default_factory()


def test_a_default_that_is_made_is_made_for_each() -> None:
    assert Parcel("a").parts is not Parcel("a").parts
    assert MessageReceived(id="1").raw is not MessageReceived(id="1").raw


def test_nothing_is_set_afterwards() -> None:
    parcel = Parcel("a")
    with pytest.raises(FrozenInstanceError):
        parcel.name = "b"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        MessageReceived(id="1").text = "b"  # type: ignore[misc]


def test_two_of_the_same_are_equal_however_they_came_about() -> None:
    parcel = Parcel("a", 2.0, ["b"], label="c")
    assert parcel == Parcel(name="a", weight=2.0, parts=["b"], label="c")
    assert parcel == copy.deepcopy(parcel) == pickle.loads(pickle.dumps(parcel))
    assert replace(parcel, label="d") == Parcel("a", 2.0, ["b"], label="d")
    assert repr(parcel) == "Parcel(name='a', weight=2.0, parts=['b'], label='c')"


def test_its_arguments_are_shown_and_checked_like_those_of_a_dataclass() -> None:
    assert list(inspect.signature(Parcel).parameters) == ["name", "weight", "parts", "label"]
    make: Any = Parcel
    with pytest.raises(TypeError, match=r"Parcel\.__init__\(\) missing 1 required .*'name'"):
        make()
    with pytest.raises(TypeError, match=r"Parcel\.__init__\(\) got an unexpected .*'size'"):
        make("a", size=1)
    with pytest.raises(TypeError, match=r"Parcel\.__init__\(\) takes from 2 to 4 positional"):
        make("a", 1.0, [], "c")
