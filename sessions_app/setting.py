"""A setting of the environment: declared once, as a field of a conf, with its variable, default, bounds and meaning.

`realtime_ai.env` reads the environment by these declarations; ``docs/settings.md`` and ``.env.example`` are made from
them (docs/decisions/0046-a-setting-is-declared-once.md).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import _lru_cache_wrapper, cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signals import setting_changed
from yarl import URL

Conf = TypeVar("Conf")
_ROOT = Path(__file__).resolve().parent.parent
_ORIGIN = re.compile(r"https?://[^/?#@\s*,;'\"]+")
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_DECLARATION = "setting"


@dataclass(frozen=True)
class Kind:
    """How a text becomes a value: ``parse`` raises ValueError, with words that go before ``wanted`` where they say more."""

    wanted: str
    parse: Callable[[str], Any]
    bounds: str = ""
    """As the table of ``docs/settings.md`` shows them."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    variable: str
    default: Any
    kind: Kind
    meaning: str
    """Markdown, as ``docs/settings.md`` shows it."""
    section: "Section"
    default_told: str
    """Markdown."""
    example: str
    secret: bool
    """Its value is never shown."""
    also: str | None
    """Another name for it, which counts where its own is not set."""
    or_file: bool
    """``VARIABLE_FILE`` may name a file that holds it."""

    @property
    def file_variable(self) -> str | None:
        return f"{self.variable}_FILE" if self.or_file else None

    @property
    def variables(self) -> list[str]:
        return [name for name in (self.variable, self.also, self.file_variable) if name]


@dataclass(frozen=True)
class Section:
    """A table of ``docs/settings.md`` under the heading ``title``, and a part of ``.env.example``."""

    title: str
    note: str = ""
    """Over its part of ``.env.example``; by default the title."""

    def field(
        self,
        default: Any,
        kind: Kind,
        meaning: str,
        *,
        variable: str = "",
        default_told: str | None = None,
        example: str | None = None,
        secret: bool = False,
        also: str | None = None,
        or_file: bool = False,
    ) -> Any:
        """A dataclass's field that carries its declaration. Its variable is its name in capitals, unless told otherwise."""
        shown = _shown(default)
        declaration = Setting(
            variable=variable,
            default=default,
            kind=kind,
            meaning=meaning,
            section=self,
            default_told=default_told or (f"`{shown}`" if shown else "none"),
            example=shown if example is None else example,
            secret=secret,
            also=also,
            or_file=or_file,
        )
        metadata = {_DECLARATION: declaration}
        if isinstance(default, dict):
            return field(default_factory=default.copy, repr=not secret, metadata=metadata)
        return field(default=default, repr=not secret, metadata=metadata)


MODEL = Section(
    "The model",
    "The model: the key of a vendor, or nothing for the built-in demo model. More in docs/models.md.",
)
COSTS = Section("What it may read and cost")
PLACE = Section("Where it listens and keeps its files")
STORES = Section("The stores", "The stores. Without DATABASE_URL, `make run` brings its own PostgreSQL.")
SESSIONS = Section("Sessions and their bounds")
BEFORE = Section("What comes in before a session")
ACCESS = Section(
    "Who may come in",
    "Who may come in. `make serve` wants a SECRET_KEY of its own and ALLOWED_HOSTS.",
)
SECTIONS = (MODEL, COSTS, PLACE, STORES, SESSIONS, BEFORE, ACCESS)


def declared(conf: type) -> Iterator[tuple[str, Setting]]:
    """The fields of a conf that the environment sets, by name."""
    for one in fields(conf):
        if _DECLARATION in one.metadata:
            setting: Setting = one.metadata[_DECLARATION]
            yield one.name, replace(setting, variable=setting.variable or one.name.upper())


def figure(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        return figure(value)
    return value if isinstance(value, str) else ""


# --- kinds -------------------------------------------------------------------------------------------------------


def whole(least: int, most: int) -> Kind:
    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return Kind(f"a whole number from {least} to {most}", parse, f"{least:,} to {most:,}")


def number(least: float, most: float) -> Kind:
    def parse(text: str) -> float:
        if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]+)?", text) or not least <= float(text) <= most:
            raise ValueError
        return float(text)

    span = f"{figure(least)} to {figure(most)}"
    return Kind(f"a number from {span}", parse, span)


def choice(*choices: str) -> Kind:
    def parse(text: str) -> str:
        for one in choices:
            if one.lower() == text.lower():
                return one
        raise ValueError

    return Kind(f"one of {', '.join(choices)}", parse, ", ".join(f"`{one}`" for one in choices))


def url(*schemes: str) -> Kind:
    wanted = f"a URL that begins with {schemes[0]}://"

    def parse(text: str) -> str:
        try:
            parts = urlsplit(text)
        except ValueError:  # half an IPv6 address
            raise ValueError(wanted) from None
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            raise ValueError(wanted)
        try:
            usable = parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"{wanted} and whose port is a number from 1 to 65535")
        return text

    return Kind(wanted, parse)


def text(most_chars: int) -> Kind:
    def parse(given: str) -> str:
        if len(given) > most_chars or "\x00" in given:
            raise ValueError
        return given

    return Kind(f"a text of at most {most_chars} characters", parse, f"{most_chars:,} characters")


def _flag(given: str) -> bool:
    if given.lower() not in _TRUE + _FALSE:
        raise ValueError
    return given.lower() in _TRUE


def origin_of(given: str) -> str:
    """The same origin as browsers write it (RFC 6454, 6.2): in small letters, its name in ASCII (``https://xn--...``), without a port
    that goes without saying. Only so it is like what a browser sends, and may stand in a header. Raises ValueError where it is none."""
    if not _ORIGIN.fullmatch(given):
        raise ValueError(given)
    return str(URL(given).origin())


def is_origin(given: str) -> bool:
    try:
        origin_of(given)
    except ValueError:
        return False
    return True


def file_of(given: str) -> Path:
    """The path that a setting names: one that is not absolute begins in the checkout, as ``.env`` does, from wherever a command is
    run; ``~`` is a home. Raises RuntimeError for a ``~`` of nobody's."""
    return _ROOT / Path(given).expanduser()


def text_of_file(given: str) -> str:
    """What such a file holds; the mark that some editors put before UTF-8 is no part of it. Raises what `file_of` does, OSError and
    UnicodeDecodeError."""
    return file_of(given).read_text(encoding="utf-8-sig")


def names_of(given: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in given.split(",") if part.strip())


TEXT = Kind("a text", str)
NAMES = Kind("names with commas between", names_of)
FLAG = Kind("1 or 0 (true or false)", _flag, "`1`, `0`")
HTTP_URL = url("https", "http")


# --- how Django's settings are read --------------------------------------------------------------------------------


def django_settings(conf: Any, prefix: str) -> dict[str, Any]:
    """What the environment set, as Django's settings."""
    return {prefix + name.upper(): getattr(conf, name) for name, _ in declared(type(conf))}


def reader(conf: type[Conf], prefix: str) -> "_lru_cache_wrapper[Conf]":
    """The settings as they stand, as a conf; read anew after Django's ``setting_changed``."""

    @cache
    def read() -> Conf:
        names = [one.name for one in fields(conf)]  # type: ignore[arg-type]
        given = {name: prefix + name.upper() for name in names if hasattr(settings, prefix + name.upper())}
        return conf(**{name: getattr(settings, setting) for name, setting in given.items()})

    def forget(*, setting: str, **_: object) -> None:
        if setting.startswith(prefix):
            read.cache_clear()

    setting_changed.connect(forget, weak=False, dispatch_uid=prefix)
    return read
