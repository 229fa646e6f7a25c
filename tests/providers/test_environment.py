"""The vendors' SDKs see what our settings say, and nothing that they would read by themselves."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from chat.llm.anthropic.provider import ANTHROPIC_URL, AnthropicProvider
from chat.llm.gemini.provider import GEMINI_URL, GeminiProvider
from chat.llm.openai.responses import OpenAIProvider
from chat.llm.openai.streaming import OPENAI_URL
from tests.fakes.anthropic_server import AnthropicServer
from tests.fakes.gemini_server import GeminiServer
from tests.fakes.openai_responses_api import ResponsesApi
from tests.fakes.openai_server import API_KEY as OPENAI_KEY
from tests.fakes.openai_server import OpenAIServer
from tests.providers.anthropic_rounds import request as claude_request
from tests.providers.rounds import events_of, joined, request

ASTRAY = {
    "OPENAI_API_KEY": "wrong",
    "OPENAI_ADMIN_KEY": "wrong",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/wrong",
    "OPENAI_ORG_ID": "wrong",
    "OPENAI_PROJECT_ID": "wrong",
    "OPENAI_CUSTOM_HEADERS": "X-Wrong: wrong\nAuthorization: Bearer wrong",
    "ANTHROPIC_API_KEY": "wrong",
    "ANTHROPIC_AUTH_TOKEN": "wrong",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/wrong",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Wrong: wrong\nX-Api-Key: wrong",
    "ANTHROPIC_PROFILE": "wrong",
    "ANTHROPIC_CONFIG_DIR": "/nowhere/wrong",
    "ANTHROPIC_IDENTITY_TOKEN": "wrong",
    "ANTHROPIC_FEDERATION_RULE_ID": "wrong",
    "ANTHROPIC_ORGANIZATION_ID": "wrong",
    "ANTHROPIC_WORKSPACE_ID": "wrong",
    "GEMINI_API_KEY": "wrong",
    "GOOGLE_API_KEY": "wrong",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9/wrong",
    "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:9/wrong",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_GENAI_API_VERSION": "v9wrong",
    "GOOGLE_GENAI_CLIENT_MODE": "replay",
    "GOOGLE_GENAI_REPLAYS_DIRECTORY": "/nowhere/wrong",
    "GOOGLE_GENAI_REPLAY_ID": "wrong",
    "GOOGLE_CLOUD_PROJECT": "wrong",
    "GOOGLE_CLOUD_LOCATION": "wrong",
}
"""What the installed SDKs read: every ``environ`` and ``getenv`` on the way from a client's making to its request."""


@pytest.fixture(params=["wrong", "empty", "blank"], autouse=True)
def astray(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ASTRAY.items():
        monkeypatch.setenv(name, {"wrong": value, "empty": "", "blank": " "}[request.param])


@pytest.fixture
def openai_server(settings: Settings) -> Iterator[OpenAIServer]:
    with OpenAIServer(ResponsesApi()) as running:
        settings.CHAT_OPENAI_BASE_URL = running.url
        yield running


async def test_openai(openai_server: OpenAIServer) -> None:
    provider = OpenAIProvider(OPENAI_KEY)
    assert joined(await events_of(provider, request("Hi", model="gpt-5.5"))) == "You said: Hi"
    await provider.aclose()
    (sent,) = openai_server.http.requests
    assert "wrong" not in str(sent.headers)
    assert not {"openai-organization", "openai-project", "x-wrong"} & sent.headers.keys()


async def test_openai_is_sent_what_the_settings_say(openai_server: OpenAIServer, settings: Settings) -> None:
    settings.CHAT_OPENAI_ORG_ID, settings.CHAT_OPENAI_PROJECT_ID = "org-ours", "proj-ours"
    settings.CHAT_OPENAI_CUSTOM_HEADERS = {"X-Team": "support"}
    provider = OpenAIProvider(OPENAI_KEY)
    await events_of(provider, request("Hi", model="gpt-5.5"))
    await provider.aclose()
    headers = openai_server.http.requests[0].headers
    told = (headers["openai-organization"], headers["openai-project"], headers["x-team"])
    assert told == ("org-ours", "proj-ours", "support")


async def test_anthropic(
    claude_server: AnthropicServer, claude: AnthropicProvider, settings: Settings
) -> None:
    settings.CHAT_ANTHROPIC_CUSTOM_HEADERS = {"X-Team": "support"}
    assert joined(await events_of(claude, claude_request("Hi"))) == "You said: Hi"
    headers = claude_server.http.requests[0].headers
    assert "wrong" not in str(headers)
    assert headers["x-team"] == "support"


async def test_gemini(server: GeminiServer, provider: GeminiProvider) -> None:
    assert joined(await events_of(provider, request("Hi"))) == "You said: Hi"
    (sent,) = server.http.requests
    assert "wrong" not in str(sent.headers) + sent.path
    assert sent.path.startswith("/v1/")


async def test_without_a_base_url_it_is_the_vendors_own() -> None:
    openai = OpenAIProvider("k")._clients.get()
    anthropic = AnthropicProvider("k")._new_client()
    gemini, http = GeminiProvider("k")._new_client()
    assert str(openai.base_url).rstrip("/") == OPENAI_URL
    assert str(anthropic.base_url).rstrip("/") == ANTHROPIC_URL
    assert gemini._api_client._http_options.base_url == GEMINI_URL
    for client in (openai, anthropic):
        await client.close()
    await http.aclose()
