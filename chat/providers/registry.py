"""Which provider answers: a model is named PROVIDER:NAME, e.g. ``gemini:gemini-3.8-flash``, or ``demo``."""

from collections.abc import Callable
from dataclasses import dataclass

from django.core.signals import setting_changed

from chat.conf import DEFAULT_GEMINI_MODEL, conf
from chat.providers.base import Provider


class ProviderNotConfigured(ValueError):
    """The model cannot be used as the settings stand; the message names the variable and the fix."""


def default_model_spec() -> str:
    """``LLM_MODEL``, else Gemini when there is a key, else the demo."""
    if spec := conf().llm_model:
        return spec
    return f"gemini:{DEFAULT_GEMINI_MODEL}" if conf().gemini_api_key else "demo"


def provider_for(spec: str | None) -> tuple[Provider, str]:
    """The provider and the model's name; None is the default. A provider without a name gives its default model.

    Nothing is sent, so a system check may call it. Raises `ProviderNotConfigured`.
    """
    spec = spec or default_model_spec()
    name, colon, model = spec.strip().partition(":")
    kind = _KINDS.get(name)
    if kind is None:
        known = ", ".join(one.usage for one in _KINDS.values())
        raise ProviderNotConfigured(f"LLM_MODEL={spec}: there is no provider {name!r}. Use one of: {known}.")
    if colon and (not model or not kind.takes_name):
        raise ProviderNotConfigured(f"LLM_MODEL={spec}: write {kind.usage}.")
    if name not in _providers:
        _providers[name] = kind.make()
    return _providers[name], model or kind.default_model


async def close_providers() -> None:
    """Give back every connection; the next use opens new ones."""
    closing = list(_providers.values())
    _providers.clear()
    for provider in closing:
        await provider.aclose()


@dataclass(frozen=True, kw_only=True)
class _Kind:
    make: Callable[[], Provider]
    default_model: str
    usage: str
    takes_name: bool = True


def _demo() -> Provider:
    from chat.providers.demo import DemoProvider

    return DemoProvider()


def _gemini() -> Provider:
    key = conf().gemini_api_key
    if not key:
        raise ProviderNotConfigured(
            "GEMINI_API_KEY is not set. Set it, or LLM_MODEL=demo to run without a key."
        )
    from chat.providers.gemini import (
        GeminiProvider,
    )  # the SDK takes a second to import: only where it is used

    return GeminiProvider(key)


_KINDS = {
    "gemini": _Kind(make=_gemini, default_model=DEFAULT_GEMINI_MODEL, usage="gemini:NAME"),
    "demo": _Kind(make=_demo, default_model="demo", usage="demo", takes_name=False),
}
_providers: dict[str, Provider] = {}


def register_provider(name: str, make: Callable[[], Provider]) -> None:
    """Offer a provider of the project's own, as a model called ``name``."""
    _KINDS[name] = _Kind(make=make, default_model=name, usage=name, takes_name=False)


def _forget(*, setting: str, **_: object) -> None:
    """A provider holds its key; made anew when a setting of ours changes."""
    if setting.startswith("CHAT_"):
        _providers.clear()


setting_changed.connect(_forget, dispatch_uid="chat.providers.registry")
