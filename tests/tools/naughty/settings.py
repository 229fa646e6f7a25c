"""The server's settings with the app among the installed ones."""

from realtime_ai.settings.development import *  # noqa: F403
from realtime_ai.settings.development import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.tools.naughty"]
CHAT_TOOL_OUTPUT_CHARS = 5_000
CHAT_ORPHANS_AT_ONCE = 0  # it is shared: what other tests leave behind is not its business
