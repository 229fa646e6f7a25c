import contextlib
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from sessions_app.hooks import Again, Decision, Step


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chat import checks  # noqa: F401 - registers them
        from chat.door import signals  # noqa: F401 - connects them
        from chat.tasks import session_ended
        from chat.tools.mcp.status import notices
        from chat.tools.registry import discover_tools
        from sessions_app.hooks import (
            on_address_check,
            on_again,
            on_assistants_changed,
            on_decision,
            on_models,
            on_notices,
            on_session_ended,
            on_step,
            on_tools,
            on_writer,
        )

        on_session_ended(session_ended)
        on_decision(_decide)
        on_again(_run_again)
        on_models(_models)
        on_writer(_usual_writer)
        on_tools(_tools)
        on_assistants_changed(_assistants_changed)
        on_step(_step_in)
        on_address_check(_address_problem)
        on_notices(notices)
        discover_tools()


def _decide(decision: "Decision") -> None:
    """The engine is imported by those who serve, not by every command."""
    from chat.staff import decide_approval

    decide_approval(decision)


def _run_again(again: "Again") -> None:
    from chat.staff import answer_again
    from chat.tasks import summary_again, summary_anew
    from sessions_app.errors import DecisionRefused

    if again.response_id:
        answer_again(again)
    elif again.anew:
        if again.model and again.model not in _models():
            raise DecisionRefused(f"This server has no model {again.model[:100]!r}.")
        if not summary_anew(again.session_id, model=again.model, author=again.by):
            raise DecisionRefused("There is nothing to sum up, or a summary is being written already.")
    elif not summary_again(again.session_id):
        raise DecisionRefused("No summary of this conversation is missing any more.")


def _models() -> list[str]:
    """Those that clients are offered, and the one for summaries, as far as they can be asked."""
    from chat.conf import conf
    from chat.llm.catalog import offered, problem_of

    specs = dict.fromkeys([*filter(None, [conf().summary_model]), *offered()])
    return [spec for spec in specs if not problem_of(spec)]


def _usual_writer(model: str) -> tuple[str, str]:
    from chat.jobs.summary import asked
    from chat.llm.catalog import problem_of

    spec = asked(model, "")
    return spec, problem_of(spec)


def _tools() -> list[str]:
    from chat.tools.registry import default_registry

    return [tool.name for tool in default_registry]


def _assistants_changed() -> None:
    """At once in this process; what cannot be read now is read with the next round."""
    from chat.assistants import shelf

    with contextlib.suppress(Exception):
        shelf.refresh()


def _step_in(step: "Step") -> None:
    from chat.staff import step_in

    step_in(step)


def _address_problem(url: str) -> str:
    from chat.conf import conf
    from chat.jobs.addresses import AddressRefused, check_address

    try:
        check_address(url, inward=conf().webhook_private_addresses)
    except AddressRefused as error:
        return str(error)
    return ""
