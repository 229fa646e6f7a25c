"""How an assistant looks: what the page shows of it, and the shades that follow from its one colour."""

import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from chat.assistants import Assistant
from chat.llm.demo.suggestions import SUGGESTIONS
from sessions_app.assistant import DEFAULT, Prompt

PRODUCT = "Realtime AI"
COLOR = "0d6b6b"
"""The product's own."""
_READABLE = 4.6
"""WCAG 2.2 AA wants 4.5 to 1; a little more, for rounding."""
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_DARK_PAGE = (19, 21, 23)
PAGE_COLOR = "#fcfcfa"
_LIGHT_PAGE = (252, 252, 250)
_INK = (11, 18, 18)

Color = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Look:
    """In the language that is active."""

    slug: str
    name: str
    logo: str
    color: str
    """Six digits, or nothing."""
    headline: str
    welcome: str
    prompts: list[Any]
    links: list[Any]


def look_of(assistant: Assistant) -> Look:
    settings = assistant.settings
    prompts = settings.prompts
    if not (prompts or settings.name):  # nobody has made it a shop's own yet
        prompts = tuple(Prompt(text=str(text), about=str(about)) for text, about in SUGGESTIONS)
    return Look(
        slug="" if assistant.slug == DEFAULT else assistant.slug,
        name=settings.name or PRODUCT,
        logo=settings.logo,
        color=settings.color.removeprefix("#").lower(),
        headline=settings.headline or _("What can I help with?"),
        welcome=settings.welcome
        or _("Answers arrive as they are written, and nothing is lost when your connection is."),
        prompts=list(prompts),
        links=list(settings.links),
    )


# The shades.


def stylesheet(color: str) -> str:
    """The page's variables for one colour, in light and dark, each readable on what it stands on."""
    given = _parsed(color)
    light = _until_readable(given, on=_LIGHT_PAGE, towards=_BLACK)
    dark = _until_readable(given, on=_DARK_PAGE, towards=_WHITE)
    shades = {
        "accent": (light, dark),
        "accent-strong": (_mixed(light, _BLACK, 0.18), _mixed(dark, _WHITE, 0.22)),
        "on-accent": (on_color(light), on_color(dark)),
        "accent-soft": (_mixed(_LIGHT_PAGE, light, 0.11), _mixed(_DARK_PAGE, dark, 0.18)),
        "bubble": (_mixed(_LIGHT_PAGE, light, 0.09), _mixed(_DARK_PAGE, dark, 0.15)),
    }
    shades["mark"], shades["on-mark"] = shades["accent"], shades["on-accent"]
    lines = [f"  --{name}: light-dark({_hex(one)}, {_hex(other)});" for name, (one, other) in shades.items()]
    return "\n".join([":root {", *lines, "}", ""])


def button_colors(color: str) -> tuple[str, str]:
    """Of the button on somebody else's page: its own, and that of the sign on it."""
    shade = _until_readable(_parsed(color), on=_WHITE, towards=_BLACK)
    return _hex(shade), _hex(on_color(shade))


def on_color(ground: Color) -> Color:
    return max((_WHITE, _INK), key=lambda ink: contrast(ink, ground))


def contrast(one: Color, other: Color) -> float:
    """WCAG 2: from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _until_readable(color: Color, *, on: Color, towards: Color) -> Color:
    steps = (_mixed(color, towards, step / 20) for step in range(21))
    return next(one for one in steps if contrast(one, on) >= _READABLE)


def _luminance(color: Color) -> float:
    red, green, blue = (_linear(part / 255) for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _mixed(color: Color, other: Color, share: float) -> Color:
    """With that share of the other one in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def _parsed(color: str) -> Color:
    red, green, blue = (int(pair, 16) for pair in re.findall("..", color.removeprefix("#")))
    return red, green, blue


def _hex(color: Color) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)
