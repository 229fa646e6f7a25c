"""The application as it is in development, with the model and the tool of `tests.chaos`; what takes minutes takes seconds."""

from realtime_ai.settings.development import *  # noqa: F403
from realtime_ai.settings.development import INSTALLED_APPS as SHIPPED_APPS

INSTALLED_APPS = [*(app for app in SHIPPED_APPS if app != "daphne"), "tests.chaos"]
DEBUG = False

CHAT_WORKER_HEARTBEAT_SECONDS = 0.5
CHAT_WORKER_STALLED_SECONDS = 3.0
CHAT_WORKER_POLL_SECONDS = 0.5
CHAT_WORKER_STOP_SECONDS = 2.0
CHAT_UPKEEP_SECONDS = 2
CHAT_SWEEP_PAUSE_SECONDS = 4.0
CHAT_SUMMARY_RETRY_SECONDS = 0.2
CHAT_SUMMARY_ATTEMPTS = 50  # a run kills more workers and databases than a summary's tries would outlast
SESSIONS_FOLD_SECONDS = 2.0
