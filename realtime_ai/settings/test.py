"""For the suite: nothing waits, nothing is slow on purpose, and the developer's ``.env`` does not count."""

import os

os.environ["ENV_FILE"] = os.devnull
for _name in [name for name in os.environ if name.startswith(("OPENAI_", "ANTHROPIC_", "GEMINI_", "GROQ_", "GOOGLE_"))]:
    del os.environ[_name]  # nor do those of the developer's shell

from realtime_ai.settings.base import *  # noqa: F403
from realtime_ai.settings.base import INSTALLED_APPS

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "daphne"]  # 0.9 s of imports, for runserver alone

DEBUG = False
SECRET_KEY = "for-tests-only-" + "0123456789" * 4
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True

CHAT_LLM_MODEL = "demo"
CHAT_LLM_FALLBACKS = CHAT_LLM_MODELS = ()
CHAT_GEMINI_API_KEY = CHAT_OPENAI_API_KEY = CHAT_ANTHROPIC_API_KEY = CHAT_GROQ_API_KEY = None
CHAT_COMPATIBLE_API_KEY = CHAT_COMPATIBLE_BASE_URL = None
CHAT_DEMO_DELAY_MS = 0.0
CHAT_GUESTS_ALLOWED = True
