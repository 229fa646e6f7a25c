"""``POST /v1/chat/completions``: for programs that know no other. Each request is a session of its own, with all that it tells;
with the header ``x-session-id`` it is said in that session, which knows what was said before."""

from http import HTTPStatus

from chat.errors import ChatError
from chat.session.session import Session
from chat.wire.completions.objects import Chunks, completion
from chat.wire.completions.request import asked_of, decode
from chat.wire.http.errors import told
from chat.wire.http.exchange import Exchange
from chat.wire.http.repeats import one_at_a_time, request_key
from chat.wire.http.visit import AnySession, Visit
from chat.wire.responses import answers
from chat.wire.responses.answers import Wanted
from chat.wire.responses.create import begin, begin_in, known
from chat.wire.responses.objects import Response
from sessions_app.errors import SessionsError
from sessions_app.log.lookup import has_words
from sessions_app.postgres.threads import in_db_thread

_AGAIN = {"rate_limit_exceeded": HTTPStatus.TOO_MANY_REQUESTS, "invalid_prompt": HTTPStatus.BAD_REQUEST}


async def create(one: Exchange, visit: Visit, body: bytes) -> None:
    visit.check_may_write()
    wanted, assistant = decode(body), one.first("assistant") or ""
    key = request_key(one, visit, body + one.headers.get("x-session-id", "").encode())
    async with one_at_a_time(key):
        place = await known(visit, key)
        if place is None:
            if name := one.headers.get("x-session-id"):
                session = await visit.enter_named(name, assistant=assistant)
                asked = asked_of(wanted, news_only=await _has_words(session))
                visit.ask(one.answer_headers)
                place = await begin_in(visit, session, asked, key)
            else:
                asked = asked_of(wanted, news_only=False)
                visit.ask(one.answer_headers)
                place = await begin(visit, asked, key, assistant=assistant)
    one.answer_headers["x-session-id"] = place.session_id
    if wanted.stream:
        chunks = Chunks(include_usage=bool(wanted.stream_options and wanted.stream_options.include_usage))
        await answers.stream(one, visit, place, Wanted.ANSWER, stored=False, render=chunks)
        return
    try:
        response = await answers.whole(one, visit, place, Wanted.ANSWER)
    except (ChatError, SessionsError) as error:
        status, value, headers = told(error, stored=True)
        await one.answer(status, value, headers)
        return
    if response is not None:
        await _give(one, response)


async def _has_words(session: AnySession) -> bool:
    """Somebody has said something in it, in whatever process it lives."""
    if isinstance(session, Session):
        return bool(session.history.user_messages)
    return await in_db_thread(has_words, session_id=session.session_id)


async def _give(one: Exchange, response: Response) -> None:
    """What failed is an error of HTTP's here."""
    if response.error is None:
        await one.answer(HTTPStatus.OK, completion(response))
        return
    status = _AGAIN.get(response.error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    await one.answer(status, {"error": response.error}, {"x-should-retry": "false"})
