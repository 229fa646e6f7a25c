"""For a worker beside a test: what takes minutes in life takes seconds, and the environment can change the rest."""

import os

from realtime_ai.settings.logs import logging_settings
from realtime_ai.settings.test import *  # noqa: F403

LOGGING = logging_settings("DEBUG")
CHAT_WORKER_HEARTBEAT_SECONDS = 0.5
CHAT_WORKER_STALLED_SECONDS = 2.0
CHAT_WORKER_POLL_SECONDS = float(os.environ.get("WORKER_POLL_SECONDS", "0.2"))
CHAT_WORKER_STOP_SECONDS = float(os.environ.get("WORKER_STOP_SECONDS", "2"))
CHAT_UPKEEP_SECONDS = 1
CHAT_SWEEP_PAUSE_SECONDS = 0.2
CHAT_SUMMARY_RETRY_SECONDS = 0.1
CHAT_DEMO_DELAY_MS = float(os.environ.get("WORKER_DEMO_DELAY_MS", "0"))
SESSIONS_GRACE_SECONDS = 0.5
SESSIONS_LEASE_SECONDS = 2.0
