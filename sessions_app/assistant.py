"""What an assistant is to the people who talk with it, and what it may use: plain data, as the settings and the admin keep it.

A field that is empty follows the settings of the whole server.
"""

import contextlib
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from sessions_app.setting import is_origin

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
"""How an assistant is called in addresses."""
DEFAULT = "default"
"""Whom one talks with who asks for nobody in particular."""
MOST_LOGO_CHARS = 90_000
"""64 KB of a picture, as base64."""
LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "ar": "العربية"}
"""Those that the chat page is translated into, by their own names."""

_LOGO = re.compile(r"data:image/(?:png|jpeg|webp|gif|svg\+xml);base64,[A-Za-z0-9+/]+=*")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")

Line = Annotated[str, Meta(max_length=200)]


class Prompt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A suggestion on the empty page: ``text`` is what is said when one takes it."""

    text: Annotated[str, Meta(min_length=1, max_length=500)]
    about: Line = ""


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """To the imprint, to what is said of privacy."""

    label: Annotated[str, Meta(min_length=1, max_length=60)]
    url: Annotated[str, Meta(min_length=1, max_length=500)]


class AssistantSettings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    name: Annotated[str, Meta(max_length=60)] = ""
    logo: Annotated[str, Meta(max_length=MOST_LOGO_CHARS)] = ""
    """A ``data:`` URL, so that a page needs no address of anybody else."""
    color: str = ""
    """``#rrggbb``: of buttons and links. What is written on it, and its shade on a dark page, follow from it."""
    headline: Line = ""
    """What the empty page asks."""
    welcome: Annotated[str, Meta(max_length=1_000)] = ""
    """What stands under it."""
    prompts: Annotated[tuple[Prompt, ...], Meta(max_length=8)] = ()
    """What one may ask, to begin with."""
    instructions: Annotated[str, Meta(max_length=100_000)] = ""
    """The system prompt."""
    models: tuple[str, ...] = ()
    """PROVIDER:NAME of those that may answer; the first does unless a client chooses another."""
    tools: tuple[str, ...] | None = None
    """Of the server's own, those that a model is offered; None: all."""
    language: str = ""
    """Of `LANGUAGES`; empty: the browser's."""
    links: Annotated[tuple[Link, ...], Meta(max_length=6)] = ()
    client_instructions: bool | None = None
    """Whether a client may give instructions of its own, and is shown those of the assistant. None: yes."""
    origins: tuple[str, ...] = ()
    """Whose pages may show it in a frame, beside those of ``EMBED_ORIGINS``."""


def assistant_of(value: Any) -> AssistantSettings:
    """Raises ValueError with a sentence that names the field."""
    try:
        settings = msgspec.convert(value, AssistantSettings)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    for problem in problems_of(settings).values():
        raise ValueError(problem)
    return settings


def readable_part_of(value: Any) -> AssistantSettings:
    """What this build reads of settings that another one has written: field by field, without those that it does not know. Of what
    cannot be read of its tools none is allowed, and no client's instructions: never more than was. Never raises."""
    fields = value if isinstance(value, dict) else {}
    read: dict[str, Any] = {}
    for name in AssistantSettings.__struct_fields__:
        if name in fields:
            with contextlib.suppress(ValueError):
                read[name] = getattr(assistant_of({name: fields[name]}), name)
    for name, least in _LEAST.items():
        if name not in read and (name in fields or not isinstance(value, dict)):
            read[name] = least
    return AssistantSettings(**read)


_LEAST: dict[str, Any] = {"tools": (), "client_instructions": False}


def problems_of(settings: AssistantSettings) -> dict[str, str]:
    """What the types do not say, by field."""
    found = {
        "logo": "logo: a picture as data:image/...;base64,..." if not _fits(_LOGO, settings.logo) else "",
        "color": "color: six digits, like #0f766e" if not _fits(_COLOR, settings.color) else "",
        "language": f"language: one of {', '.join(LANGUAGES)}"
        if settings.language not in ("", *LANGUAGES)
        else "",
        "links": "" if all(is_web_address(link.url) for link in settings.links) else _LINK,
        "origins": "" if all(is_origin(one) for one in settings.origins) else _ORIGINS,
    }
    return {field: problem for field, problem in found.items() if problem}


_LINK = "links: each leads to https://... or to a path of this server, /..."
_ORIGINS = "origins: like https://shop.example.com, without a path"


def is_web_address(url: str) -> bool:
    """Of a page, here or elsewhere; nothing that a browser would run."""
    if re.search(r"[\s\\]", url):
        return False
    parts = urlsplit(url)
    return bool(parts.netloc) if parts.scheme in ("https", "http") else url[:1] == "/" and url[:2] != "//"


def _fits(pattern: re.Pattern[str], text: str) -> bool:
    return not text or pattern.fullmatch(text) is not None
