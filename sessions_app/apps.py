from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SessionsConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Review"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sessions_app.files import checks as files_checks  # noqa: F401 - registers them
        from sessions_app.supabase import checks  # noqa: F401
        from sessions_app.supabase.closing import close_after_migrate

        # one sender of many: all apps' tables are there when the first of these signals is sent
        post_migrate.connect(close_after_migrate, sender=self, dispatch_uid="sessions_app.supabase.closing")
