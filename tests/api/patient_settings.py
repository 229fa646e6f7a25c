"""For a server behind a proxy that waits for seconds only."""

from realtime_ai.settings.development import *  # noqa: F403

CHAT_KEEP_ALIVE_SECONDS = 1.0
CHAT_ORPHANS_AT_ONCE = 0
