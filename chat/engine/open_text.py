"""A text of a response in the making."""

from chat.engine.storable import storable
from chat.messages import JSON
from sessions_app import events as ev


class OpenText:
    """An item of text while its deltas come in."""

    def __init__(self, item_id: str, output_index: int) -> None:
        self.item_id = item_id
        self.output_index = output_index
        self.length = 0
        self._texts: list[str] = []
        self._parts: list[ev.Part] = []

    def add(self, clean: str, extra: JSON | None) -> None:
        """A part with an ``extra`` stays a part of its own."""
        self._texts.append(clean)
        self.length += len(clean)
        last = self._parts[-1] if self._parts else None
        if extra is None and last is not None and last.extra is None:
            self._parts[-1] = ev.Part(last.length + len(clean))
        elif clean or extra is not None:
            self._parts.append(ev.Part(len(clean), storable(extra)))

    def message(self, response_id: str, status: str) -> ev.AssistantMessage:
        vendor_parts = any(part.extra is not None for part in self._parts)
        return ev.AssistantMessage(
            response_id=response_id,
            item_id=self.item_id,
            output_index=self.output_index,
            text="".join(self._texts),
            status=status,
            parts=self._parts if vendor_parts else [],
        )
