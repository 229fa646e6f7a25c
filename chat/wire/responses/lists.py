"""Lists as the API gives them: a page after an item, in either order."""

from collections.abc import Sequence
from typing import NamedTuple

from chat.errors import FrameError
from chat.wire.http.exchange import Exchange
from chat.wire.responses.objects import Item, ItemList

_LIMIT, _MOST = 20, 100
_MOST_DIGITS = 9


class Paging(NamedTuple):
    after: str | None
    limit: int
    descending: bool


def paging_of(one: Exchange) -> Paging:
    """Raises `FrameError`."""
    limit, order = one.first("limit") or str(_LIMIT), one.first("order") or "desc"
    if not limit.isdecimal() or len(limit) > _MOST_DIGITS or not 1 <= int(limit) <= _MOST:
        raise FrameError(f"limit is a number from 1 to {_MOST}.", param="limit")
    if order not in ("asc", "desc"):
        raise FrameError('order is "asc" or "desc".', param="order")
    return Paging(one.first("after") or None, int(limit), order == "desc")


def page_of(one: Exchange, items: list[Item]) -> ItemList:
    """Of all there are, oldest first. Raises `FrameError`."""
    paging = paging_of(one)
    items = items[::-1] if paging.descending else items
    if paging.after is not None:
        places = [place for place, item in enumerate(items) if item.id == paging.after]
        items = items[places[0] + 1 :] if places else []
    return listed(items[: paging.limit], has_more=len(items) > paging.limit)


def listed(items: Sequence[Item], *, has_more: bool) -> ItemList:
    first, last = (items[0].id, items[-1].id) if items else ("", "")
    return ItemList(data=list(items), first_id=first, last_id=last, has_more=has_more)
