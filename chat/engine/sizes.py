"""How large texts are for a model: bytes that we count, tokens that we estimate from them."""

from collections.abc import Iterable

import msgspec

from chat.messages import HistoryItem, ModelRequest, ToolCallItem, ToolResultItem

TOKENS_PER_BYTE = 0.25
"""Until a vendor has counted: four bytes of UTF-8 a token is about right for prose, and too many for no alphabet."""
_ITEM_BYTES = 16
"""What a vendor wraps around an item."""
_LEAST, _MOST = 0.05, 1.0


def tokens_of(size_bytes: int, tokens_per_byte: float) -> int:
    """``tokens_per_byte`` as the vendor's last count gave it; 0.0: there is none."""
    ratio = min(max(tokens_per_byte, _LEAST), _MOST) if tokens_per_byte else TOKENS_PER_BYTE
    return int(size_bytes * ratio)


def items_bytes(items: Iterable[HistoryItem]) -> int:
    return sum(_item_bytes(item) for item in items)


def request_bytes(request: ModelRequest) -> int:
    tools = len(msgspec.json.encode(request.tools)) if request.tools else 0
    return text_bytes(request.instructions) + tools + items_bytes(request.history)


def text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _item_bytes(item: HistoryItem) -> int:
    match item:
        case ToolCallItem():
            return _ITEM_BYTES + len(item.name) + text_bytes(item.arguments)
        case ToolResultItem():
            return _ITEM_BYTES + len(item.name) + text_bytes(item.output)
        case _:
            return _ITEM_BYTES + text_bytes(item.text)
