"""How the Gemini API says no."""

from tests.fakes.gemini_script import HttpError


class RefusedError(Exception):
    def __init__(self, error: HttpError) -> None:
        super().__init__(error.message)
        self.error = error


def refuse(message: str) -> RefusedError:
    return RefusedError(HttpError(400, "INVALID_ARGUMENT", message))


def check_key(given: str | None, key: str) -> None:
    if not given:
        raise RefusedError(
            HttpError(
                403,
                "PERMISSION_DENIED",
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key "
                "or other form of API consumer identity to call this API.",
            )
        )
    if given != key:
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }
        message = "API key not valid. Please pass a valid API key."
        raise RefusedError(HttpError(400, "INVALID_ARGUMENT", message, [info]))
