from django.apps import AppConfig


class ChaosConfig(AppConfig):
    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        from chat.llm.catalog import register_provider
        from tests.chaos.model import MODEL, ChaosModel

        register_provider(MODEL, ChaosModel)
