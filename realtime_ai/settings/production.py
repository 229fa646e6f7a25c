"""Facing the world: what ``make serve`` uses. Refuses to load with a setting that would make it unsafe."""

from realtime_ai.settings.base import *  # noqa: F403
from realtime_ai.settings.base import ENV, STORAGES
from realtime_ai.settings.refusals import refuse_unsafe

refuse_unsafe(ENV)

DEBUG = False
SECRET_KEY = ENV.secret_key or ""
ALLOWED_HOSTS = list(ENV.allowed_hosts)
SESSIONS_SERVER_PROCESSES = ENV.server_processes(serve=True)

STATIC_ROOT = ENV.var_dir / "static"
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "realtime_ai.static_files.HashedStaticFiles"}}

# INSECURE_HTTP is for a look at it on the loopback; the supervisor says so loudly.
_https = not ENV.insecure_http
SECURE_SSL_REDIRECT = _https
SESSION_COOKIE_SECURE = _https
CSRF_COOKIE_SECURE = _https
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https and ENV.hsts_include_subdomains
SECURE_HSTS_PRELOAD = _https and ENV.hsts_preload
SILENCED_SYSTEM_CHECKS = [
    "security.W005",
    "security.W021",
]  # other hosts' affair: HSTS_INCLUDE_SUBDOMAINS, HSTS_PRELOAD
if not _https:
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W008", "security.W012", "security.W016"]
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if _https else "http"
