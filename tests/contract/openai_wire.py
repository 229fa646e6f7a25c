"""What the vendors with one of OpenAI's APIs share: the server around the API, and failures in OpenAI's shape."""

from abc import abstractmethod
from collections.abc import Iterator

from tests.contract.vendor import SIGN_OF_LIFE_SECONDS, SIGNS_OF_LIFE, Ending, Fail, Failure, Vendor
from tests.fakes.http_server import HttpServer
from tests.fakes.openai_script import Drop, Hang, HttpError, Sleep, Step
from tests.fakes.openai_server import OpenAIServer

_FAILURES: dict[Failure, HttpError] = {
    Failure.BAD_KEY: HttpError(401, "Incorrect API key provided.", code="invalid_api_key"),
    Failure.NO_MODEL: HttpError(404, "The model `x` does not exist.", code="model_not_found"),
    Failure.BAD_REQUEST: HttpError(400, "Unknown parameter: 'x'.", code="unknown_parameter", param="x"),
    Failure.TOO_LONG: HttpError(
        400,
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        code="context_length_exceeded",
        param="input",
    ),
    Failure.QUOTA: HttpError(429, "Rate limit reached for x.", "requests", code="rate_limit_exceeded"),
    Failure.OVERLOADED: HttpError(503, "The engine is currently overloaded.", "server_error"),
    Failure.SERVER_ERROR: HttpError(500, "The server had an error.", "server_error"),
}


def failure(script: Fail) -> HttpError:
    usual = _FAILURES[script.failure]
    hint = {} if script.retry_after_s is None else {"retry-after": f"{script.retry_after_s:g}"}
    return HttpError(
        usual.status, script.message or usual.message, usual.type, usual.code, usual.param, headers=hint
    )


def behind(ending: Ending, *, alive: Step, overloaded: Step) -> Iterator[Step]:
    """What may come behind the end of an answer; ``alive`` is what this API sends to say no more than that."""
    match ending:
        case Ending.THEN_SILENT:
            yield Hang()
        case Ending.THEN_ALIVE:
            for _ in range(SIGNS_OF_LIFE):
                yield from (alive, Sleep(SIGN_OF_LIFE_SECONDS))
        case Ending.THEN_OVERLOADED:
            yield overloaded
        case Ending.THEN_DROPPED:
            yield Drop()


class OpenAIWire(Vendor):
    """The server's life, for a subclass that says which API it has."""

    server: OpenAIServer

    @abstractmethod
    def make_server(self) -> OpenAIServer: ...

    def start(self) -> None:
        self.server = self.make_server()
        self.server.__enter__()

    def stop(self) -> None:
        self.server.__exit__()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def refusals(self) -> list[str]:
        return self.server.refusals

    @property
    def hits(self) -> int:
        return self.server.hits

    @property
    def connections(self) -> int:
        return self.server.http.connections

    @property
    def http(self) -> HttpServer:
        return self.server.http

    async def got_request(self) -> None:
        await self.server.got_request()

    async def hung_up_within(self, seconds: float) -> bool:
        return await self.server.hung_up_within(seconds)
