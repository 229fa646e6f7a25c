"""The seam to the models: one small base class; the fake that ships with it is `chat.providers.demo`."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator

from chat.messages import ModelEvent, ModelRequest


class Provider(ABC):
    """One vendor. One instance a process, shared by all sessions, so that connections are reused."""

    name: str

    @abstractmethod
    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """One model round: `TextDelta` and `ToolCallRequest` as they come, then exactly one `Completed`.

        Raises a `ProviderError` (chat.errors), before or after the first event. Closing the generator closes the
        vendor's connection. Every wait is bounded: the connection, the first event, the silence between events.
        """

    async def aclose(self) -> None:  # noqa: B027  # most hold nothing
        """Give back what the provider holds; called once, when the process stops."""
