"""Single environment variables: read, checked, and refused in one plain line."""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from realtime_ai.env_file import EnvError, read_env_file

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_FIGURES = ("input", "cached", "output", "context")
_PRICES_FORM = 'JSON like {"openai:NAME": {"input": 1.5, "cached": 0.15, "output": 6, "context": 128000}}'


class EnvReader:
    """Reads variables by kind. An empty value counts as unset."""

    def __init__(self, values: Mapping[str, str], *, file_names: Iterable[str] = ()) -> None:
        self.values = values
        self.file_names = frozenset(file_names)
        self.names_read: list[str] = []

    @classmethod
    def of_process(cls, env_file: Path) -> "EnvReader":
        """The process's environment; what it lacks is taken from ``env_file`` and put into `os.environ`, too.

        What is empty then is taken out of it: libraries that read variables by themselves (uvicorn, prometheus, the
        vendors' SDKs) take an empty one for a value.
        """
        from_file = read_env_file(env_file) if env_file.exists() else {}
        for name, value in from_file.items():
            os.environ.setdefault(name, value)
        for name in [name for name, value in os.environ.items() if not value.strip()]:
            del os.environ[name]
        return cls(os.environ, file_names=from_file)

    def text(self, name: str) -> str | None:
        self.names_read.append(name)
        return self.values.get(name, "").strip() or None

    def text_or_file(self, name: str, *, most_chars: int) -> str | None:
        """``NAME``, or what stands in the file that ``NAME_FILE`` names."""
        text, path = self.text(name), self.text(f"{name}_FILE")
        if text and path:
            raise EnvError(f"{name} and {name}_FILE are both set. Unset one of them.")
        if path:
            try:
                text = Path(path).expanduser().read_text(encoding="utf-8-sig").strip()
            except (OSError, UnicodeDecodeError) as error:
                _refuse(f"{name}_FILE", path, f"the path of a text file that can be read ({error})")
        if text and (len(text) > most_chars or "\x00" in text):
            _refuse(f"{name}_FILE" if path else name, None, f"a text of at most {most_chars} characters")
        return text or None

    def headers(self, name: str) -> dict[str, str]:
        """HTTP headers, ``Name: value``, a line each; never shown, they may hold secrets."""
        found = {}
        for line in filter(str.strip, (self.text(name) or "").splitlines()):
            header, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[A-Za-z0-9-]+", header.strip()):
                _refuse(name, None, "HTTP headers like `X-Team: support`, a line each")
            found[header.strip()] = value.strip()
        return found

    def whole(self, name: str, *, default: int, least: int, most: int) -> int:
        value = self.optional_whole(name, least=least, most=most)
        return default if value is None else value

    def optional_whole(self, name: str, *, least: int, most: int) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not least <= int(text) <= most:
            _refuse(name, text, f"a whole number from {least} to {most}")
        return int(text)

    def number(self, name: str, *, default: float, least: float, most: float) -> float:
        value = self.optional_number(name, least=least, most=most)
        return default if value is None else value

    def optional_number(self, name: str, *, least: float, most: float) -> float | None:
        text = self.text(name)
        if text is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]+)?", text) or not least <= float(text) <= most:
            _refuse(name, text, f"a number from {least:g} to {most:g}")
        return float(text)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.optional_flag(name)
        return default if value is None else value

    def optional_flag(self, name: str) -> bool | None:
        text = self.text(name)
        if text is None:
            return None
        if text.lower() not in _TRUE + _FALSE:
            _refuse(name, text, "1 or 0 (true or false)")
        return text.lower() in _TRUE

    def choice(self, name: str, *, default: str, choices: tuple[str, ...]) -> str:
        text = self.text(name) or default
        chosen = {choice.lower(): choice for choice in choices}.get(text.lower())
        if chosen is None:
            _refuse(name, text, f"one of {', '.join(choices)}")
        return chosen

    def optional_choice(self, name: str, *, choices: tuple[str, ...]) -> str | None:
        return self.choice(name, default="", choices=choices) if self.text(name) else None

    def folder(self, name: str, *, default: Path) -> Path:
        text = self.text(name)
        return Path(text).expanduser().resolve() if text else default

    def names(self, name: str) -> tuple[str, ...]:
        """A list with commas between."""
        return tuple(part.strip() for part in (self.text(name) or "").split(",") if part.strip())

    def origins(self, name: str) -> tuple[str, ...]:
        found = self.names(name)
        for origin in found:
            if not re.fullmatch(r"https?://[^/?#@\s*]+", origin):
                _refuse(name, origin, "origins like https://app.example.com, without a path, commas between")
        return found

    def networks(self, name: str) -> tuple[str, ...]:
        """IP addresses and networks, or ``*`` for any."""
        found = self.names(name)
        for network in found:
            try:
                network == "*" or ip_network(network, strict=False)
            except ValueError:
                _refuse(
                    name, network, "IP addresses or networks of your proxies like 10.0.0.0/8, commas between"
                )
        return found

    def prices(self, name: str) -> dict[str, dict[str, float]]:
        """A JSON object, or the path of a file with one: figures by model."""
        text = self.text(name)
        if text is None:
            return {}
        try:
            return _prices(text if text.startswith("{") else Path(text).expanduser().read_text("utf-8"))
        except (OSError, ValueError) as error:
            _refuse(name, text, f"{_PRICES_FORM}, or the path of a file with that in it ({error})")

    def url(self, name: str, *, schemes: tuple[str, ...], secret: bool = False) -> str | None:
        """A URL of one of ``schemes``; a secret one (it may hold a password) is not shown in the refusal."""
        text = self.text(name)
        if text is None:
            return None
        if secret and (problem := _password_problem(text)):
            raise EnvError(f"{name}: {problem}")
        try:
            parts = urlsplit(text)
            usable = parts.scheme in schemes and bool(parts.netloc or parts.path) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            _refuse(name, None if secret else text, f"a URL that begins with {schemes[0]}://")
        return text

    def mcp_servers(self, name: str, *, folder: Path) -> dict[str, Any]:
        """JSON text, or the path of a JSON or TOML file (relative to ``folder``); never shown, it holds secrets.

        Other MCP clients wrap their servers in a key of its own; it may be there.
        """
        text = self.text(name)
        if text is None:
            return {}
        try:
            found = json.loads(text) if text.startswith("{") else _load(folder / Path(text).expanduser())
        except (OSError, ValueError) as error:
            why = f"{type(error).__name__}: {getattr(error, 'strerror', '') or error}"
            raise EnvError(
                f"{name}: this has to be JSON, or the path of a JSON or TOML file ({why})."
            ) from None
        for key in ("mcpServers", "mcp_servers", "servers"):
            if isinstance(found, dict) and list(found) == [key]:
                found = found[key]
        if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
            raise EnvError(
                f'{name}: this has to be an object of servers by name, {{"name": {{"command": ...}}}}. See docs/mcp.md.'
            )
        return found


