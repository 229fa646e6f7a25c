"""Filters for the admin's own pages."""

import json

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sessions_app.review import humanize
from sessions_app.review.text import visitor_name

register = template.Library()

PRETTY_CHARS = 20_000
register.filter("duration", humanize.duration)
register.filter("milliseconds", humanize.milliseconds)
register.filter("compact", humanize.compact)
register.filter("exact", humanize.exact)
register.filter("usd", humanize.usd)
register.filter("cost", humanize.cost)
register.filter("ago", humanize.ago)
register.filter("visitor", visitor_name)


@register.filter
def unlocalized(value: float) -> str:
    """A number as SVG reads it, whatever the language."""
    return f"{value:g}"


@register.filter
def plus(one: int, other: int) -> int:
    return one + other


@register.filter
def than(now: int, before: int) -> str:
    """How it moved since the time before."""
    if now == before:
        return "as before"
    return f"{humanize.exact(abs(now - before))} {'more' if now > before else 'fewer'} than before"


@register.filter
def model_name(spec: str) -> str:
    """Without its provider."""
    return spec.partition(":")[2] or spec


@register.filter
def pretty(value: object, limit: int = PRETTY_CHARS) -> SafeString:
    """JSON (text or already decoded) with line breaks and indents, any other text as it stands; cut at ``limit``."""
    text = _pretty(value)
    if len(text) <= limit:
        return format_html("{}", text)
    return format_html(
        "{}\n[cut: {} of {} characters are shown]", text[:limit], f"{limit:,}", f"{len(text):,}"
    )


def _pretty(value: object) -> str:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


_KINDS = {
    "said": "Said",
    "start": "Answer begins",
    "failed": "Attempt failed",
    "whole": "Text is whole",
    "tool": "Tool is called",
    "asks": "A yes is asked for",
    "decided": "Decided",
    "result": "Tool gave",
    "done": "Answer ends",
    "rated": "Rated",
    "notice": "Session",
}


@register.filter
def replay_kind(kind: str) -> str:
    """A step of `sessions_app.review.replay` in words."""
    return _KINDS.get(kind, kind)
