"""What production does not start with."""

from realtime_ai.env import Env, EnvError

LEAST_SECRET_CHARS = 50
"""Django's own measure (security.W009)."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1", "[::1]"}
_NEW_SECRET = "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"  # noqa: S105


def refuse_unsafe(env: Env) -> None:
    """Raises `EnvError` for the first setting that would make a public server unsafe."""
    if env.debug:
        raise EnvError("DEBUG=1: production does not run with DEBUG. Unset it, or use `make run`.")
    if not env.secret_key:
        raise EnvError(f"SECRET_KEY is not set: production needs one of its own. Make one: {_NEW_SECRET}")
    if _is_weak(env.secret_key):
        raise EnvError(
            f"SECRET_KEY is an example, or too short or too uniform (50 characters at least). "
            f"Make one: {_NEW_SECRET}"
        )
    if not env.allowed_hosts:
        raise EnvError(
            "ALLOWED_HOSTS is not set: name the hosts to serve, e.g. ALLOWED_HOSTS=chat.example.com"
        )
    if "*" in env.allowed_hosts:
        raise EnvError(
            "ALLOWED_HOSTS='*': production does not answer to every name. List the hosts to serve."
        )
    names = set(env.allowed_hosts)  # a container listens on all of its addresses
    if env.insecure_http and env.host not in _LOOPBACK and not names <= _LOOPBACK:
        raise EnvError(
            "INSECURE_HTTP=1 is for this machine alone. Unset it, or set HOST to 127.0.0.1, or ALLOWED_HOSTS to localhost."
        )


def _is_weak(secret: str) -> bool:
    examples = (
        "django-insecure-",
        "development-only-",
        "change-me",
        "changeme",
        "for-tests-only-",
        "your-secret-key",
        "replace-me",
    )
    return len(secret) < LEAST_SECRET_CHARS or len(set(secret)) < 5 or secret.lower().startswith(examples)
