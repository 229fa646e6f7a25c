"""``/v1/conversations``: sessions, by their ids, with what was said in them. Only who has a name here may have one by its id."""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from chat.errors import ChosenIdRefused, FrameError, ItemNotFound
from chat.llm.provider import JSON
from chat.session.commands import Converse, DeleteItem
from chat.wire.http.exchange import Exchange
from chat.wire.http.visit import AnySession, Visit
from chat.wire.realtime.checks import invalid
from chat.wire.realtime.client import Metadata
from chat.wire.responses.create import Turn, enter_conversation, no_conversation, said_in
from chat.wire.responses.files import with_files
from chat.wire.responses.input import Command, Reference, items_in
from chat.wire.responses.items import item_of
from chat.wire.responses.lists import listed, paging_of
from chat.wire.responses.objects import Conversation, Deleted, Item
from chat.wire.responses.request import object_in
from chat.wire.responses.response import conversation_id, session_of
from sessions_app.log.lookup import KeptSession, find_session, item_page, items_of
from sessions_app.models import EraseActor
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.erase import By, erase_session

T = TypeVar("T")

_MOST_ITEMS = 20


class New(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    items: Annotated[list[JSON], Meta(max_length=_MOST_ITEMS)] | None = None
    metadata: Metadata | None = None


class Changes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    metadata: Metadata | None


class NewItems(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    items: Annotated[list[JSON], Meta(min_length=1, max_length=_MOST_ITEMS)]


async def create(one: Exchange, visit: Visit, body: bytes) -> None:
    _check_name(visit)
    wanted = _as(New, body or b"{}")
    turn = _turn(visit, wanted.items or [], None)
    session = await visit.begin(model=None, assistant=one.first("assistant") or "")
    said = await _with_files(visit, session, turn)
    changes = {"metadata": wanted.metadata} if wanted.metadata else {}
    await session.do(Converse(items=said, changes=changes))
    await one.answer(200, _conversation(await _kept(visit, conversation_id(session.session_id))))


async def retrieve(one: Exchange, visit: Visit, conversation: str) -> None:
    await one.answer(200, _conversation(await _kept(visit, conversation)))


async def update(one: Exchange, visit: Visit, conversation: str, body: bytes) -> None:
    _check_name(visit)
    changes = _as(Changes, body)
    session = await enter_conversation(visit, conversation)
    await session.do(Converse(changes={"metadata": changes.metadata or {}}))
    await one.answer(200, _conversation(await _kept(visit, conversation)))


async def delete(one: Exchange, visit: Visit, conversation: str) -> None:
    """What was said is erased, as by its owner's own hand on the page."""
    _check_name(visit)
    kept = await _kept(visit, conversation)
    await in_db_thread(erase_session, session_id=kept.session_id, by=By(actor=EraseActor.OWNER))
    await one.answer(200, Deleted(id=conversation, object="conversation.deleted"))


async def items(one: Exchange, visit: Visit, conversation: str) -> None:
    kept, paging = await _kept(visit, conversation), paging_of(one)
    page = await in_db_thread(
        item_page,
        session_id=kept.session_id,
        after=paging.after,
        limit=paging.limit,
        descending=paging.descending,
    )
    ids = [str(record.event.new_item_id) for record in page.records]
    await one.answer(200, listed(await _items(kept, ids), has_more=page.has_more))


async def add_items(one: Exchange, visit: Visit, conversation: str, body: bytes) -> None:
    _check_name(visit)
    wanted = _as(NewItems, body)
    turn = _turn(visit, wanted.items, await _kept(visit, conversation))
    session = await enter_conversation(visit, conversation)
    said = await _with_files(visit, session, turn)
    await session.do(Converse(items=said))
    kept = await _kept(visit, conversation)
    found = await _items(kept, [str(one.item_id) for one in said])
    await one.answer(200, listed(found, has_more=False))


async def item(one: Exchange, visit: Visit, conversation: str, item_id: str) -> None:
    found = await _items(await _kept(visit, conversation), [item_id])
    if not found:
        raise ItemNotFound(param="item_id")
    await one.answer(200, found[0])


async def delete_item(one: Exchange, visit: Visit, conversation: str, item_id: str) -> None:
    """The conversation that is left."""
    _check_name(visit)
    session = await enter_conversation(visit, conversation)
    await session.do(DeleteItem(item_id=item_id, stored=True))
    await one.answer(200, _conversation(await _kept(visit, conversation)))


async def _kept(visit: Visit, conversation: str) -> KeptSession:
    """Raises `ObjectNotFound`."""
    kept = await in_db_thread(find_session, session_id=session_of(conversation), visitor=visit.visitor)
    if kept is None:
        raise no_conversation(conversation)
    return kept


async def _items(kept: KeptSession, ids: list[str]) -> list[Item]:
    """In that order."""
    found = await in_db_thread(items_of, session_id=kept.session_id, item_ids=ids)
    return [item for one in found.values() if (item := item_of(one.event, one.result))]


def _turn(visit: Visit, given: list[JSON], kept: KeptSession | None) -> Turn:
    """A question of another conversation and its answer are copies, as programs keep them that have their answers given elsewhere
    (`OpenAIConversationsSession`). Raises `FrameError` for an answer that would decide here: what follows on it is a response."""
    turn = said_in(visit, [one for one in items_in(given, "items") if not isinstance(one, Reference)])
    asked = kept.state.approvals if kept else {}
    if any(one.approval_id in asked and asked[one.approval_id].approve is None for one in turn.decided):
        raise FrameError("An approval is decided by POST /v1/responses.", param="items")
    return turn


async def _with_files(visit: Visit, session: AnySession, turn: Turn) -> list[Command]:
    return await with_files(visit, session.session_id, turn.said, turn.given, reader=turn.reader)


def _check_name(visit: Visit) -> None:
    """Raises `ReadOnlyKey`, `ChosenIdRefused`."""
    visit.check_may_write()
    if visit.is_nobody:
        raise ChosenIdRefused(
            "Conversations are for whoever has a key. Guests go on by previous_response_id."
        )


def _as(cls: type[T], body: bytes) -> T:
    """Raises `FrameError`."""
    try:
        return msgspec.convert(object_in(body), cls)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error


def _conversation(kept: KeptSession) -> Conversation:
    return Conversation(
        id=conversation_id(kept.session_id),
        created_at=int(kept.created_at),
        metadata=kept.state.settings.get("metadata") or {},
    )
