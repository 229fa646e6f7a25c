"""System checks of the chat's settings."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from procrastinate.contrib.django import app

from chat.conf import conf
from chat.llm.catalog import ProviderNotConfigured, offered, provider_for
from chat.llm.prices import cost_microusd
from chat.llm.provider import Usage
from chat.tools.mcp.config import prefix_of, read_servers
from chat.tools.registry import default_registry
from sessions_app.postgres.address import pools_transactions


@register("chat")
def check_models(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    settings = conf()
    models = [("LLM_MODEL", settings.llm_model, "chat.E001")]
    models += [("CHAT_SUMMARY_MODEL", settings.summary_model, "chat.E002")] if settings.summary_model else []
    models += [("LLM_FALLBACKS", spec, "chat.E006") for spec in settings.llm_fallbacks]
    models += [("LLM_MODELS", spec, "chat.E007") for spec in settings.llm_models]
    return [error for name, spec, code in models if (error := _model_error(name, spec, code))]


def _model_error(name: str, spec: str | None, code: str) -> CheckMessage | None:
    if spec == "*":
        return Error(f"{name}=*: name the models, commas between; any would be anybody's choice.", id=code)
    try:
        provider_for(spec)
    except ProviderNotConfigured as error:
        problem = str(error)
        if problem.startswith("LLM_MODEL="):
            problem = problem.replace("LLM_MODEL=", f"{name}=", 1)
        elif spec:
            problem = f"{name}={spec}: {problem}"
        return Error(problem, hint="docs/models.md lists the providers and what each needs.", id=code)
    return None


@register("chat")
def check_assistants(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """What a file of assistants names and the server does not have; the admin's form asks by itself."""
    return [
        message
        for slug, assistant in conf().assistants.items()
        for message in (
            *_unknown_models(slug, assistant.models),
            *_unknown_tools(slug, assistant.tools or ()),
        )
    ]


def _unknown_models(slug: str, models: Sequence[str]) -> list[CheckMessage]:
    there = offered()
    return [
        Error(
            f"ASSISTANTS: {slug}: the server does not offer the model {model!r}.",
            hint=f"It offers {', '.join(there)}. List it in LLM_MODELS, or correct it.",
            id="chat.E008",
        )
        for model in models
        if model not in there
    ]


def _unknown_tools(slug: str, tools: Sequence[str]) -> list[CheckMessage]:
    """Those of MCP servers come once these are connected."""
    of_servers = tuple(f"{prefix_of(server.name)}__" for server in read_servers(conf().mcp_servers).usable)
    there = [tool.name for tool in default_registry]
    return [
        CheckWarning(
            f"ASSISTANTS: {slug}: there is no tool {tool!r}.",
            hint=f"There are {', '.join(there)}. The assistant goes without it.",
            id="chat.W006",
        )
        for tool in tools
        if tool not in there and not tool.startswith(of_servers)
    ]


@register("chat")
def check_budgets(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A budget counts what has a price."""
    if conf().budget_session_usd is None and conf().budget_user_day_usd is None:
        return []
    return [
        CheckWarning(
            f"There is a budget, but no price is known for the model {spec}: its answers do not count.",
            hint='Set LLM_PRICES to {"'
            + spec
            + '": {"input": ..., "output": ...}}, US dollars per million tokens.',
            id="chat.W005",
        )
        for spec in offered()
        if cost_microusd(spec, Usage()) is None
    ]


@register("chat")
def check_mcp_servers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    hint = "Correct it in MCP_SERVERS; docs/mcp.md shows every field. The server runs without it."
    return [
        CheckWarning(problem, hint=hint, id="chat.W003")
        for problem in read_servers(conf().mcp_servers).problems
    ]


@register("chat")
def check_worker(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if conf().worker_listen and pools_transactions(settings.DATABASES["default"]):
        messages.append(
            Error(
                "LISTEN hears nothing through a transaction pooler (port 6543).",
                hint="Leave CHAT_WORKER_LISTEN unset: the worker then polls every CHAT_WORKER_POLL_SECONDS.",
                id="chat.E003",
            )
        )
    if conf().worker_stalled_seconds < 2 * conf().worker_heartbeat_seconds:
        messages.append(
            Error(
                "A worker would count as dead between two of its heartbeats.",
                hint="Set CHAT_WORKER_STALLED_SECONDS to at least twice CHAT_WORKER_HEARTBEAT_SECONDS.",
                id="chat.E004",
            )
        )
    if not 1 <= conf().upkeep_seconds <= 60 or 60 % conf().upkeep_seconds:
        messages.append(
            Error(
                f"CHAT_UPKEEP_SECONDS={conf().upkeep_seconds} does not divide a minute.",
                hint="Use 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60.",
                id="chat.E005",
            )
        )
    return messages


@register("chat")
def check_upkeep(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    registered = {task_name for task_name, _ in app.periodic_registry.periodic_tasks}
    missing = sorted({"sweep_sessions", "rescue_jobs", "clean_up", "retain"} - registered)
    if not missing:
        return []
    return [
        CheckWarning(
            f"Workers will not do: {', '.join(missing)}. Jobs of a killed worker and orphaned sessions stay behind.",
            hint="List procrastinate.contrib.django before chat in INSTALLED_APPS, and leave "
            'PROCRASTINATE_AUTODISCOVER_MODULE_NAME at "tasks".',
            id="chat.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_guests(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    if not conf().guests_allowed:
        return []
    return [
        CheckWarning(
            "Anybody may chat without signing in, at the cost of your model's quota.",
            hint="Set GUESTS_ALLOWED=0, or silence this when guests are what you want.",
            id="chat.W002",
        )
    ]
