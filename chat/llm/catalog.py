"""Which models this server offers, how their providers are made, and what a client's name of a model stands for.

A model is named PROVIDER:NAME, e.g. ``gemini:gemini-3.8-flash``, or ``demo``. A vendor's SDK takes up to a second to import,
and may not be installed: it is imported when it is used.
"""

import contextlib
import logging
import re
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

from django.core.signals import setting_changed

from chat.conf import conf
from chat.errors import ModelCredentials, ModelNotAllowed
from chat.llm.prices import context_tokens
from chat.llm.provider import JSON, ModelEvent, ModelRequest, Provider

logger = logging.getLogger(__name__)


class ProviderNotConfigured(ValueError):
    """The model cannot be used as the settings stand; the message names the variable and the fix."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    make: Callable[[], Provider]
    """Raises `ProviderNotConfigured`."""
    default_model: Callable[[], str]
    """Empty: the spec has to name one."""
    usage: str
    takes_name: bool = True
    has_key: Callable[[], bool] = lambda: False


def _vendor(name: str, make: Callable[[str], Provider]) -> Kind:
    """One whose key and default model are settings called after it."""

    def key() -> str | None:
        found: str | None = getattr(conf(), f"{name}_api_key")
        return found

    return Kind(
        make=lambda: make(_needed(key(), f"{name.upper()}_API_KEY")),
        default_model=lambda: getattr(conf(), f"{name}_model"),
        usage=f"{name}:NAME",
        has_key=lambda: bool(key()),
    )


def _demo() -> Provider:
    from chat.llm.demo.provider import DemoProvider

    return DemoProvider()


def _gemini(key: str) -> Provider:
    from chat.llm.gemini.provider import GeminiProvider

    return GeminiProvider(key)


def _openai(key: str) -> Provider:
    with _extra("openai"):
        from chat.llm.openai.responses import OpenAIProvider
    return OpenAIProvider(key)


def _anthropic(key: str) -> Provider:
    with _extra("anthropic"):
        from chat.llm.anthropic.provider import AnthropicProvider
    return AnthropicProvider(key)


def _groq(key: str) -> Provider:
    with _extra("openai"):
        from chat.llm.openai.chat import ChatCompletionsProvider
    limit_field = "max_completion_tokens"
    return ChatCompletionsProvider(
        "groq", api_key=key, base_url=conf().groq_base_url, limit_field=limit_field
    )


def _compatible() -> Provider:
    url = _needed(conf().compatible_base_url, "COMPATIBLE_BASE_URL")
    with _extra("openai"):
        from chat.llm.openai.chat import ChatCompletionsProvider
    return ChatCompletionsProvider(
        "compatible",
        api_key=conf().compatible_api_key or "",
        base_url=url,
        limit_field=conf().compatible_limit_field,
        counted=conf().compatible_stream_options,
    )


def _needed(value: str | None, variable: str) -> str:
    if not value:
        raise ProviderNotConfigured(f"{variable} is not set. Set it, or LLM_MODEL=demo to run without a key.")
    return value


@contextmanager
def _extra(name: str) -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name:
            raise
        raise ProviderNotConfigured(
            f"The package {name} is not installed. It is the extra {name!r}: "
            f"uv pip install -r pyproject.toml --extra {name}"
        ) from error


KINDS = {
    "gemini": _vendor("gemini", _gemini),
    "openai": _vendor("openai", _openai),
    "anthropic": _vendor("anthropic", _anthropic),
    "groq": _vendor("groq", _groq),
    "compatible": Kind(make=_compatible, default_model=lambda: "", usage="compatible:NAME"),
    "demo": Kind(make=_demo, default_model=lambda: "demo", usage="demo", takes_name=False),
}
PREFERRED = ("gemini", "openai", "anthropic", "groq")
"""Whose default model answers when ``LLM_MODEL`` is not set: the first that has a key."""


_kinds: dict[str, Kind] = dict(KINDS)
_providers: dict[str, Provider] = {}


def default_model_spec() -> str:
    """``LLM_MODEL``, else the default model of the first vendor that has a key, else the demo."""
    if spec := conf().llm_model:
        return spec
    with_key = (f"{name}:{_kinds[name].default_model()}" for name in PREFERRED if _kinds[name].has_key())
    return next(with_key, "demo")


def provider_for(spec: str | None) -> tuple[Provider, str]:
    """The provider and the model's name; None is the default. A provider without a name gives its default model.

    Nothing is sent, so a system check may call it. Raises `ProviderNotConfigured`.
    """
    name, kind, model = _parsed(spec or default_model_spec())
    if name not in _providers:
        _providers[name] = kind.make()
    return _providers[name], model


def full_spec(spec: str) -> str:
    """The spec with its model's name, as the log writes it. Raises `ProviderNotConfigured` for one that is misspelt."""
    name, kind, model = _parsed(spec)
    return f"{name}:{model}" if kind.takes_name else name


def problem_of(spec: str) -> str:
    """Why the model cannot be asked as the settings stand, as a sentence; empty: it can."""
    try:
        provider_for(spec)
    except ProviderNotConfigured as error:
        return f"{str(error).partition('. ')[0].removesuffix('.')}."
    return ""


async def close_providers() -> None:
    """Give back every connection; the next use opens new ones."""
    closing = list(_providers.values())
    _providers.clear()
    for provider in closing:
        await provider.aclose()


