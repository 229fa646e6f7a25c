"""What only the chat's settings hold: models, headers, origins, prices, MCP servers."""

import base64
import json
import mimetypes
import re
import tomllib
from typing import Any

from sessions_app.assistant import SLUG, AssistantSettings, assistant_of
from sessions_app.setting import Kind, file_of, names_of, origin_of, text_of_file

_FIGURES = ("input", "cached", "output", "context")
_PRICES_FORM = (
    'JSON like {"openai:NAME": {"input": 1.5, "cached": 0.15, "output": 6, "context": 128000}}, or the path of a file '
    "with that in it"
)
_FITS_A_HEADER = re.compile(r"[\t -~]*")
"""Of what is copied, an ellipsis or a curly quote does not: each request would end in an error of encoding."""
_MOST_REASONS = 20
_MOST_NAME_CHARS = 40
_ASSISTANTS_FORM = (
    'JSON like {"default": {"name": "Bicycle shop"}}, or the path of a JSON or TOML file with that in it'
)
_SERVERS_FORM = "JSON, or the path of a JSON or TOML file"


def model_of(vendor: str) -> Kind:
    """A model of that vendor's; ``VENDOR:NAME``, as ``LLM_MODEL`` wants it, does no harm."""
    return Kind("a model's name", lambda text: text.removeprefix(f"{vendor}:") or None)


def _key(text: str) -> str:
    if not _FITS_A_HEADER.fullmatch(text):
        raise ValueError
    return text


def _headers(text: str) -> dict[str, str]:
    found = {}
    for line in filter(str.strip, text.splitlines()):
        header, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9-]+", header.strip()):
            raise ValueError
        if not _FITS_A_HEADER.fullmatch(value.strip()):
            raise ValueError
        found[header.strip()] = value.strip()
    return found


def _origins(text: str) -> tuple[str, ...]:
    return tuple(map(origin_of, names_of(text)))


def _reasons(text: str) -> tuple[str, ...]:
    found = names_of(text)
    if len(found) > _MOST_REASONS or not all(re.fullmatch(r"[a-z_]{1,40}", reason) for reason in found):
        raise ValueError
    return tuple(dict.fromkeys(found))


def _model_names(text: str) -> dict[str, str]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("")  # noqa: TRY004 - one error for all that can be wrong
    if not all(
        isinstance(name, str) and 0 < len(name.strip()) <= _MOST_NAME_CHARS for name in found.values()
    ):
        raise ValueError("")
    return {model: name.strip() for model, name in found.items()}


def _prices(text: str) -> dict[str, dict[str, float]]:
    """A JSON object, or the path of a file with one: figures by model."""
    try:
        models = json.loads(text if text.startswith("{") else text_of_file(text))
        _check_prices(models)
    except (OSError, ValueError, RuntimeError) as error:  # the last: a ~ of nobody's
        raise ValueError(f"{_PRICES_FORM} ({error})") from None
    found: dict[str, dict[str, float]] = models
    return found


def _check_prices(models: Any) -> None:
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


def _model_files(text: str) -> dict[str, tuple[str, ...]]:
    found = json.loads(text)
    if not isinstance(found, dict) or not all(
        isinstance(kinds, list) and all(kind in FILE_KINDS for kind in kinds) for kinds in found.values()
    ):
        raise ValueError
    return {model: tuple(kinds) for model, kinds in found.items()}


def _mcp_servers(text: str) -> dict[str, Any]:
    """JSON text, or the path of a JSON or TOML file.

    Other MCP clients wrap their servers in a key of its own; it may be there.
    """
    try:
        found = json.loads(text) if text.startswith("{") else _load(text)
    except (OSError, ValueError, RuntimeError) as error:
        why = f"{type(error).__name__}: {getattr(error, 'strerror', '') or error}"
        raise ValueError(f"{_SERVERS_FORM} ({why})") from None
    for key in ("mcpServers", "mcp_servers", "servers"):
        if isinstance(found, dict) and list(found) == [key]:
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise ValueError('an object of servers by name, {"name": {"command": ...}} (see docs/mcp.md)')
    return found


def _assistants(text: str) -> dict[str, AssistantSettings]:
    """JSON text, or the path of a JSON or TOML file; a logo may be the path of a picture."""
    try:
        found = json.loads(text) if text.startswith("{") else _load(text)
        return {slug: _assistant(slug, fields) for slug, fields in dict(found).items()}
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{_ASSISTANTS_FORM} ({getattr(error, 'strerror', '') or error})") from None


def _assistant(slug: str, fields: Any) -> AssistantSettings:
    if not SLUG.fullmatch(slug):
        raise ValueError(f"{slug[:60]!r}: names are of a-z, 0-9 and -")
    logo = fields.get("logo") if isinstance(fields, dict) else None
    if isinstance(logo, str) and logo and not logo.startswith("data:"):
        fields = {**fields, "logo": _picture(slug, logo)}
    try:
        return assistant_of(fields)
    except ValueError as error:
        raise ValueError(f"{slug}: {error}") from None


def _picture(slug: str, path: str) -> str:
    """As a data URL. An error names it: the reader has the file of settings before them, and that one is there."""
    picture = file_of(path)
    try:
        data = base64.b64encode(picture.read_bytes()).decode()
    except OSError as error:
        raise ValueError(f"{slug}: logo: {picture}: {error.strerror}") from None
    return f"data:{mimetypes.guess_type(picture.name)[0]};base64,{data}"


def _load(path: str) -> Any:
    text = text_of_file(path)
    return tomllib.loads(text) if path.endswith(".toml") else json.loads(text)


ASSISTANTS = Kind(_ASSISTANTS_FORM, _assistants)
KEY = Kind("a key as its vendor shows it, of ASCII letters, digits and signs alone", _key)
HEADERS = Kind("HTTP headers like `X-Team: support`, a line each", _headers)
ORIGINS = Kind("origins like https://app.example.com, without a path, commas between", _origins)
REASONS = Kind(f"at most {_MOST_REASONS} names of a-z and _, commas between", _reasons)
FILE_KINDS = ("image", "pdf")
MODEL_FILES = Kind('JSON like {"compatible:qwen3-vl": ["image", "pdf"]}', _model_files)
MODEL_NAMES = Kind(
    f'JSON like {{"openai:NAME": "Thorough"}}, each name of at most {_MOST_NAME_CHARS} characters',
    _model_names,
)
PRICES = Kind(_PRICES_FORM, _prices)
MCP_SERVERS = Kind(_SERVERS_FORM, _mcp_servers)
