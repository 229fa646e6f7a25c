"""For the suite: nothing waits, nothing is slow on purpose, and the developer's ``.env`` does not count."""

import os

os.environ["ENV_FILE"] = os.devnull

from realtime_ai.settings.base import *  # noqa: F403
from realtime_ai.settings.base import INSTALLED_APPS, STORAGES

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "daphne"]  # 0.9 s of imports, for runserver alone

DEBUG = False
SECRET_KEY = "for-tests-only-" + "0123456789" * 4
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "files": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True

CHAT_LLM_MODEL = "demo"
CHAT_LLM_FALLBACKS = CHAT_LLM_MODELS = ()
CHAT_GEMINI_API_KEY = CHAT_OPENAI_API_KEY = CHAT_ANTHROPIC_API_KEY = CHAT_GROQ_API_KEY = None
CHAT_COMPATIBLE_API_KEY = CHAT_COMPATIBLE_BASE_URL = None
CHAT_GOOGLE_GEMINI_BASE_URL = CHAT_OPENAI_BASE_URL = CHAT_ANTHROPIC_BASE_URL = None
CHAT_OPENAI_ORG_ID = CHAT_OPENAI_PROJECT_ID = None
CHAT_OPENAI_CUSTOM_HEADERS: dict[str, str] = {}
CHAT_ANTHROPIC_CUSTOM_HEADERS: dict[str, str] = {}
CHAT_DEMO_DELAY_MS = 0.0
CHAT_GUESTS_ALLOWED = True
