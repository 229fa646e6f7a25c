"""``python -m tests.docs.openapi`` writes ``docs/openapi.json``, the schema of plain HTTP, from its operations."""

import json
import os

import django

from realtime_ai.env import BASE_DIR

FILE = BASE_DIR / "docs" / "openapi.json"


def text() -> str:
    from chat.api.api import api

    return json.dumps(api.get_openapi_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_ai.settings.test")
    django.setup()
    FILE.write_text(text(), encoding="utf-8")
