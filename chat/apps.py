from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chat.tasks import session_ended
        from sessions_app.hooks import on_session_ended

        on_session_ended(session_ended)