def _load(path: Path) -> Any:
    """Raises OSError, ValueError."""
    text = path.read_text(encoding="utf-8")
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def _prices(text: str) -> dict[str, dict[str, float]]:
    """Raises ValueError."""
    models = json.loads(text)
    if not isinstance(models, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for all that can be wrong
    for model, figures in models.items():
        if not isinstance(figures, dict) or not figures:
            raise ValueError(f"{model}: not a JSON object")
        for key, value in figures.items():
            known = key in _FIGURES and isinstance(value, int | float) and not isinstance(value, bool)
            if not known or not 0 <= value < 10**9:
                raise ValueError(f"{model}: {key}")
        if ("input" in figures) != ("output" in figures):
            raise ValueError(f"{model}: input and output go together")
    return models


_ENCODE = "python3 -c 'import sys, urllib.parse as u; print(u.quote(sys.argv[1], safe=\"\"))' 'THE PASSWORD'"


def _password_problem(url: str) -> str | None:
    """What is wrong with the user and password of a URL, if anything: dashboards give a URL to put a password into,
    and most passwords do not fit in as they are.
    """
    scheme, _, rest = url.partition("://")
    if not rest or re.search(r"[^a-z0-9+]", scheme, re.IGNORECASE):
        return None
    if re.search(r"\[?\bYOUR[-_ ]PASSWORD\b\]?|\[PASSWORD\]", rest, re.IGNORECASE):
        return "the password still has to be put into it, in place of [YOUR-PASSWORD], brackets and all."
    sign = _stray_sign(rest)
    if sign is None:
        return None
    return (
        f"a {sign!r} stands unencoded in it. In the user and the password write %{ord(sign):02X} for it; "
        f"this encodes a whole password: {_ENCODE}"
    )


def _stray_sign(rest: str) -> str | None:
    """The sign at which what should be a password ends too early; ``rest`` is what follows ``://``."""
    end = re.search(r"[/?#]", rest)
    authority = rest[: end.start()] if end else rest
    if "#" in rest:
        return "#"  # no store's URL has a fragment
    before_query, _, query = rest.partition("?")
    if end and "@" in before_query[end.start() :]:
        return "/"
    if "@" in (query if end and end[0] == "?" else query.partition("=")[0]):
        return "?"
    user_and_password = authority.rpartition("@")[0]
    return next((sign for sign in "[]" if sign in user_and_password), None)


def _refuse(name: str, text: str | None, wanted: str) -> NoReturn:
    shown = f"{name}={text!r}" if text is not None else name
    raise EnvError(
        f"{shown}: this has to be {wanted}. Correct or unset {name}, in the environment or in .env."
    )
