from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chat import checks  # noqa: F401 - registers them
        from chat.staff import decide_approval
        from chat.tasks import session_ended
        from chat.tools.mcp.status import notices
        from chat.tools.registry import discover_tools
        from sessions_app.hooks import on_decision, on_notices, on_session_ended

        on_session_ended(session_ended)
        on_decision(decide_approval)
        on_notices(notices)
        discover_tools()
