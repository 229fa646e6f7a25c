"""One machine, plain http, guests welcome: what ``make run`` and ``manage.py`` use."""

from realtime_ai.settings.base import *  # noqa: F403
from realtime_ai.settings.base import ENV

DEBUG = True if ENV.debug is None else ENV.debug
SECRET_KEY = ENV.secret_key or "development-only-" + "not-a-secret-" * 3
ALLOWED_HOSTS = list(ENV.allowed_hosts) or [".localhost", "127.0.0.1", "[::1]"]
if not ENV.allowed_hosts and ENV.host not in ("127.0.0.1", "::1", "localhost"):
    ALLOWED_HOSTS = ["*"]  # whoever sets HOST to reach it from another device wants to be served there
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True  # also with DEBUG=0: nothing is collected here

CHAT_LOCAL_PAGES = True
CHAT_GUESTS_ALLOWED = ENV.chat.guests_allowed
RUNSERVER_WORKER = ENV.runserver_worker

MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # browsers allow passkeys on http://localhost, and nowhere else
if not ENV.email_url:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    CHAT_HAS_EMAIL = True
