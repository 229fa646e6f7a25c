"""Settings that hold everywhere. ``development``, ``production`` and ``test`` build on them."""

from typing import Any

from chat.conf import (
    DEFAULT_ANTHROPIC_MODEL,
    DEFAULT_GEMINI_MODEL,
    DEFAULT_GROQ_MODEL,
    DEFAULT_INSTRUCTIONS,
    DEFAULT_OPENAI_MODEL,
)
from realtime_ai.channel_layer import channel_layer
from realtime_ai.database_url import PLACEHOLDER, database_settings, find_database_url
from realtime_ai.env import BASE_DIR, load_env
from realtime_ai.settings.logs import logging_settings
from realtime_ai.settings.unfold import UNFOLD  # noqa: F401

ENV = load_env()

DEBUG = False
SECRET_KEY = ENV.secret_key or ""
ALLOWED_HOSTS = list(ENV.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENV.allowed_origins)

INSTALLED_APPS = [
    "realtime_ai.devserver",  # before whitenoise, whose runserver it extends
    "whitenoise.runserver_nostatic",  # before daphne: it wraps the runserver of the apps below it
    "daphne",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "procrastinate.contrib.django",
    "sessions_app",
    "chat",
]

MIDDLEWARE = [
    "realtime_ai.probes.probe_middleware",  # first: a probe knows neither our host name nor https
    "django.middleware.security.SecurityMiddleware",
    "realtime_ai.static_files.StaticFilesMiddleware",
    "realtime_ai.front.malformed.MalformedRequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "realtime_ai.urls"
ASGI_APPLICATION = "realtime_ai.asgi.application"
LOGIN_URL = "chat:login"
TEST_RUNNER = "realtime_ai.test_runner.PytestRunner"

_database_url = find_database_url(ENV)
HAS_DATABASE = _database_url is not None
DATABASES: dict[str, dict[str, Any]] = {
    "default": database_settings(
        _database_url or PLACEHOLDER,
        pool_max=ENV.database_pool_max if HAS_DATABASE else 0,
        demand_tls=not ENV.insecure_database,
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {"default": channel_layer(ENV.redis_url)}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

LOGGING = logging_settings(ENV.log_level)
METRICS_TOKEN = ENV.metrics_token

HTTP_BODY_LIMITS = {  # bytes by the beginning of the path; the longest that fits counts
    "/": ENV.max_body_bytes,
    "/admin/": ENV.max_admin_body_bytes,
    "/admin/login/": ENV.max_body_bytes,
}
HTTP_REQUEST_SECONDS = ENV.request_seconds
HTTP_MAX_UNFINISHED = ENV.max_unfinished_requests
RUNSERVER_WORKER = False

# --- the rooms' own settings: chat/conf.py and sessions_app/conf.py tell what they mean --------------------------

CHAT_LLM_MODEL = ENV.llm_model
CHAT_LLM_FALLBACKS = ENV.llm_fallbacks
CHAT_LLM_MODELS = ENV.llm_models
CHAT_MODEL_ATTEMPTS = ENV.model_attempts
CHAT_MODEL_RETRY_SECONDS = ENV.model_retry_seconds
CHAT_MODEL_RETRY_TOTAL_SECONDS = ENV.model_retry_total_seconds
CHAT_GEMINI_API_KEY = ENV.gemini_api_key
CHAT_GEMINI_MODEL = ENV.gemini_model or DEFAULT_GEMINI_MODEL
CHAT_GOOGLE_GEMINI_BASE_URL = ENV.google_gemini_base_url
CHAT_GEMINI_API_VERSION = ENV.google_genai_api_version
CHAT_OPENAI_API_KEY = ENV.openai_api_key
CHAT_OPENAI_MODEL = ENV.openai_model or DEFAULT_OPENAI_MODEL
CHAT_OPENAI_BASE_URL = ENV.openai_base_url
CHAT_OPENAI_ORG_ID = ENV.openai_org_id
CHAT_OPENAI_PROJECT_ID = ENV.openai_project_id
CHAT_OPENAI_CUSTOM_HEADERS = ENV.openai_custom_headers
CHAT_ANTHROPIC_API_KEY = ENV.anthropic_api_key
CHAT_ANTHROPIC_MODEL = ENV.anthropic_model or DEFAULT_ANTHROPIC_MODEL
CHAT_ANTHROPIC_BASE_URL = ENV.anthropic_base_url
CHAT_ANTHROPIC_CUSTOM_HEADERS = ENV.anthropic_custom_headers
CHAT_GROQ_API_KEY = ENV.groq_api_key
CHAT_GROQ_MODEL = ENV.groq_model or DEFAULT_GROQ_MODEL
CHAT_GROQ_BASE_URL = ENV.groq_base_url
CHAT_COMPATIBLE_API_KEY = ENV.compatible_api_key
CHAT_COMPATIBLE_BASE_URL = ENV.compatible_base_url
CHAT_COMPATIBLE_LIMIT_FIELD = ENV.compatible_limit_field
CHAT_COMPATIBLE_STREAM_OPTIONS = ENV.compatible_stream_options
CHAT_DEMO_DELAY_MS = ENV.demo_delay_ms
CHAT_INSTRUCTIONS = ENV.chat_instructions or DEFAULT_INSTRUCTIONS
CHAT_MAX_TOOL_ROUNDS = ENV.max_tool_rounds
CHAT_MCP_SERVERS = ENV.mcp_servers
CHAT_HISTORY_TOKENS = ENV.history_tokens
CHAT_PRICES = ENV.llm_prices
CHAT_BUDGET_SESSION_USD = ENV.budget_session_usd
CHAT_BUDGET_USER_DAY_USD = ENV.budget_user_day_usd
CHAT_TURN_POLICY = ENV.turn_policy
CHAT_MAX_QUEUED_TURNS = ENV.max_queued_turns
CHAT_DRAIN_SECONDS = ENV.drain_seconds
CHAT_MAX_FRAME_BYTES = ENV.max_frame_bytes
CHAT_MAX_MESSAGE_CHARS = ENV.max_message_chars
CHAT_MAX_SOCKETS_PER_ADDRESS = ENV.max_sockets_per_address
CHAT_MAX_CONNECTS_PER_10_SECONDS = ENV.max_connects_per_10_seconds
CHAT_SEND_SECONDS = ENV.socket_send_seconds
CHAT_IDLE_SECONDS = ENV.socket_idle_seconds
CHAT_ALLOWED_ORIGINS = ENV.allowed_origins
CHAT_GUESTS_ALLOWED = False if ENV.guests_allowed is None else ENV.guests_allowed
SESSIONS_GRACE_SECONDS = ENV.session_grace_seconds
SESSIONS_LEASE_SECONDS = ENV.session_lease_seconds
SESSIONS_LEASE_RENEW_SECONDS = ENV.session_lease_seconds / 3.5
SESSIONS_DB_THREADS = ENV.database_pool_max or 8
SESSIONS_INSECURE_DATABASE = ENV.insecure_database
SESSIONS_EMBEDDED_DATABASE = HAS_DATABASE and ENV.database_url is None
SESSIONS_SERVER_PROCESSES = ENV.web_processes or 1
SESSIONS_BUFFER_SECONDS = ENV.session_buffer_seconds
