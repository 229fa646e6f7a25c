"""Which provider answers: a model is named PROVIDER:NAME, e.g. ``gemini:gemini-3.8-flash``, or ``demo``."""

import re
from collections.abc import Callable

from django.core.signals import setting_changed

from chat.conf import conf
from chat.providers import kinds
from chat.providers.base import Provider
from chat.providers.kinds import Kind, ProviderNotConfigured

__all__ = [
    "ProviderNotConfigured",
    "close_providers",
    "default_model_spec",
    "full_spec",
    "provider_for",
    "register_provider",
]

_kinds: dict[str, Kind] = dict(kinds.KINDS)
_providers: dict[str, Provider] = {}


def default_model_spec() -> str:
    """``LLM_MODEL``, else the default model of the first vendor that has a key, else the demo."""
    if spec := conf().llm_model:
        return spec
    with_key = (
        f"{name}:{_kinds[name].default_model()}" for name in kinds.PREFERRED if _kinds[name].has_key()
    )
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


async def close_providers() -> None:
    """Give back every connection; the next use opens new ones."""
    closing = list(_providers.values())
    _providers.clear()
    for provider in closing:
        await provider.aclose()


def register_provider(name: str, make: Callable[[], Provider]) -> None:
    """Offer a provider of the project's own, as a model called ``name``."""
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
    vendors = {
        "gpt": "openai",
        "o[1-9]": "openai",
        "chatgpt": "openai",
        "claude": "anthropic",
        "gemini": "gemini",
    }
    found = (vendor for begin, vendor in vendors.items() if re.match(f"{begin}(-|$)", model))
    vendor = next(found, "")
    return f" You may mean {vendor}:{model}." if vendor else ""


def _forget(*, setting: str, **_: object) -> None:
    """A provider holds its key; made anew when a setting of ours changes."""
    if setting.startswith("CHAT_"):
        _providers.clear()


setting_changed.connect(_forget, dispatch_uid="chat.providers.registry")
