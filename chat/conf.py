"""Every setting of the chat, typed, with its default. Read as ``settings.CHAT_<NAME>``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

DEFAULT_GEMINI_MODEL = "gemini-3.8-flash"
DEFAULT_OPENAI_MODEL = "gpt-6.1-terra"
DEFAULT_ANTHROPIC_MODEL = "claude-sonnet-5-5"
DEFAULT_GROQ_MODEL = "openai/gpt-oss-120b"

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""The names of this machine for itself, as URLs have them."""

DEFAULT_INSTRUCTIONS = (
    "You are a helpful assistant inside a web application. Answer in the user's language, briefly and plainly; use "
    "Markdown where it helps. Use the tools for anything about the user's account, this session or past sessions, for "
    "the time and for arithmetic; never invent what a tool would tell you."
)


@dataclass(frozen=True, kw_only=True)
class ChatConf:
    llm_model: str | None = None
    """PROVIDER:NAME, or ``demo``. None: the first vendor that has a key, else ``demo``."""
    llm_fallbacks: tuple[str, ...] = ()
    """The models to ask, in this order, when the one before them fails before its first word."""
    llm_models: tuple[str, ...] = ()
    """What a client may choose beside the default model and its fallbacks."""
    gemini_api_key: str | None = None
    gemini_model: str = DEFAULT_GEMINI_MODEL
    """Where a spec names the vendor alone, and where ``llm_model`` is None. The same for the other vendors."""
    google_gemini_base_url: str | None = None
    """None: the vendor's own server. The same for the other vendors."""
    gemini_api_version: str | None = None
    """``v1``, ``v1beta``, ...; None: the SDK's own, and ``v1beta`` for the models that it alone serves."""
    openai_api_key: str | None = None
    openai_model: str = DEFAULT_OPENAI_MODEL
    openai_base_url: str | None = None
    openai_org_id: str | None = None
    openai_project_id: str | None = None
    openai_custom_headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with each request, for a gateway in between."""
    anthropic_api_key: str | None = None
    anthropic_model: str = DEFAULT_ANTHROPIC_MODEL
    anthropic_base_url: str | None = None
    anthropic_custom_headers: Mapping[str, str] = field(default_factory=dict)
    groq_api_key: str | None = None
    groq_model: str = DEFAULT_GROQ_MODEL
    groq_base_url: str = "https://api.groq.com/openai/v1"
    compatible_api_key: str | None = None
    """None: the server wants none."""
    compatible_base_url: str | None = None
    compatible_limit_field: str = "max_tokens"
    """Its name for the limit of output tokens; a server that refuses it is asked again with the other name."""
    compatible_stream_options: bool = True
    """Ask it to count the tokens; a server that refuses that is asked again without."""
    instructions: str = DEFAULT_INSTRUCTIONS
    max_output_tokens: int = 8192
    max_tool_rounds: int = 8
    """Model rounds in one response that may ask for tools; the last one is told to answer without."""
    max_queued_turns: int = 16
    turn_policy: str = "enqueue"
    """What a turn that arrives during another does: enqueue, interrupt or reject."""
    model_connect_seconds: float = 10.0
    model_first_event_seconds: float = 60.0
    model_silence_seconds: float = 45.0
    """Between two events of a stream that has begun."""
    model_attempts: int = 3
    """Of opening one model's stream in a round; each waits twice as long as the one before it."""
    model_retry_seconds: float = 0.5
    """Before the second attempt, at most; the half of it at least."""
    model_retry_total_seconds: float = 20.0
    """From a round's beginning: after it no model is asked a second time. A fallback is still asked once."""
    demo_delay_ms: float = 25.0
    """The demo model's pause between two words."""
    tool_seconds: float = 20.0
    tool_output_chars: int = 32_000
    mcp_servers: Mapping[str, Any] = field(default_factory=dict)
    """By name, in the shape that `chat.tools.mcp.config.McpServer` describes."""
    max_frame_bytes: int = 65_536
    max_message_chars: int = 32_000
    max_frames_per_10_seconds: int = 200
    max_sockets_per_address: int = 300
    max_connects_per_10_seconds: int = 200
    """Sockets that one address may open, whether they stay or not."""
    max_session_messages: int = 2_000
    idle_seconds: float = 3600.0
    """A socket that says nothing for so long is closed with 4408."""
    send_seconds: float = 20.0
    """A socket that does not take a frame for so long is closed with 4408; it can resume."""
    drain_seconds: float = 3.0
    """How long a stopping process lets running answers finish."""
    guests_allowed: bool = True
    allowed_origins: tuple[str, ...] = ()
    """Origins beside the server's own host that may open sockets, e.g. ``https://app.example.com``."""
    local_pages: bool = False
    """In development: pages from a file, or from another port of this machine, may open sockets, as guests."""
    history_tokens: int = 64_000
    """How much of a conversation a model is sent at most; a small context window lowers it."""
    compaction_wait_seconds: float = 20.0
    """How long a turn waits for a summary of the turns that its model cannot be sent any more."""
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By PROVIDER:NAME: ``input``, ``cached`` and ``output`` in US dollars per million tokens, ``context`` in tokens."""
    budget_session_usd: float | None = None
    """What a session may cost; None: no bound."""
    budget_user_day_usd: float | None = None
    """What a user, or a guest, may cost per day (UTC); None: no bound."""
    budget_stale_seconds: float = 15.0
    """How old the sum of what a user spent in other processes may be."""
    summary_model: str | None = None
    """None: the session's own model."""
    summary_attempts: int = 5
    """Tries in all before a summary is given up; a worker that was killed over it counts as one."""
    summary_retry_seconds: float = 10.0
    """Before the second try; three times as long before each further one."""
    summary_seconds: float = 120.0
    """One try, from asking the model to its last word."""
    worker_concurrency: int = 8
    """Jobs at once in one worker process; a summary mostly waits for the model."""
    worker_listen: bool | None = None
    """Hear of new jobs by LISTEN beside polling; None: unless the database URL is a transaction pooler's."""
    worker_poll_seconds: float = 1.0
    """Between two looks for jobs without LISTEN; five times as long with it."""
    worker_heartbeat_seconds: float = 10.0
    worker_stalled_seconds: float = 30.0
    """A worker silent for so long is dead, and its jobs are another's."""
    worker_stop_seconds: float = 5.0
    """How long a stopping worker lets its jobs finish; then they go back into the queue."""
    sweep_pause_seconds: float = 6.0
    """Between finding orphaned sessions and ending them. When the database was away, all leases have run out; a process
    that lives renews its own within this time."""
    orphans_at_once: int = 16
    """Sessions of dead processes that one process answers in at the same time though nobody is there."""
    orphan_wait_seconds: float = 3600.0
    """How long a worker leaves an orphaned session with questions to answer alone while no server process lives."""
    upkeep_seconds: int = 20
    """Between two sweeps of orphaned sessions, and of dead workers' jobs; a divisor of 60."""


@cache
def conf() -> ChatConf:
    """The settings as they stand; read anew after Django's ``setting_changed``."""
    given = {
        one.name: getattr(settings, f"CHAT_{one.name.upper()}")
        for one in fields(ChatConf)
        if hasattr(settings, f"CHAT_{one.name.upper()}")
    }
    return ChatConf(**given)


def _forget(*, setting: str, **_: object) -> None:
    if setting.startswith("CHAT_"):
        conf.cache_clear()


setting_changed.connect(_forget, dispatch_uid="chat.conf")
