from django.apps import AppConfig


class LimitsConfig(AppConfig):
    name = "sessions_app.limits"
    label = "limits"
    verbose_name = "Limits"
    default_auto_field = "django.db.models.BigAutoField"
