"""What handlers remember of a user between two events: pydantic models, kept as JSON."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from handlers.checks import json_object

Model = TypeVar("Model", bound=BaseModel)


class States:
    """One user's states, each read when it is first asked for.

    stored: state name -> the JSON object that was saved last.
    """

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._stored = stored
        self._models: dict[str, BaseModel] = {}
        self._before: dict[str, dict[str, Any]] = {}

    def of(self, model: type[Model]) -> Model:
        """The stored value, or a fresh `model()`; the same instance each time.

        Raises TypeError where a field has no default or two models share a name, ValueError where
        what is stored does not fit the model any more.
        """
        name = name_of(model)
        if name not in self._models:
            kept = _fresh(model) if name not in self._stored else _load(model, self._stored[name])
            self._models[name] = kept
            self._before[name] = _dump(kept)
        found = self._models[name]
        if not isinstance(found, model):
            raise TypeError(f"two models are called {name}: give one of them a `state_name`")
        return found

    def changed(self) -> dict[str, dict[str, Any]]:
        """The states that the handler altered, by name, as JSON objects that can be loaded again.

        Raises TypeError or ValueError for one that could not: it would fail every later event.
        """
        now = {name: _dump(model) for name, model in self._models.items()}
        changed = {name: value for name, value in now.items() if value != self._before[name]}
        for name, value in changed.items():
            _load(type(self._models[name]), json_object(value, f"the state {name}"))
        return changed


def name_of(model: type[BaseModel]) -> str:
    """What a state is kept under: the class's `state_name`, else its own name."""
    return str(getattr(model, "state_name", model.__name__))


def _fresh(model: type[Model]) -> Model:
    try:
        return model()
    except ValidationError as error:
        raise TypeError(
            f"{model.__name__}() fails: a state needs a default for {_where(error)}"
        ) from None


def _load(model: type[Model], value: Any) -> Model:
    # By field name, both ways: an alias is for the outside, and may differ between in and out.
    try:
        return model.model_validate_json(json.dumps(value), by_name=True, by_alias=False)
    except ValidationError as error:
        raise ValueError(
            f"the state {name_of(model)} does not fit its model: {_where(error)}"
        ) from None


def _dump(model: BaseModel) -> dict[str, Any]:
    try:
        return model.model_dump(mode="json", by_alias=False, round_trip=True, warnings=False)
    except PydanticSerializationError:
        raise TypeError(f"the state {name_of(type(model))} holds what cannot be JSON") from None


def _where(error: ValidationError) -> str:
    """The fields at fault and pydantic's word for it, without their values."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return ", ".join(f"{'.'.join(map(str, fault['loc']))} ({fault['type']})" for fault in faults)
