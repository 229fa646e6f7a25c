"""A vendor that repeats our key in its error: it is in no frame, no row of the database and no line of the log."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import connection

from sessions_app.postgres.threads import in_db_thread
from tests.fakes.http_server import Exchange, HttpServer
from tests.support.sockets import realtime

from .conftest import StartServer

KEY = "sk-a-secret-of-this-test-0123456789"

VENDORS = {
    "gemini:gemini-9": ("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", ""),
    "openai:gpt-9": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    "anthropic:claude-9": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", ""),
    "groq:llama-9": ("GROQ_API_KEY", "GROQ_BASE_URL", "/v1"),
    "compatible:llama-9": ("COMPATIBLE_API_KEY", "COMPATIBLE_BASE_URL", "/v1"),
}


async def repeat_the_key(exchange: Exchange) -> None:
    headers = exchange.request.headers
    key = headers.get("x-goog-api-key") or headers.get("x-api-key") or headers["authorization"].split()[1]
    message = f"Incorrect API key provided: {key}. Is {key} yours?"
    error = {"code": 401, "status": "UNAUTHENTICATED", "type": "authentication_error", "message": message}
    await exchange.reply(401, {"type": "error", "error": error}, {"x-echo": key})


@pytest.fixture
def vendor() -> Iterator[HttpServer]:
    with HttpServer(repeat_the_key) as server:
        yield server


@pytest.mark.parametrize("spec", VENDORS)
async def test_the_key_is_nowhere(
    vendor: HttpServer, start_server: StartServer, capfd: pytest.CaptureFixture[str], spec: str
) -> None:
    key_name, url_name, path = VENDORS[spec]
    env = {"LLM_MODEL": spec, "LLM_FALLBACKS": "demo", key_name: KEY, url_name: vendor.url + path}
    server = start_server(LOG_LEVEL="DEBUG", **env)
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("count to 3")
    assert done["response"]["x_failed_attempts"] == [{"model": spec, "code": "model_bad_credentials"}]
    assert KEY in str(vendor.requests[0].headers)
    server.stop()
    rows, printed = await in_db_thread(whole_database), "".join(capfd.readouterr())
    assert "Incorrect API key provided: " in rows
    assert "Incorrect API key provided: " in printed
    assert KEY not in rows
    assert KEY not in printed
    assert KEY not in str(client.frames)


def whole_database() -> str:
    """Every row of every table of ours, as text."""
    texts = []
    with connection.cursor() as cursor:
        for model in apps.get_app_config("sessions_app").get_models():
            cursor.execute(f'SELECT t::text FROM "{model._meta.db_table}" t')
            texts += [row[0] for row in cursor.fetchall()]
    return "\n".join(texts)
