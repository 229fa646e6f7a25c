"""Every environment variable of the product, read in one place, typed and checked.

The values come from the process's environment, then from the file ``.env`` beside ``manage.py`` (or ``ENV_FILE``).
``docs/settings.md`` tells what each one means; a test holds the two together.
"""

import os
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from realtime_ai.env_file import EnvError
from realtime_ai.env_notices import notices
from realtime_ai.env_reader import EnvReader

__all__ = ["BASE_DIR", "Env", "EnvError", "load_env", "read_env"]

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Env:
    # where it listens and keeps its files
    host: str
    port: int
    web_processes: int | None
    var_dir: Path
    log_level: str
    # the stores behind it
    database_url: str | None = field(repr=False)
    database_pool_max: int
    insecure_database: bool
    redis_url: str | None = field(repr=False)
    # the model
    llm_model: str | None
    llm_fallbacks: tuple[str, ...]
    llm_models: tuple[str, ...]
    model_attempts: int
    model_retry_seconds: float
    model_retry_total_seconds: float
    gemini_api_key: str | None = field(repr=False)
    gemini_model: str | None
    google_gemini_base_url: str | None
    google_genai_api_version: str | None
    openai_api_key: str | None = field(repr=False)
    openai_model: str | None
    openai_base_url: str | None
    openai_org_id: str | None
    openai_project_id: str | None
    openai_custom_headers: dict[str, str] = field(repr=False)
    anthropic_api_key: str | None = field(repr=False)
    anthropic_model: str | None
    anthropic_base_url: str | None
    anthropic_custom_headers: dict[str, str] = field(repr=False)
    groq_api_key: str | None = field(repr=False)
    groq_model: str | None
    groq_base_url: str
    compatible_api_key: str | None = field(repr=False)
    compatible_base_url: str | None
    compatible_limit_field: str
    compatible_stream_options: bool
    demo_delay_ms: float
    chat_instructions: str | None
    max_tool_rounds: int
    mcp_servers: dict[str, Any] = field(repr=False)
    # what it may read and cost
    history_tokens: int
    llm_prices: dict[str, dict[str, float]]
    budget_session_usd: float | None
    budget_user_day_usd: float | None
    # sessions and their bounds
    session_grace_seconds: float
    session_lease_seconds: float
    session_buffer_seconds: float
    turn_policy: str
    max_queued_turns: int
    drain_seconds: float
    guests_allowed: bool | None
    max_frame_bytes: int
    max_message_chars: int
    max_sockets_per_address: int
    max_connects_per_10_seconds: int
    socket_send_seconds: float
    socket_idle_seconds: float
    # what comes in before a session
    max_body_bytes: int
    max_admin_body_bytes: int
    request_seconds: float
    max_unfinished_requests: int
    runserver_worker: bool
    # who may come in
    secret_key: str | None = field(repr=False)
    debug: bool | None
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    trust_proxy: tuple[str, ...]
    insecure_http: bool
    metrics_token: str | None = field(repr=False)
    admin_username: str
    admin_password: str | None = field(repr=False)
    notices: tuple[str, ...] = ()
    """What is set and not used, a line for a person each."""

    @property
    def database_url_file(self) -> Path:
        """Where the embedded PostgreSQL's owner leaves its URL for other commands of this checkout."""
        return self.var_dir / "postgres" / "url"


