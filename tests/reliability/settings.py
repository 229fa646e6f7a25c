"""A server that does not wait long, for its model and for those who may still live."""

from realtime_ai.settings.development import *  # noqa: F403

CHAT_MODEL_FIRST_EVENT_SECONDS = 3.0
CHAT_MODEL_SILENCE_SECONDS = 2.0
CHAT_SWEEP_PAUSE_SECONDS = 1.0
