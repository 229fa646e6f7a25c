"""Which models this server offers, and which of them a name that a client gives stands for."""

import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from chat.conf import conf
from chat.errors import ModelCredentials, ModelNotAllowed
from chat.messages import JSON, ModelEvent, ModelRequest
from chat.providers.base import Provider
from chat.providers.registry import ProviderNotConfigured, default_model_spec, full_spec, provider_for

logger = logging.getLogger(__name__)

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
    found: dict[str, None] = {}
    for spec in _listed():
        with contextlib.suppress(ProviderNotConfigured):  # misspelt: a system check says so
            found[full_spec(spec)] = None
    return list(found)


def chosen(name: str | None, *, param: str = "model") -> str | None:
    """The spec for a client's name of a model: a spec, or its part behind the colon. None: the client has not chosen.

    Raises `ModelNotAllowed`.
    """
    if not name:
        return None
    specs = offered()
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


def with_full_model(changes: JSON) -> JSON:
    """A session's changes with the model's whole name, or without one that stands for no change.

    Raises `ModelNotAllowed`.
    """
    rest = {name: value for name, value in changes.items() if name != "model"}
    model = chosen(changes.get("model"), param="session.model")
    return {**rest, "model": model} if model else rest


def candidates(spec: str) -> list[Candidate]:
    """The model, then the fallbacks; what is not configured (any more) is left out, with a line in the log.

    Never empty: when nothing is left, the default, and be it only to say what it lacks.
    """
    found: dict[str, Candidate] = {}
    for wanted in (spec, *conf().llm_fallbacks):
        try:
            one = _candidate(wanted)
        except ProviderNotConfigured as error:
            logger.warning("model %s cannot be asked, the next one is: %s", wanted, error)
        else:
            found.setdefault(one.spec, one)
    return list(found.values()) or [_default()]


def preload() -> None:
    """Make the providers of all models that are offered: a vendor's SDK takes a second to import."""
    for spec in _listed():
        with contextlib.suppress(ProviderNotConfigured):  # a system check says so
            provider_for(spec)


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