def read_env(reader: EnvReader) -> Env:
    """Raises `EnvError` for the first value that makes no sense."""
    return Env(
        host=reader.text("HOST") or "127.0.0.1",
        port=reader.whole("PORT", default=8000, least=0, most=65535),
        web_processes=reader.optional_whole("WEB_PROCESSES", least=1, most=64),
        var_dir=reader.folder("VAR_DIR", default=BASE_DIR / "var"),
        log_level=reader.choice("LOG_LEVEL", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR")),
        database_url=reader.url("DATABASE_URL", schemes=("postgresql", "postgres"), secret=True),
        database_pool_max=reader.whole("DATABASE_POOL_MAX", default=8, least=0, most=200),
        insecure_database=reader.flag("INSECURE_DATABASE", default=False),
        redis_url=reader.url("REDIS_URL", schemes=("redis", "rediss", "unix"), secret=True),
        llm_model=reader.text("LLM_MODEL"),
        llm_fallbacks=reader.names("LLM_FALLBACKS"),
        llm_models=reader.names("LLM_MODELS"),
        model_attempts=reader.whole("MODEL_ATTEMPTS", default=3, least=1, most=10),
        model_retry_seconds=reader.number("MODEL_RETRY_SECONDS", default=0.5, least=0, most=60),
        model_retry_total_seconds=reader.number("MODEL_RETRY_TOTAL_SECONDS", default=20.0, least=0, most=600),
        gemini_api_key=_gemini_key(reader),
        gemini_model=_vendor_model(reader, "gemini"),
        google_gemini_base_url=reader.url("GOOGLE_GEMINI_BASE_URL", schemes=("https", "http")),
        google_genai_api_version=reader.optional_choice(
            "GOOGLE_GENAI_API_VERSION", choices=("v1", "v1beta", "v1alpha", "beta")
        ),
        openai_api_key=reader.text("OPENAI_API_KEY"),
        openai_model=_vendor_model(reader, "openai"),
        openai_base_url=reader.url("OPENAI_BASE_URL", schemes=("https", "http")),
        openai_org_id=reader.text("OPENAI_ORG_ID"),
        openai_project_id=reader.text("OPENAI_PROJECT_ID"),
        openai_custom_headers=reader.headers("OPENAI_CUSTOM_HEADERS"),
        anthropic_api_key=reader.text("ANTHROPIC_API_KEY"),
        anthropic_model=_vendor_model(reader, "anthropic"),
        anthropic_base_url=reader.url("ANTHROPIC_BASE_URL", schemes=("https", "http")),
        anthropic_custom_headers=reader.headers("ANTHROPIC_CUSTOM_HEADERS"),
        groq_api_key=reader.text("GROQ_API_KEY"),
        groq_model=_vendor_model(reader, "groq"),
        groq_base_url=reader.url("GROQ_BASE_URL", schemes=("https", "http"))
        or "https://api.groq.com/openai/v1",
        compatible_api_key=reader.text("COMPATIBLE_API_KEY"),
        compatible_base_url=reader.url("COMPATIBLE_BASE_URL", schemes=("https", "http")),
        compatible_limit_field=reader.choice(
            "COMPATIBLE_LIMIT_FIELD", default="max_tokens", choices=("max_tokens", "max_completion_tokens")
        ),
        compatible_stream_options=reader.flag("COMPATIBLE_STREAM_OPTIONS", default=True),
        demo_delay_ms=reader.number("DEMO_DELAY_MS", default=25.0, least=0, most=10_000),
        chat_instructions=reader.text_or_file("CHAT_INSTRUCTIONS", most_chars=100_000),
        max_tool_rounds=reader.whole("MAX_TOOL_ROUNDS", default=8, least=1, most=100),
        mcp_servers=reader.mcp_servers("MCP_SERVERS", folder=BASE_DIR),
        history_tokens=reader.whole("HISTORY_TOKENS", default=64_000, least=500, most=10_000_000),
        llm_prices=reader.prices("LLM_PRICES"),
        budget_session_usd=reader.optional_number("BUDGET_SESSION_USD", least=0.000001, most=1_000_000),
        budget_user_day_usd=reader.optional_number("BUDGET_USER_DAY_USD", least=0.000001, most=1_000_000),
        turn_policy=reader.choice(
            "TURN_POLICY", default="enqueue", choices=("enqueue", "interrupt", "reject")
        ),
        max_queued_turns=reader.whole("MAX_QUEUED_TURNS", default=16, least=1, most=1000),
        drain_seconds=reader.number("DRAIN_SECONDS", default=3.0, least=0, most=60),
        session_grace_seconds=reader.number("SESSION_GRACE_SECONDS", default=10.0, least=0, most=86_400),
        session_lease_seconds=reader.number("SESSION_LEASE_SECONDS", default=9.0, least=1, most=10),
        session_buffer_seconds=reader.number("SESSION_BUFFER_SECONDS", default=60.0, least=1, most=3600),
        guests_allowed=reader.optional_flag("GUESTS_ALLOWED"),
        max_frame_bytes=reader.whole("MAX_FRAME_BYTES", default=65_536, least=1024, most=16 * 1024 * 1024),
        max_message_chars=reader.whole("MAX_MESSAGE_CHARS", default=32_000, least=1, most=4_000_000),
        max_sockets_per_address=reader.whole("MAX_SOCKETS_PER_ADDRESS", default=300, least=1, most=1_000_000),
        max_connects_per_10_seconds=reader.whole(
            "MAX_CONNECTS_PER_10_SECONDS", default=200, least=1, most=1_000_000
        ),
        socket_send_seconds=reader.number("SOCKET_SEND_SECONDS", default=20.0, least=0.1, most=600),
        socket_idle_seconds=reader.number("SOCKET_IDLE_SECONDS", default=3600.0, least=1, most=604_800),
        max_body_bytes=reader.whole("MAX_BODY_BYTES", default=65_536, least=1024, most=1_073_741_824),
        max_admin_body_bytes=reader.whole(
            "MAX_ADMIN_BODY_BYTES", default=2_621_440, least=1024, most=1_073_741_824
        ),
        request_seconds=reader.number("REQUEST_SECONDS", default=20.0, least=0.1, most=3600),
        max_unfinished_requests=reader.whole(
            "MAX_UNFINISHED_REQUESTS", default=2000, least=1, most=1_000_000
        ),
        runserver_worker=reader.flag("RUNSERVER_WORKER", default=True),
        secret_key=reader.text("SECRET_KEY"),
        debug=reader.optional_flag("DEBUG"),
        allowed_hosts=reader.names("ALLOWED_HOSTS"),
        allowed_origins=reader.origins("ALLOWED_ORIGINS"),
        trust_proxy=reader.networks("TRUST_PROXY"),
        insecure_http=reader.flag("INSECURE_HTTP", default=False),
        metrics_token=reader.text("METRICS_TOKEN"),
        admin_username=reader.text("ADMIN_USERNAME") or "admin",
        admin_password=reader.text("ADMIN_PASSWORD"),
    )


def _vendor_model(reader: EnvReader, vendor: str) -> str | None:
    """A model of that vendor's; ``VENDOR:NAME``, as ``LLM_MODEL`` wants it, does no harm."""
    return (reader.text(f"{vendor.upper()}_MODEL") or "").removeprefix(f"{vendor}:") or None


def _gemini_key(reader: EnvReader) -> str | None:
    """Google's own SDK and examples know both names."""
    own, googles = reader.text("GEMINI_API_KEY"), reader.text("GOOGLE_API_KEY")
    return own or googles


@cache
def load_env() -> Env:
    """This process's environment, read once. Raises `EnvError`."""
    given = os.environ.get("ENV_FILE", "").strip()
    if given and not Path(given).exists():
        raise EnvError(f"ENV_FILE={given!r}: there is no such file. Correct or unset ENV_FILE.")
    reader = EnvReader.of_process(Path(given or BASE_DIR / ".env"))
    env = read_env(reader)
    return replace(env, notices=notices(env, reader))
