"""unfold's ``display`` decorator, with types: what a list's column is called and how it looks."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from django.db.models.expressions import Combinable
from unfold.decorators import display

Method = TypeVar("Method", bound=Callable[..., Any])


def column(
    title: str,
    *,
    ordering: str | Combinable | None = None,
    empty_value: str | None = None,
    tones: Mapping[str, str] | None = None,
) -> Callable[[Method], Method]:
    """``tones`` makes it a coloured label: the method returns a key of it, or (key, text)."""
    decorator = display(description=title, ordering=ordering, empty_value=empty_value, label=tones)
    return cast("Callable[[Method], Method]", decorator)