def register_provider(name: str, make: Callable[[], Provider]) -> None:
    """Offer a provider of the project's own, as a model called ``name``, e.g. for `LLM_MODEL`.

    ``make`` is called when the model is first asked, and again when settings have changed.
    """
    _kinds[name] = Kind(make=make, default_model=lambda: name, usage=name, takes_name=False)


def _parsed(spec: str) -> tuple[str, Kind, str]:
    name, colon, model = spec.strip().partition(":")
    kind = _kinds.get(name)
    if kind is None:
        known = ", ".join(one.usage for one in _kinds.values())
        meant = "" if colon else _likely_meant(name)
        raise ProviderNotConfigured(
            f"LLM_MODEL={spec}: there is no provider {name!r}.{meant} Use one of: {known}."
        )
    if (colon and (not model or not kind.takes_name)) or not (model or kind.default_model()):
        raise ProviderNotConfigured(f"LLM_MODEL={spec}: write {kind.usage}.")
    return name, kind, model or kind.default_model()


def _likely_meant(model: str) -> str:
    """A model's name without its provider, as every other product takes it."""
    beginnings = {"openai": "gpt|o[1-9]|chatgpt", "anthropic": "claude", "gemini": "gemini"}
    found = (vendor for vendor, begin in beginnings.items() if re.match(f"({begin})(-|$)", model))
    vendor = next(found, "")
    return f" You may mean {vendor}:{model}." if vendor else ""


def _forget(*, setting: str, **_: object) -> None:
    """A provider holds its key; made anew when a setting of ours changes."""
    if setting.startswith("CHAT_"):
        _providers.clear()


setting_changed.connect(_forget, dispatch_uid="chat.llm.catalog")


# What a client may choose, and who is asked.


_SDK_HABIT = "realtime"
"""In the names of OpenAI's realtime models, which its SDKs and every example send, whatever server they talk to."""


@dataclass(frozen=True)
class Candidate:
    """A model that can be asked."""

    spec: str
    """PROVIDER:NAME, as the log writes it."""
    provider: Provider
    model: str


def offered() -> list[str]:
    """The specs that a client may choose: the default model, its fallbacks, and ``LLM_MODELS``."""
    return _full(_listed())


def shown() -> list[str]:
    """Of these, those that people are shown to choose from: a fallback is for bad times."""
    return _full((default_model_spec(), *conf().llm_models))


def _full(specs: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for spec in specs:
        with contextlib.suppress(ProviderNotConfigured):  # misspelt: a system check says so
            found[full_spec(spec)] = None
    return list(found)


def chosen(name: str | None, *, param: str = "model", among: list[str] | None = None) -> str | None:
    """The spec for a client's name of a model: a spec, or its part behind the colon. None: the client has not chosen.

    ``among``: those that it may choose; None: all that are offered. Raises `ModelNotAllowed`.
    """
    if not name:
        return None
    specs = offered() if among is None else among
    for spec in specs:
        if name in (spec, spec.partition(":")[2]):
            return spec
    if ":" not in name and _SDK_HABIT in name:
        return None
    raise ModelNotAllowed(
        f"This server does not offer the model {name[:100]!r}. Choose one of: {', '.join(specs)}; "
        "or leave it out for the server's own.",
        param=param,
    )


def with_full_model(changes: JSON, *, among: list[str] | None = None) -> JSON:
    """A session's changes with the model's whole name, or without one that stands for no change.

    Raises `ModelNotAllowed`.
    """
    rest = {name: value for name, value in changes.items() if name != "model"}
    model = chosen(changes.get("model"), param="session.model", among=among)
    return {**rest, "model": model} if model else rest


def candidates(spec: str, *, among: list[str] | None = None) -> list[Candidate]:
    """The model, then the fallbacks; what is not configured (any more) is left out, with a line in the log.

    ``among``: no other fallback is asked; None: all are. Never empty: when nothing is left, the default, and be it only to say what it lacks.
    """
    found: dict[str, Candidate] = {}
    first = spec or default_model_spec()
    for wanted in (first, *conf().llm_fallbacks):
        try:
            one = _candidate(wanted)
        except ProviderNotConfigured as error:
            logger.warning("model %s cannot be asked, the next one is: %s", wanted, error)
        else:
            if wanted == first or among is None or one.spec in among:
                found.setdefault(one.spec, one)
    return list(found.values()) or [_default()]


def preload() -> None:
    """Make the providers of all models that are offered, and read the prices: some packages take a second to import."""
    for spec in _listed():
        with contextlib.suppress(ProviderNotConfigured):  # a system check says so
            provider_for(spec)
            context_tokens(full_spec(spec))


def _listed() -> tuple[str, ...]:
    return default_model_spec(), *conf().llm_fallbacks, *conf().llm_models


def _default() -> Candidate:
    spec = default_model_spec()
    try:
        return _candidate(spec)
    except ProviderNotConfigured as error:
        return Candidate(spec, _NotConfigured(str(error)), spec)


def _candidate(spec: str) -> Candidate:
    provider, model = provider_for(spec)
    return Candidate(full_spec(spec), provider, model)


class _NotConfigured(Provider):
    """Stands where no model can be asked: each response fails and tells staff why."""

    name = "none"

    def __init__(self, problem: str) -> None:
        self._problem = problem

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        raise ModelCredentials(cause=self._problem)
        yield  # type: ignore[unreachable]  # makes it a generator
