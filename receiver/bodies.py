"""What is sent: JSON bodies without holes."""

from typing import Any


def present(**values: Any) -> dict[str, Any]:
    """The values that are there. None and what is empty is left out; False and 0 stay."""
    return {name: value for name, value in values.items() if value not in (None, (), [], {})}
