"""A list's table, drawn for less.

The theme draws the heads of all columns again for each row, and a widget's template for each box: 200 ms for 50 rows of
nine columns. Here what a column shows stands once. The markup is the theme's own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django import template
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_list import ResultList, result_hidden_fields
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.db.models import Model
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.admin import checkbox
from unfold.templatetags.unfold_list import (
    CHECKBOX_CLASSES,
    LINK_CLASSES,
    ROW_CLASSES,
    result_headers,
    result_list,
)
from unfold.utils import display_for_field, display_for_label, display_for_value

register = template.Library()

_BOX = "action_checkbox"
_LINK = " ".join(LINK_CLASSES)


@register.inclusion_tag("admin/change_list_results.html", takes_context=True)
def rows_of_list(context: Any, cl: Any) -> dict[str, Any]:
    """The theme's ``unfold_result_list``, which still draws those that are edited or sorted by hand, or have its rarer columns."""
    rare = getattr(cl, "formset", None) or getattr(cl.model_admin, "ordering_field", None)
    if rare or any(_is_rare(cl.model_admin, name) for name in cl.list_display):
        found: dict[str, Any] = result_list(context, cl)
        return found
    headers = list(result_headers(cl))
    columns = list(_columns(cl, headers))
    return {
        "cl": cl,
        "result_hidden_fields": list(result_hidden_fields(cl)),
        "result_headers": headers,
        "num_sorted_fields": sum(1 for header in headers if header["sortable"] and header["sorted"]),
        "results": [_Row(result, columns) for result in cl.result_list],
        "actions_row": context.get("actions_row"),
        "has_add_permission": cl.model_admin.has_add_permission(context["request"]),
    }


@register.filter
def used_first(specs: list[Any]) -> list[tuple[Any, bool, str]]:
    """(a list's filter, whether it narrows the list, what is chosen in words, where it says so): those that do come first."""
    found = [(spec, _is_used(spec), _chosen(spec)) for spec in specs]
    return sorted(found, key=lambda one: not one[1])


def _chosen(spec: Any) -> str:
    values = {str(value) for given in spec.used_parameters.values() for value in _several(given)}
    offered: Any = getattr(spec, "lookup_choices", None) or getattr(
        getattr(spec, "field", None), "flatchoices", ()
    )
    return ", ".join(str(title) for value, title in offered if str(value) in values)


def _several(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def _is_used(spec: Any) -> bool:
    return any(value not in (None, "", [], [""]) for value in spec.used_parameters.values())


def _is_rare(model_admin: Any, name: str) -> bool:
    own = getattr(model_admin, name, None)
    return bool(getattr(own, "header", False) or getattr(own, "dropdown", False))


@dataclass(frozen=True)
class _Column:
    opens: SafeString
    closes: SafeString
    shown: Callable[[Model], Any]


class _Row(ResultList):
    def __init__(self, instance: Model, columns: list[_Column]) -> None:
        self.instance = instance
        cells = (format_html("{}{}{}", one.opens, one.shown(instance), one.closes) for one in columns)
        super().__init__(None, cells)


def _columns(cl: Any, headers: list[dict[str, Any]]) -> Iterator[_Column]:
    linked = cl.list_display_links
    for place, (name, header) in enumerate(zip(cl.list_display, headers, strict=True)):
        shown = _shown(cl, name)
        links = bool(linked) and name in linked
        classes = CHECKBOX_CLASSES if name == _BOX else [f"field-{name}", *ROW_CLASSES]
        tag, label = ("th" if links else "td"), (header["text"] if place or links else _("Select record"))
        yield _Column(
            format_html('<{} class="{}" data-label="{}">', tag, " ".join(classes), label),
            format_html("</{}>", tag),
            _linked(cl, shown) if links else shown,
        )


def _linked(cl: Any, shown: Callable[[Model], Any]) -> Callable[[Model], SafeString]:
    kept = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}

    def link(result: Model) -> SafeString:
        url = add_preserved_filters(kept, cl.url_for_result(result))
        return format_html('<a href="{}" class="{}">{}</a>', url, _LINK, shown(result))

    return link


def _shown(cl: Any, name: str) -> Callable[[Model], Any]:
    """What a cell of this column says of an object."""
    if name == _BOX:
        attributes = flatatt(checkbox.attrs)
        box = '<input type="checkbox" name="{}" value="{}"{}>'
        return lambda result: format_html(box, ACTION_CHECKBOX_NAME, result.pk, attributes)
    empty = cl.model_admin.get_empty_value_display()
    fields = {field.name for field in cl.opts.get_fields()}
    own = None if name == "__str__" or name in fields else getattr(cl.model_admin, name, None)
    if callable(own):
        said = getattr(own, "empty_value_display", empty)
        return lambda result: _words(own, own(result), said)

    def looked_up(result: Model) -> Any:
        field, attribute, value = lookup_field(name, result, cl.model_admin)
        if field is None or field.auto_created:
            return _words(attribute, value, getattr(attribute, "empty_value_display", empty))
        if field.remote_field:
            related = getattr(result, field.name)
            return empty if related is None else related
        return display_for_field(value, field, empty)

    return looked_up


def _words(attribute: Any, value: Any, empty: str) -> Any:
    if isinstance(value, SafeString):
        return value
    if tones := getattr(attribute, "label", None):
        return display_for_label(value, empty, tones)
    return display_for_value(value, empty, getattr(attribute, "boolean", False))
