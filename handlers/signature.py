"""What a handler looks like, checked when it is registered and not when the first event comes."""

import inspect
import types
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from handlers.context import Context
from handlers.errors import WrongHandler
from handlers.event import Event


def check(function: object, event_class: type[Event]) -> None:
    """Refuse (WrongHandler) what is no function of one Context that fits the event.

    An annotation that cannot be resolved (a name that only a type checker imports) is let pass.
    """
    if not inspect.isroutine(function) or inspect.isbuiltin(function):
        _refuse(function, f"{_a(function)} is no function", event_class)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        _refuse(function, "it yields, and nobody would ask for what comes", event_class)
    if function.__name__ == "<lambda>":
        _refuse(function, "it needs a name: what succeeded is remembered by it", event_class)
    _check_annotation(function, _only_parameter(function, event_class), event_class)


def name_of(function: Callable[..., Any]) -> str:
    """ "module.function": what the handler is remembered by."""
    return f"{function.__module__}.{function.__qualname__}"


def _only_parameter(function: Callable[..., Any], event_class: type[Event]) -> str:
    parameters = list(inspect.signature(function).parameters.values())
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    if len(parameters) != 1 or parameters[0].kind not in positional:
        names = ", ".join(map(str, parameters)) or "nothing"
        _refuse(function, f"it takes {names} instead of one argument", event_class)
    return parameters[0].name


def _check_annotation(function: Callable[..., Any], name: str, event_class: type[Event]) -> None:
    try:
        annotation = get_type_hints(function).get(name, Any)
    except (NameError, AttributeError, TypeError, SyntaxError):
        return
    if annotation in (Any, Context):
        return
    if get_origin(annotation) is not Context:
        _refuse(function, f"its argument is annotated as {_a(annotation)}", event_class)
    [said] = get_args(annotation)
    if not any(_covers(member, event_class) for member in _members(said)):
        _refuse(function, f"its argument is a Context of {_a(said)}", event_class)


def _members(said: Any) -> tuple[Any, ...]:
    return get_args(said) if get_origin(said) in (Union, types.UnionType) else (said,)


def _covers(said: Any, event_class: type[Event]) -> bool:
    if said is Any or isinstance(said, TypeVar):
        return True
    return isinstance(said, type) and issubclass(event_class, said)


def _a(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


def _refuse(function: object, reason: str, event_class: type[Event]) -> NoReturn:
    name = getattr(function, "__qualname__", type(function).__name__)
    expected = (
        f"async def {name.rpartition('.')[2].strip('<>')}(ctx: Context[{event_class.__name__}])"
    )
    raise WrongHandler(f"{name} cannot be a handler: {reason}. Expected: {expected}")
