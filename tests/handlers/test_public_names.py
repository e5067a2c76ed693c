"""What `from handlers import ...` gives."""

import handlers
from handlers.events import EVENTS


def test_every_public_name_is_there_once() -> None:
    assert len(handlers.__all__) == len(set(handlers.__all__))
    assert all(hasattr(handlers, name) for name in handlers.__all__)


def test_every_event_can_be_imported_from_the_package() -> None:
    assert {cls.__name__ for cls in EVENTS.values()} <= set(handlers.__all__)
