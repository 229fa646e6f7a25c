"""Single environment variables: read through django-environ, checked, and refused in one plain line."""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import environ

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


_FIGURES = ("input", "cached", "output", "context")
_PRICES_FORM = 'JSON like {"openai:NAME": {"input": 1.5, "cached": 0.15, "output": 6, "context": 128000}}'


class EnvError(Exception):
    """A variable is wrong: its name, what it holds (never a secret) and the fix, in one line."""


class EnvReader:
    """Reads variables by kind. An empty value counts as unset."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._environ = environ.Env()
        self._environ.ENVIRON = dict(values)
        self.names_read: list[str] = []

    @classmethod
    def of_process(cls, env_file: Path) -> "EnvReader":
        """The process's environment; what it lacks is taken from ``env_file`` and put into `os.environ`, too.

        It has to be there: the vendors' SDKs read variables of their own.
        """
        if env_file.is_file():
            _check_lines(env_file)
            environ.Env.read_env(env_file)
        return cls(os.environ)

    def text(self, name: str) -> str | None:
        self.names_read.append(name)
        return str(self._environ.str(name, default="")).strip() or None

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


def _check_lines(env_file: Path) -> None:
    """django-environ only logs a line it cannot read; a setting that is silently dropped is worse than a stop."""
    for number, line in enumerate(env_file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not re.match(r"#|(export )?[A-Za-z_0-9]+=", line):
            raise EnvError(
                f"{env_file.name}, line {number}: not NAME=value. Correct the line or begin it with '#'."
            )


def _refuse(name: str, text: str | None, wanted: str) -> NoReturn:
    shown = f"{name}={text!r}" if text is not None else name
    raise EnvError(
        f"{shown}: this has to be {wanted}. Correct or unset {name}, in the environment or in .env."
    )
