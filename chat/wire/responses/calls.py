"""The calls on responses, beside their stream: what each reads of the log, or asks of the session."""

import asyncio
import contextlib

from chat.errors import ChatError, FrameError, ObjectNotFound
from chat.session.commands import DeleteItem
from chat.wire.http.errors import told
from chat.wire.http.exchange import Exchange
from chat.wire.http.repeats import one_at_a_time, request_key
from chat.wire.http.visit import Visit
from chat.wire.responses import answers
from chat.wire.responses.answers import Wanted
from chat.wire.responses.create import begin, known, place_of
from chat.wire.responses.follow import Follower, stop_one
from chat.wire.responses.items import item_of
from chat.wire.responses.lists import page_of
from chat.wire.responses.objects import Deleted, Item
from chat.wire.responses.request import decode
from sessions_app.errors import SessionElsewhere, SessionsError
from sessions_app.log import events as ev
from sessions_app.log.lookup import Place, items_of
from sessions_app.log.replay import read_records
from sessions_app.postgres.threads import in_db_thread

_ENDS_WITHIN_S = 10.0


async def create(one: Exchange, visit: Visit, body: bytes) -> None:
    visit.check_may_write()
    asked = decode(body)
    key = request_key(one, visit, body)
    async with one_at_a_time(key):
        place = await known(visit, key)
        if place is None:
            visit.ask(one.answer_headers)
            place = await begin(visit, asked, key, assistant=one.first("assistant") or "")
    background = bool(asked.body.background)
    wanted = Wanted.BACKGROUND if background else Wanted.ANSWER
    if asked.body.stream:
        await answers.stream(one, visit, place, wanted, stored=background)
        return
    try:
        response = await (
            answers.begun(visit, place) if background else answers.whole(one, visit, place, wanted)
        )
    except (ChatError, SessionsError) as error:
        status, value, headers = told(error, stored=True)
        await one.answer(status, value, headers)
        return
    if response is not None:
        await one.answer(200, response)


async def retrieve(one: Exchange, visit: Visit, response_id: str) -> None:
    place, response = await place_of(visit, response_id, param="response_id")
    if one.first("stream") not in ("true", "1"):
        await one.answer(200, response)
        return
    after = _starting_after(one.first("starting_after"))
    await answers.stream(one, visit, place, Wanted.READING, after=after, stored=response.background)


def _starting_after(given: str | None) -> int:
    """Raises `FrameError`."""
    if not given:
        return -1
    if not given.isdecimal() or len(given) > 18:
        raise FrameError(
            "starting_after is the sequence_number of the last event that you have.", param="starting_after"
        )
    return int(given)


async def cancel(one: Exchange, visit: Visit, response_id: str) -> None:
    """Of one that is over nothing changes, and it is told as it is."""
    visit.check_may_write()
    place, _ = await place_of(visit, response_id, param="response_id")
    follower = Follower(visit, place)
    await follower.stored_now()
    if not follower.over:
        with contextlib.suppress(SessionElsewhere):
            session = await visit.enter(place.session_id, reopen=False)
            await stop_one(session, follower.tail)
        await _until_over(visit, place)
    _, response = await place_of(visit, response_id, param="response_id")
    await one.answer(200, response)


async def _until_over(visit: Visit, place: Place) -> None:
    """Or, where another process is about to try it again, as it stands."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ENDS_WITHIN_S):
            async for _ in Follower(visit, place, stored=True).events():
                pass


async def delete(one: Exchange, visit: Visit, response_id: str) -> None:
    """It is not given out any more; what was said stays in its conversation."""
    visit.check_may_write()
    place, _ = await place_of(visit, response_id, param="response_id")
    session = await visit.enter(place.session_id)
    await session.do(DeleteItem(item_id=response_id, is_response=True, stored=True))
    await one.answer(200, Deleted(id=response_id, object="response"))


async def input_items(one: Exchange, visit: Visit, response_id: str) -> None:
    place, _ = await place_of(visit, response_id, param="response_id")
    items = await in_db_thread(_input_of, place)
    await one.answer(200, page_of(one, items))


def _input_of(place: Place) -> list[Item]:
    """In the order in which they were given."""
    records = read_records(session_id=place.session_id, after=place.seq - 1, limit=1)
    event = records[0].event if records else None
    if isinstance(event, ev.ResponseQueued):
        ids = (event.options.get("asked") or {}).get("input") or event.item_ids
    elif isinstance(event, ev.ResponseStarted):
        ids = event.input_item_ids
    else:
        raise ObjectNotFound(param="response_id")
    kept = items_of(session_id=place.session_id, item_ids=ids)
    return [item for one in kept.values() if (item := item_of(one.event, one.result))]
