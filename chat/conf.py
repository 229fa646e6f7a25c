"""Every setting of the chat, typed, with its default. Read as ``settings.CHAT_<NAME>``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat.conf_kinds import (
    ASSISTANTS,
    HEADERS,
    KEY,
    MCP_SERVERS,
    MODEL_FILES,
    MODEL_NAMES,
    ORIGINS,
    PRICES,
    REASONS,
    model_of,
)
from sessions_app.assistant import AssistantSettings
from sessions_app.setting import (
    ACCESS,
    COSTS,
    FLAG,
    HTTP_URL,
    MODEL,
    NAMES,
    SESSIONS,
    TEXT,
    choice,
    number,
    reader,
    text,
    whole,
)

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
    llm_model: str | None = MODEL.field(
        None,
        TEXT,
        "`PROVIDER:NAME`, or `demo`: built in, offline, deterministic. [The page on models](models.md) "
        "lists the providers.",
        default_told="the first of Gemini, OpenAI, Anthropic, Groq that has a key, else `demo`",
        example="gemini:gemini-3.8-flash",
    )
    llm_fallbacks: tuple[str, ...] = MODEL.field(
        (),
        NAMES,
        "Models to ask, in this order, when the one before them fails before its first word; commas between.",
        example="openai:gpt-6.1-terra,groq:openai/gpt-oss-120b",
    )
    llm_models: tuple[str, ...] = MODEL.field(
        (),
        NAMES,
        "Models that a client may choose beside the default one and its fallbacks; commas between.",
        example="anthropic:claude-sonnet-5-5",
    )
    llm_model_names: Mapping[str, str] = MODEL.field(
        {},
        MODEL_NAMES,
        "What people read where they may [choose a model](page.md): JSON with a name for each `PROVIDER:NAME`.",
        default_told="made of the model's own name",
        example='{"openai:gpt-6.1-terra": "Thorough"}',
    )
    gemini_api_key: str | None = MODEL.field(
        None, KEY, "The key for Gemini.", secret=True, also="GOOGLE_API_KEY"
    )
    gemini_model: str = MODEL.field(
        DEFAULT_GEMINI_MODEL,
        model_of("gemini"),
        "Gemini's model where `LLM_MODEL` is unset or names the vendor alone (`gemini`).",
        default_told="[the list](models.md#the-providers)",
    )
    google_gemini_base_url: str | None = MODEL.field(
        None, HTTP_URL, "Another server that speaks Gemini's protocol.", default_told="Google's"
    )
    gemini_api_version: str | None = MODEL.field(
        None,
        choice("v1", "v1beta", "v1alpha", "beta"),
        "The version of Gemini's API: `v1`, `v1beta` (or `beta`), `v1alpha` (the SDK's own variable). Set, "
        "no other is asked ([more](models.md#geminis-two-versions)).",
        default_told="`v1`, and `v1beta` for what it alone serves",
        example="v1beta",
        variable="GOOGLE_GENAI_API_VERSION",
    )
    openai_api_key: str | None = MODEL.field(None, KEY, "The key for OpenAI.", secret=True)
    openai_model: str = MODEL.field(
        DEFAULT_OPENAI_MODEL,
        model_of("openai"),
        "As `GEMINI_MODEL`.",
        default_told="[the list](models.md#the-providers)",
    )
    openai_base_url: str | None = MODEL.field(
        None, HTTP_URL, "Another server that speaks its Responses API.", default_told="OpenAI's"
    )
    openai_org_id: str | None = MODEL.field(
        None, TEXT, "The organization that is charged.", default_told="the key's own"
    )
    openai_project_id: str | None = MODEL.field(
        None, TEXT, "The project that is charged.", default_told="the key's own"
    )
    openai_custom_headers: Mapping[str, str] = MODEL.field(
        {},
        HEADERS,
        "HTTP headers for a gateway in between: `Name: value`, a line each.",
        secret=True,
        example='"X-Team: support"',
    )
    anthropic_api_key: str | None = MODEL.field(None, KEY, "The key for Anthropic.", secret=True)
    anthropic_model: str = MODEL.field(
        DEFAULT_ANTHROPIC_MODEL,
        model_of("anthropic"),
        "As `GEMINI_MODEL`.",
        default_told="[the list](models.md#the-providers)",
    )
    anthropic_base_url: str | None = MODEL.field(
        None, HTTP_URL, "Another server that speaks its Messages API.", default_told="Anthropic's"
    )
    anthropic_custom_headers: Mapping[str, str] = MODEL.field(
        {}, HEADERS, "As `OPENAI_CUSTOM_HEADERS`.", secret=True
    )
    groq_api_key: str | None = MODEL.field(None, KEY, "The key for Groq.", secret=True)
    groq_model: str = MODEL.field(
        DEFAULT_GROQ_MODEL,
        model_of("groq"),
        "As `GEMINI_MODEL`.",
        default_told="[the list](models.md#the-providers)",
    )
    groq_base_url: str = MODEL.field("https://api.groq.com/openai/v1", HTTP_URL, "Another address of Groq's.")
    compatible_api_key: str | None = MODEL.field(None, KEY, "Its key, where it wants one.", secret=True)
    compatible_base_url: str | None = MODEL.field(
        None,
        HTTP_URL,
        "A server of your own that speaks OpenAI's Chat Completions (Ollama, vLLM, ...), for "
        "`compatible:NAME`.",
        example="http://localhost:11434/v1",
    )
    compatible_limit_field: str = MODEL.field(
        "max_tokens",
        choice("max_tokens", "max_completion_tokens"),
        "Its name for the limit of output tokens, or `max_completion_tokens`. A server that refuses one "
        "name is asked with the other.",
    )
    compatible_stream_options: bool = MODEL.field(
        True,
        FLAG,
        "Whether it is asked to count tokens (`stream_options`). A server that refuses that is asked "
        "without.",
    )
    instructions: str = MODEL.field(
        DEFAULT_INSTRUCTIONS,
        text(100_000),
        "The system prompt of every session whose client gives none: who the assistant is, how it answers. "
        "`session.created` shows it.",
        default_told="[a few sentences](../chat/conf.py)",
        example='"You are the assistant of a bicycle shop. Answer in two sentences."',
        or_file=True,
        variable="CHAT_INSTRUCTIONS",
    )
    assistants: Mapping[str, AssistantSettings] = MODEL.field(
        {},
        ASSISTANTS,
        "[Assistants](assistants.md) by their names in addresses, `default` among them: JSON, or the path of a JSON or TOML "
        "file. What the admin has published goes before.",
        example='{"default": {"name": "Bicycle shop", "color": "#0f766e"}}',
    )
    model_files: Mapping[str, tuple[str, ...]] = MODEL.field(
        {},
        MODEL_FILES,
        "Which [pictures and files](files.md#what-models-read) a model reads, where that is not known or known wrongly: `image`, "
        "`pdf`, both or neither; JSON.",
        default_told="[by the vendor](files.md#what-models-read)",
        example='{"compatible:qwen3-vl": ["image"], "openai:gpt-3.5-turbo": []}',
    )
    max_output_tokens: int = 8192
    max_tool_rounds: int = MODEL.field(
        8, whole(1, 100), "How often one response may go back to the model with tool results."
    )
    staff_name: str = SESSIONS.field(
        "A member of staff",
        TEXT,
        "By what name users are shown the person who has taken their conversation over; never their login's.",
        example="Our support",
    )
    max_queued_turns: int = SESSIONS.field(
        16, whole(1, 1000), "Turns of one session that may wait; one more is refused with `queue_full`."
    )
    turn_policy: str = SESSIONS.field(
        "enqueue",
        choice("enqueue", "interrupt", "reject"),
        "What a turn does that arrives while an answer runs: `enqueue` waits, `interrupt` stops that "
        "answer, `reject` is refused with an error. A session or a single message may ask for another.",
    )
    model_connect_seconds: float = 10.0
    model_first_event_seconds: float = 60.0
    model_silence_seconds: float = 45.0
    """Between two events of a stream that has begun."""
    model_attempts: int = MODEL.field(
        3, whole(1, 10), "How often one model is asked before the next one, where a retry may help."
    )
    model_retry_seconds: float = MODEL.field(
        0.5, number(0, 60), "Before the second attempt, at most; twice as long before each further one."
    )
    model_retry_total_seconds: float = MODEL.field(
        20.0, number(0, 600), "After so long no model is asked a second time; a fallback is still asked once."
    )
    demo_delay_ms: float = MODEL.field(
        25.0, number(0, 10_000), "The demo model's pause between two words, in milliseconds."
    )
    tool_seconds: float = 20.0
    tool_output_chars: int = 32_000
    mcp_servers: Mapping[str, Any] = MODEL.field(
        {},
        MCP_SERVERS,
        "[MCP servers](mcp.md) whose tools the model may call: JSON, or the path of a JSON or TOML file.",
        secret=True,
        example="mcp.json",
    )
    max_frame_bytes: int = SESSIONS.field(
        65_536, whole(1024, 16 * 1024 * 1024), "A larger WebSocket frame closes its socket with 1009."
    )
    max_message_chars: int = SESSIONS.field(
        32_000, whole(1, 4_000_000), "A longer message is refused with an error; the session goes on."
    )
    repeated_text_chars: int = SESSIONS.field(
        1_000_000,
        whole(0, 1_000_000_000),
        "An answer's longer text is told by its deltas alone: the Realtime frames that end it, which repeat it, "
        "carry its length as `x_text_chars` in its place.",
    )
    max_frames_per_10_seconds: int = 200
    max_sockets_per_address: int = SESSIONS.field(
        300,
        whole(1, 1_000_000),
        "Open sockets per client address (of IPv6, its /64), in all processes together.",
    )
    max_sockets_per_user: int = SESSIONS.field(
        100, whole(1, 1_000_000), "Open sockets per user, guest or key, in all processes together."
    )
    max_connects_per_10_seconds: int = SESSIONS.field(
        200,
        whole(1, 1_000_000),
        "Sockets that one address may open in 10 seconds, whether they stay or not; in all processes together.",
    )
    messages_per_minute: int | None = COSTS.field(
        None,
        whole(1, 1_000_000),
        "Questions that one user, guest or key may ask in a minute, in all sessions and processes; all guests of one "
        "address together ten times as many.",
        example="20",
    )
    tokens_per_minute: int | None = COSTS.field(
        None,
        whole(1, 1_000_000_000),
        "Tokens of models, in and out, that one user, guest or key may use in a minute; the same for addresses. An answer "
        "that has begun comes to its end.",
        example="100000",
    )
    max_session_messages: int = 2_000
    feedback_reasons: tuple[str, ...] = SESSIONS.field(
        ("wrong", "incomplete", "unhelpful", "off_topic", "too_long", "unsafe", "other"),
        REASONS,
        "The reasons that users may give with a thumb up or down; commas between. The page shows them as words (`off_topic` as "
        '"Off topic").',
        default_told="`wrong`, `incomplete`, `unhelpful`, `off_topic`, `too_long`, `unsafe`, `other`",
        example="wrong,too_slow,wrong_bicycle,other",
    )
    feedback_comment_chars: int = 2_000
    idle_seconds: float = SESSIONS.field(
        3600.0,
        number(1, 604_800),
        "A socket that says nothing for so long is closed with 4408; it can resume.",
        variable="SOCKET_IDLE_SECONDS",
    )
    send_seconds: float = SESSIONS.field(
        20.0,
        number(0.1, 600),
        "A socket that does not take a frame for so long is closed with 4408; it can resume.",
        variable="SOCKET_SEND_SECONDS",
    )
    keep_alive_seconds: float = 15.0
    """After so long without a word a stream over HTTP says that it is alive: proxies give up a connection on which nothing comes for
    30 or 60 s."""
    answers_outlive_connections: bool = SESSIONS.field(
        False,
        FLAG,
        "`1`: an answer that was asked for over HTTP goes on when its client's connection is lost. Without it one that was not asked "
        "for in the background is stopped then, as OpenAI's is.",
        variable="ANSWERS_OUTLIVE_CONNECTIONS",
    )
    drain_seconds: float = SESSIONS.field(
        3.0,
        number(0, 60),
        "How long a stopping process lets running answers finish. One that takes longer is tried again by "
        "the process that takes its session over. Docker, systemd or whatever else stops the server has to wait 7 seconds longer.",
    )
    guests_allowed: bool = SESSIONS.field(
        True,
        FLAG,
        "Whether somebody who is not signed in may chat.",
        default_told="`1`; with `make serve`: `0`",
    )
    has_email: bool = False
    """E-mail can be sent, so a forgotten password can be asked for."""
    sign_up_allowed: bool = ACCESS.field(
        False, FLAG, "`1`: anybody may make an account of their own.", variable="SIGN_UP"
    )
    sign_in_tries_per_name: int = ACCESS.field(
        10,
        whole(1, 10_000),
        "Wrong passwords for one name at once, from wherever they come; so many more in 15 minutes. A passkey is not "
        "held up by it.",
    )
    sign_in_tries_per_address: int = ACCESS.field(
        50, whole(1, 100_000), "The same for one client address (of IPv6, its /64), whatever the names."
    )
    allowed_origins: tuple[str, ...] = ACCESS.field(
        (),
        ORIGINS,
        "Origins beside the server's own whose pages may open sockets and post forms: "
        "`https://app.example.com`, commas between.",
        example="https://app.example.com",
    )
    embed_origins: tuple[str, ...] = ACCESS.field(
        (),
        ORIGINS,
        "Origins whose pages may show the chat in [a frame](embedding.md), with any assistant; one assistant's own stand with it. "
        "All other pages are refused.",
        example="https://shop.example.com",
    )
    local_pages: bool = False
    """In development: pages from a file, or from another port of this machine, may open sockets, as guests."""
    history_tokens: int = COSTS.field(
        64_000,
        whole(500, 10_000_000),
        "How much of a conversation a model is sent at most, in tokens; older turns are sent as a summary. "
        "A model with a small context window gets less.",
    )
    compaction_wait_seconds: float = 20.0
    """How long a turn waits for a summary of the turns that its model cannot be sent any more."""
    prices: Mapping[str, Mapping[str, float]] = COSTS.field(
        {},
        PRICES,
        "What models cost, in US dollars per million tokens, and their context window in tokens: JSON like "
        '`{"openai:NAME": {"input": 1.5, "cached": 0.15, "output": 6, "context": 128000}}`, or the path of '
        "a file with that in it. Goes before what the package `genai-prices` says.",
        default_told="the package's",
        example='{"openai:NAME": {"input": 1.5, "cached": 0.15, "output": 6, "context": 128000}}',
        variable="LLM_PRICES",
    )
    budget_session_usd: float | None = COSTS.field(
        None, number(0.000001, 1_000_000), "What one session may cost, in US dollars."
    )
    budget_user_day_usd: float | None = COSTS.field(
        None,
        number(0.000001, 1_000_000),
        "What one user, or one guest, may cost per day (UTC), in US dollars; all guests of one address together ten times "
        "as much in any 24 hours.",
    )
    budget_stale_seconds: float = 15.0
    """How old the sum of what a user spent in other processes may be."""
    webhook_private_addresses: bool = ACCESS.field(
        False,
        FLAG,
        "`1`: [webhooks](webhooks.md) may go to private addresses, this machine among them, and by plain http. Without it they go "
        "to the public internet alone, by https.",
    )
    webhook_seconds: float = 10.0
    """One try of one message, from resolving the name to the answer."""
    here: str = "http://127.0.0.1:8000"
    """Where this installation's own server listens: whom `manage.py chat` talks to."""
    terminal_key: str | None = ACCESS.field(
        None,
        KEY,
        "The key by which `manage.py chat` comes in, here or at another server.",
        default_told="none: as a guest",
        secret=True,
    )
    public_url: str | None = ACCESS.field(
        None,
        HTTP_URL,
        "Under which people reach this server; e-mails to staff then lead there.",
        example="https://chat.example.com",
        variable="PUBLIC_URL",
    )
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


conf = reader(ChatConf, "CHAT_")
