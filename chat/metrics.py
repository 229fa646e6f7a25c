"""The chat's figures for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

sockets = Gauge("chat_sockets", "Open sockets.", ["dialect"])
frames_in = Counter("chat_frames_received_total", "Frames received.", ["dialect"])
frame_errors = Counter("chat_frame_errors_total", "Errors sent to clients, by code.", ["code"])
responses = Counter("chat_responses_total", "Responses, by provider and status.", ["provider", "status"])
first_token_seconds = Histogram(
    "chat_first_token_seconds",
    "Time from the start of a response to its first token.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
