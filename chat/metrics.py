"""The chat's figures for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

sockets = Gauge("chat_sockets", "Open sockets.", ["dialect"], multiprocess_mode="livesum")
frames_in = Counter("chat_frames_received_total", "Frames received.", ["dialect"])
frame_errors = Counter("chat_frame_errors_total", "Errors sent to clients, by code.", ["code"])
responses = Counter("chat_responses_total", "Responses, by provider and status.", ["provider", "status"])
model_failures = Counter(
    "chat_model_failures_total",
    "Attempts at a model that failed, by provider and code.",
    ["provider", "code"],
)
tool_calls = Counter("chat_tool_calls_total", "Tool calls, by tool and outcome.", ["tool", "outcome"])
compactions = Counter("chat_compactions_total", "Compactions of histories, by outcome.", ["outcome"])
first_token_seconds = Histogram(
    "chat_first_token_seconds",
    "Time from the start of a response to its first token.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
mcp_connected = Gauge(
    "chat_mcp_connected",
    "1 while the MCP server is connected, else 0; of several processes the least.",
    ["server"],
    multiprocess_mode="livemin",
)
mcp_tools = Gauge(
    "chat_mcp_tools", "Tools that the MCP server offers.", ["server"], multiprocess_mode="livemin"
)
mcp_lost = Counter("chat_mcp_lost_total", "Connections to the MCP server that were lost.", ["server"])
mcp_garbage = Counter("chat_mcp_garbage_total", "Messages of the MCP server that made no sense.", ["server"])
sign_ins = Counter("chat_sign_ins_total", "Attempts to sign in, by outcome.", ["outcome"])
