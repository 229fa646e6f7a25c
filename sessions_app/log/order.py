"""The order in which clients see the items of a conversation: what ``previous_item_id`` tells them."""

from collections.abc import Container

from sessions_app.log.events import ROOT, PlacedEvent


class ItemOrder:
    """The ids of the items, as far back as the model's history goes.

    It is not the model's order: a message that came during an answer stands behind what the answer had said by then. A
    response's items stand together, behind the last item that it looked at.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._known: set[str] = set()
        """The same, to ask quickly."""
        self._tails: dict[str, str | None] = {}
        """Of each open response in the conversation: the item behind which its next one stands."""

    def place(self, previous_item_id: str | None) -> str | None:
        """The item behind which one that a client puts there will stand; None: it is the first."""
        if previous_item_id == ROOT:
            return None
        return previous_item_id or self._last()

    def before(self, item_id: str) -> str | None:
        index = self._index(item_id) if item_id in self._known else 0
        return self._ids[index - 1] if index else None

    def _index(self, item_id: str) -> int:
        """From the end: what is asked for is nearly always near it."""
        return next(index for index in range(len(self._ids) - 1, -1, -1) if self._ids[index] == item_id)

    def last_but(self, waiting: Container[str]) -> str | None:
        """The last item that does not wait for a later response."""
        return next((one for one in reversed(self._ids) if one not in waiting), None)

    def _last(self) -> str | None:
        return self._ids[-1] if self._ids else None

    def opened(self, response_id: str, after_item_id: str | None) -> None:
        """A response of the conversation began. It may go on from an item of the turns that were compacted."""
        if after_item_id and after_item_id not in self._known:
            self._insert(len(self._ids), after_item_id)
        self._tails[response_id] = after_item_id or self._last()

    def closed(self, response_id: str) -> None:
        self._tails.pop(response_id, None)

    def given(self, event: PlacedEvent) -> None:
        if event.previous_item_id == ROOT:
            self._insert(0, event.item_id)
            return
        if event.previous_item_id is None and event.after_item_id and self._tails:
            # a text that is being written stands there, of which who comes later knows no delta
            self.output(next(reversed(self._tails)), event.after_item_id)
        self._add(event.item_id, event.after_item_id)

    def output(self, response_id: str, item_id: str) -> None:
        if response_id not in self._tails or self._tails[response_id] == item_id:
            return
        if item_id not in self._known:
            self._add(item_id, self._tails[response_id])
            self._tails[response_id] = item_id

    def _add(self, item_id: str, after_item_id: str | None) -> None:
        """At the end where what it stands behind is not known any more."""
        known = after_item_id is not None and after_item_id in self._known
        self._insert(self._index(after_item_id) + 1 if known else len(self._ids), item_id)  # type: ignore[arg-type]

    def _insert(self, index: int, item_id: str) -> None:
        self._ids.insert(index, item_id)
        self._known.add(item_id)

    def deleted(self, item_id: str) -> None:
        before = self.before(item_id)
        self._tails = {one: before if tail == item_id else tail for one, tail in self._tails.items()}
        if item_id in self._known:
            self._ids.remove(item_id)
            if item_id not in self._ids:
                self._known.discard(item_id)

    def keep(self, item_ids: Container[str]) -> None:
        """Forget the others, but for what an open response goes on from."""
        tails = set(self._tails.values())
        self._ids = [one for one in self._ids if one in item_ids or one in tails]
        self._known = set(self._ids)
