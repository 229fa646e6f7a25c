"""How the Messages API says no."""

from typing import Any

from tests.fakes.anthropic_script import HttpError


class RefusedError(Exception):
    def __init__(self, error: HttpError) -> None:
        super().__init__(error.message)
        self.error = error


def refuse(message: str) -> RefusedError:
    return RefusedError(HttpError(400, "invalid_request_error", message))


def check_headers(headers: dict[str, str], key: str) -> None:
    """The key may come either way; the installed SDK sends it as a bearer."""
    given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not given:
        raise RefusedError(HttpError(401, "authentication_error", "x-api-key header is required"))
    if given != key:
        raise RefusedError(HttpError(401, "authentication_error", "invalid x-api-key"))
    if "anthropic-version" not in headers:
        raise refuse("anthropic-version: header is required")


def check_model(model: Any) -> None:
    if not isinstance(model, str):
        raise refuse("model: Field required")
    if not model.startswith("claude-"):
        raise RefusedError(HttpError(404, "not_found_error", f"model: {model}"))
