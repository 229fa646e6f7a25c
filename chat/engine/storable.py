"""What a model or its vendor said, as the log can hold it: PostgreSQL takes no NUL in a text or in JSON, UTF-8 no lone
surrogate. One such character in an event would cost the whole session, not the event."""

from typing import Any


def storable(value: Any) -> Any:
    """The value (a text, or JSON's lists and objects around it) without such characters; the same type."""
    match value:
        case str():
            return value.replace("\x00", "").encode(errors="replace").decode()
        case list():
            return [storable(one) for one in value]
        case dict():
            return {storable(key): storable(one) for key, one in value.items()}
        case _:
            return value
