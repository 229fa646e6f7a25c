"""Settings that hold everywhere. ``development``, ``production`` and ``test`` build on them."""

from typing import Any

import environ

from realtime_ai.env import BASE_DIR, load_env
from realtime_ai.settings.logs import logging_settings
from realtime_ai.settings.unfold import UNFOLD  # noqa: F401
from realtime_ai.stores import (
    PLACEHOLDER,
    channel_layer,
    database_settings,
    files_storage,
    find_database_url,
)
from sessions_app.assistant import LANGUAGES as LANGUAGES_OF_THE_PAGE
from sessions_app.setting import django_settings

ENV = load_env()

DEBUG = False
SECRET_KEY = ENV.secret_key or ""
ALLOWED_HOSTS = list(ENV.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENV.chat.allowed_origins)

INSTALLED_APPS = [
    "realtime_ai.doctor",
    "realtime_ai.devserver",  # before whitenoise, whose runserver it extends
    "whitenoise.runserver_nostatic",  # before daphne: it wraps the runserver of the apps below it
    "daphne",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "realtime_ai.staff_site.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "procrastinate.contrib.django",
    "sessions_app.limits",
    "sessions_app",
    "identity",
    "chat",
]

MIDDLEWARE = [
    "realtime_ai.probes.probe_middleware",  # first: a probe knows neither our host name nor https
    "django.middleware.security.SecurityMiddleware",
    "realtime_ai.static_files.StaticFilesMiddleware",
    "realtime_ai.headers.PolicyMiddleware",
    "realtime_ai.front.unanswerable.UnanswerableRequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "realtime_ai.front.middleware.GuestCookieMiddleware",
    "realtime_ai.front.middleware.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "realtime_ai.urls"
ASGI_APPLICATION = "realtime_ai.asgi.application"
LOGIN_URL = "chat:login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "chat:page"
TEST_RUNNER = "tests.plugin.runner.PytestRunner"

_database_url = find_database_url(ENV)
HAS_DATABASE = _database_url is not None
DATABASES: dict[str, dict[str, Any]] = {
    "default": database_settings(
        _database_url or PLACEHOLDER,
        pool_max=ENV.database_pool_max if HAS_DATABASE else 0,
        demand_tls=not ENV.sessions.insecure_database,
    )
}
CACHES = {"default": {"BACKEND": "sessions_app.limits.cache.JsonDatabaseCache"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {"default": channel_layer(ENV.redis_url)}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
LANGUAGES = list(LANGUAGES_OF_THE_PAGE.items())
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "files": files_storage(ENV),
}

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# --- the front door: django-allauth (chat/door) ------------------------------------------------------------------

ACCOUNT_ADAPTER = "chat.door.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_RATE_LIMITS = {
    "login": None
}  # signing in is bounded in chat/door/attempts.py; the other pages as allauth has it
MFA_ADAPTER = "chat.door.adapter.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_TOLERANCE = 1
_here = "127.0.0.1" if ENV.host in ("0.0.0.0", "::") else ENV.host  # noqa: S104 - where we call
CHAT_HERE = f"http://[{_here}]:{ENV.port}" if ":" in _here else f"http://{_here}:{ENV.port}"
CHAT_HAS_EMAIL = ENV.email_url is not None
if ENV.email_url:
    vars().update(environ.Env.email_url_config(ENV.email_url))
DEFAULT_FROM_EMAIL = ENV.email_from
EMAIL_TIMEOUT = 8  # seconds; a mail server that hangs must not hold a thread for good

LOGGING = logging_settings(ENV.log_level)
METRICS_TOKEN = ENV.metrics_token

HTTP_BODY_LIMITS = {  # bytes by the beginning of the path; the longest that fits counts
    "/": ENV.max_body_bytes,
    "/v1/": ENV.max_api_body_bytes,
    "/v1/realtime/": ENV.max_body_bytes,
    "/api/ui/": ENV.max_api_body_bytes,
    "/ag-ui": ENV.max_api_body_bytes,
    "/admin/": ENV.max_admin_body_bytes,
    "/admin/login/": ENV.max_body_bytes,
    "/api/files": ENV.sessions.max_file_bytes + ENV.max_body_bytes,
    "/v1/files": ENV.sessions.max_file_bytes + ENV.max_body_bytes,
}
HTTP_REQUEST_SECONDS = ENV.request_seconds
HTTP_LONG_REQUESTS = {  # seconds by the beginning of the path
    "/api/files": ENV.upload_seconds,
    "/v1/files": ENV.upload_seconds,
}
HTTP_MAX_UNFINISHED = ENV.max_unfinished_requests
RUNSERVER_WORKER = False

# --- the rooms' own settings: their conf.py tell what they mean --------------------------

vars().update(django_settings(ENV.chat, "CHAT_") | django_settings(ENV.sessions, "SESSIONS_"))
vars().update(django_settings(ENV.identity, "IDENTITY_"))
CHAT_GUESTS_ALLOWED = ENV.chat.guests_allowed and "GUESTS_ALLOWED" in ENV.given
SESSIONS_LEASE_RENEW_SECONDS = ENV.sessions.lease_seconds / 3.5
SESSIONS_DB_THREADS = ENV.database_pool_max or 8
SESSIONS_EMBEDDED_DATABASE = HAS_DATABASE and ENV.database_url is None
SESSIONS_SERVER_PROCESSES = ENV.server_processes(serve=False)
