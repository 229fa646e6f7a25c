"""The Realtime dialect: client events become commands, the log becomes frames, a cursor makes a resume."""

import asyncio
import contextlib
from typing import ClassVar

import msgspec
from msgspec import UNSET

from chat.conf import conf
from chat.errors import ChatError, InvalidHistory, ItemNotFound, ReadOnlyKey
from chat.llm.catalog import default_model_spec
from chat.quota.quotas import Left
from chat.session.commands import (
    AddMessage,
    AddToolCall,
    AddToolOutput,
    CancelResponse,
    ChooseVersion,
    Command,
    DecideApproval,
    DeleteItem,
    GiveFeedback,
    RequestResponse,
    ResponseOptions,
    SessionConfig,
    SessionInfo,
    UpdateSession,
)
from chat.wire.dialect import AnySession, Socket
from chat.wire.realtime import client as ce
from chat.wire.realtime.files import with_files
from chat.wire.realtime.objects import Item, SessionObject, StreamInfo, item_of
from chat.wire.realtime.projector import (
    Cursor,
    RealtimeProjector,
    dropped_response,
    event_id,
    parse_event_id,
    queued_response,
)
from chat.wire.realtime.reader import LogReader, page_before
from chat.wire.realtime.server import (
    ErrorDetails,
    ErrorEvent,
    HistoryDone,
    ItemRetrieved,
    Pong,
    RateLimit,
    RateLimitsUpdated,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    encode,
)
from sessions_app.errors import FileError, InvalidSessionId, SessionNotFound, SessionsError
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log import replay
from sessions_app.log.pages import recent_start
from sessions_app.postgres.threads import in_db_thread

_NOTICES = {
    "demo": "The built-in demo model answers: no model is configured. Set the key of a vendor, e.g. GEMINI_API_KEY, to talk to a real one."
}


_JOINED = "joined"
_RECENT = "recent"
_HEARSAY_S = 1.0
"""A commit whose acknowledgement takes longer is told of later, by the log itself."""

TEXT_ALONE = "This server speaks text alone: what concerns audio is left out, and answers are text."


class RealtimeDialect:
    """The OpenAI Realtime API (GA), text modality, with our resume."""

    name: ClassVar[str] = "realtime"

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._told_of_audio = False
        self._history_ends: int | None = None
        """The seq with which the present begins, as long as the client waits to hear of it."""

    # Opening

    async def opened(self, session: AnySession) -> tuple[int, LogReader]:
        """Greet; the seq to read from, so that the fold is whole, and who reads.

        Raises `FrameError` for a ``last_event_id`` that is none of this session's, and an unknown ``history``.
        """
        self._session = session
        history = self._socket.query.get("history", "")
        if history not in ("", _JOINED, _RECENT):
            raise InvalidHistory(param="history")
        info = session.info()
        given = self._socket.query.get("last_event_id")
        wanted = parse_event_id(info.session_id, given) if given else None
        cursor = await (self._recent() if history == _RECENT and wanted is None else self._start(wanted))
        info = session.info()
        stream = StreamInfo(
            session_id=info.session_id,
            resumed=wanted is not None,
            last_event_id=event_id(info.session_id, cursor.seq, cursor.index),
            status="responding" if info.response_seq is not None else "idle",
            queued=info.queued or UNSET,
            resume_token=self._socket.resume_token,
        )
        if wanted is not None and wanted.seq > cursor.seq:
            stream.truncated_to = stream.last_event_id
        created = session_created(self._session_object(), stream, notice=_notice(info.model))
        await self._socket.send_frame(encode(created))
        joined_until = await self._stored_until(cursor) if history else 0
        self._history_ends = info.last_seq if history == _RECENT else None
        return await self._fold_start(cursor), LogReader(session, cursor, joined_until=joined_until)

    async def _stored_until(self, cursor: Cursor) -> int:
        """What is not stored is not joined: whoever is told that it was lost has to know where to cut."""
        seq = self._session.info().last_seq
        if cursor.seq >= seq:
            return 0
        return min(seq, await in_db_thread(replay.stored_until, session_id=self._session.session_id))

    async def _start(self, wanted: Cursor | None) -> Cursor:
        """Where the client is, as far as the log agrees; without a word of its own: where the running response began,
        else now."""
        info = self._session.info()
        if wanted is None:
            return Cursor(info.last_seq if info.response_seq is None else info.response_seq - 1)
        if wanted.seq > info.last_seq:  # shown and lost; or stored by another process, while this one slept
            await self._session.check_lease()
            if await in_db_thread(replay.is_stored, session_id=info.session_id, seq=wanted.seq):
                await self._heard_of(wanted.seq)
                return wanted
            return Cursor(info.last_seq)
        kept = wanted.seq
        if wanted.seq < info.last_seq:
            kept = await in_db_thread(replay.kept_until, session_id=info.session_id, seq=wanted.seq)
        return wanted if kept == wanted.seq else Cursor(kept)

    async def _recent(self) -> Cursor:
        """The last page of what was said."""
        info = self._session.info()
        start = await in_db_thread(recent_start, session_id=info.session_id, until=info.last_seq)
        running = info.last_seq if info.response_seq is None else info.response_seq - 1
        return Cursor(min(start, running))

    async def _heard_of(self, seq: int) -> None:
        """Its reader in another process took it from the database before the session's own process heard of its commit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEARSAY_S):
                while self._session.info().last_seq < seq:  # noqa: ASYNC110 - what it waits for is seldom and near
                    await asyncio.sleep(0.02)

    async def _fold_start(self, cursor: Cursor) -> int:
        """The seq after which the fold begins: before the response in which the cursor lies."""
        info = self._session.info()
        if cursor.seq == 0 or (info.response_seq is None and cursor == Cursor(info.last_seq)):
            return cursor.seq
        if info.response_seq is not None and info.response_seq <= cursor.seq:
            return info.response_seq - 1
        return await in_db_thread(replay.fold_start, session_id=info.session_id, seq=cursor.seq)

    def _session_object(self) -> SessionObject:
        info = self._session.info()
        config = msgspec.convert(info.config, SessionConfig)
        return SessionObject(
            id=info.session_id,
            model=config.model or info.model,
            instructions=config.instructions or _instructions(info),
            tools=config.tools,
            tool_choice=config.tool_choice,
            max_output_tokens=config.max_output_tokens or "inf",  # type: ignore[arg-type]
            expires_at=int(expires_at) if (expires_at := self._socket.expires_at) else UNSET,
            x_turn_policy=config.policy,  # type: ignore[arg-type]
            x_assistant=info.assistant or UNSET,
        )

    # Frames in

    async def receive(self, frame: str) -> None:
        event = ce.decode(frame)
        try:
            await self._handle(event)
        except (ChatError, SessionsError) as error:
            if isinstance(error, ChatError) and error.event_id:
                raise
            await self._socket.send_frame(encode(error_event(error, event_id=event.event_id)))

    async def _handle(self, event: ce.ClientEvent) -> None:
        if isinstance(event, ce.ItemRetrieve | ce.HistoryGet | ce.Ping):
            await self._look_up(event)
            return
        if isinstance(event, ce.SessionUpdate) and event.session.x_token:
            await self._socket.renew(event.session.x_token)
            if not event.session.changes():
                await self._socket.send_frame(encode(session_updated(self._session_object())))
                return
        if not self._socket.may_write:
            raise ReadOnlyKey
        command = await with_files(_command(event), event, self._socket, self._session.session_id)
        left = self._socket.ask() if isinstance(command, RequestResponse) else []
        done = await self._session.do(command)
        if left:
            await self._socket.send_frame(encode(rate_limits_updated(left)))
        if done.repeated_seq:
            await self._say_again(done.repeated_seq)
        if done.passed_over:
            for frame in passed_over(self._session.session_id, client_event_id=event.event_id):
                await self._socket.send_frame(encode(frame))
        if isinstance(event, ce.SessionUpdate):
            notice = self._audio_notice(event)
            await self._socket.send_frame(encode(session_updated(self._session_object(), notice=notice)))

    def _audio_notice(self, event: ce.SessionUpdate) -> str:
        """Said once on each connection. No `error`: SDKs and frameworks take audio for granted, and some end at an error."""
        if self._told_of_audio or not event.session.wants_audio:
            return ""
        self._told_of_audio = True
        return TEXT_ALONE

    async def _look_up(self, event: ce.ItemRetrieve | ce.HistoryGet | ce.Ping) -> None:
        """What changes nothing."""
        match event:
            case ce.ItemRetrieve():
                await self._retrieve(event.item_id)
            case ce.HistoryGet():
                page = await in_db_thread(page_before, self._session.session_id, event.until)
                await self._socket.send_frame(encode(page))
            case ce.Ping():
                pong = Pong(event_id=new_id("evt"), x_client_event_id=event.event_id or UNSET)
                await self._socket.send_frame(encode(pong))

    async def _retrieve(self, item_id: str) -> None:
        record, result = await in_db_thread(
            replay.find_item, session_id=self._session.session_id, item_id=item_id
        )
        item = item_of(record, result) if record else None
        if item is None:
            raise ItemNotFound(param="item_id")
        await self._socket.send_frame(encode(item_retrieved(item)))

    async def _say_again(self, seq: int) -> None:
        """What the event brought about the first time, for a client that did not hear it."""
        session_id = self._session.session_id
        projector = RealtimeProjector(session_id)
        after = await in_db_thread(replay.fold_start, session_id=session_id, seq=seq)
        while after < seq:
            records = await in_db_thread(replay.read_records, session_id=session_id, after=after)
            for record in records:
                frames, after = projector.frames(record), record.seq
                for frame in frames if record.seq == seq else ():
                    # not under the id of its place: the client would take it for how far it has come
                    frame.event_id = new_id("evt")
                    await self._socket.send_frame(encode(frame))
            if not records:
                return

    # Frames out

    async def send_log(self, start: tuple[int, LogReader]) -> None:
        after, reader = start
        await self._end_history(reader.cursor.seq)
        async for records in self._session.follow(after):
            for text in reader.texts(records):
                await self._socket.send_frame(text)
            await self._end_history(records[-1].seq)

    async def _end_history(self, seq: int) -> None:
        if self._history_ends is not None and seq >= self._history_ends:
            self._history_ends = None
            await self._socket.send_frame(encode(HistoryDone(event_id=new_id("evt"))))

    def error(self, error: ChatError | SessionsError) -> str:
        return encode(error_event(error))


def _instructions(info: SessionInfo) -> str:
    """Where the client has given none."""
    return conf().instructions if info.instructions is None else info.instructions


def _notice(model: str) -> str:
    return _NOTICES.get(model, "") if default_model_spec() == model else ""


def _command(event: ce.ClientEvent) -> Command:
    """Raises `FrameError` for what the wire allows and this server cannot do."""
    match event:
        case ce.SessionUpdate():
            return UpdateSession(changes=event.session.changes(), client_event_id=event.event_id)
        case ce.ItemCreate():
            return _new_item(event)
        case ce.ItemDelete():
            return DeleteItem(item_id=event.item_id, client_event_id=event.event_id)
        case ce.ResponseCreate():
            return _response(event)
        case ce.ResponseCancel():
            return CancelResponse(response_id=event.response_id, client_event_id=event.event_id)
        case ce.VersionChoose():
            return ChooseVersion(item_id=event.item_id, client_event_id=event.event_id)
        case ce.FeedbackGive():
            return GiveFeedback(
                item_id=event.item_id,
                rating=event.rating,
                reason=event.reason or "",
                comment=event.comment or "",
                client_event_id=event.event_id,
            )
        case ce.ItemRetrieve() | ce.HistoryGet() | ce.Ping():
            raise AssertionError("is answered by the dialect itself")


def _new_item(event: ce.ItemCreate) -> Command:
    item = event.item
    match item:
        case ce.Message():
            return AddMessage(
                text=item.text,
                role=item.role,
                item_id=item.id,
                client_event_id=event.event_id,
                previous_item_id=event.previous_item_id,
                replaces=event.x_replaces,
            )
        case ce.FunctionCall():
            return AddToolCall(
                call_id=item.call_id,
                name=item.name,
                arguments=item.arguments,
                item_id=item.id,
                client_event_id=event.event_id,
                previous_item_id=event.previous_item_id,
            )
        case ce.NewFunctionCallOutput():
            return AddToolOutput(
                call_id=item.call_id,
                output=item.output,
                item_id=item.id,
                client_event_id=event.event_id,
                previous_item_id=event.previous_item_id,
            )
        case ce.NewApprovalResponse():
            return DecideApproval(
                approval_id=item.approval_request_id,
                approve=item.approve,
                reason=item.reason or "",
                item_id=item.id,
                client_event_id=event.event_id,
            )


def _response(event: ce.ResponseCreate) -> Command:
    settings = event.response or ce.ResponseSettings()
    return RequestResponse(
        options=msgspec.convert(settings.changes(), ResponseOptions),
        client_event_id=event.event_id,
        turn_policy=settings.x_turn_policy or "",
        retry_of=settings.x_retry_of,
        bare=event.response is None,
    )


# Frames that are no part of the log: answers to one socket. Their ``event_id`` is no place to resume from.


def session_created(session: SessionObject, stream: StreamInfo, *, notice: str = "") -> SessionCreated:
    return SessionCreated(event_id=new_id("evt"), session=session, x_stream=stream, x_notice=notice or UNSET)


def session_updated(session: SessionObject, *, notice: str = "") -> SessionUpdated:
    return SessionUpdated(event_id=new_id("evt"), session=session, x_notice=notice or UNSET)


def rate_limits_updated(lefts: list[Left]) -> RateLimitsUpdated:
    limits = [
        RateLimit(
            name=left.measure,
            limit=int(left.limit),
            remaining=int(left.remaining),
            reset_seconds=round(left.reset_s, 3),
        )
        for left in lefts
    ]
    return RateLimitsUpdated(event_id=new_id("evt"), rate_limits=limits)


def passed_over(session_id: str, *, client_event_id: str | None) -> list[ServerEvent]:
    """A response that was asked for with nothing to answer: it has come and gone, and the log knows nothing of it.

    A response and no error: SDKs hold their next ``response.create`` back until this one is done.
    """
    response_id = new_id("resp")
    asked = ev.ResponseQueued(response_id=response_id, position=0, client_event_id=client_event_id)
    created = queued_response(asked, session_id)
    created.response.x_queued = UNSET
    end = ev.ResponseDone(
        response_id=response_id, status=ev.ResponseStatus.CANCELLED, reason=ev.Reason.NOTHING_NEW, waited=True
    )
    done = dropped_response(end, session_id)
    created.event_id, done.event_id = new_id("evt"), new_id("evt")
    return [created, done]


def item_retrieved(item: Item) -> ItemRetrieved:
    return ItemRetrieved(event_id=new_id("evt"), item=item)


def error_event(error: ChatError | SessionsError, *, event_id: str | None = None) -> ErrorEvent:
    """``event_id`` is the client's event that went wrong, where the error does not know it."""
    chat_error = error if isinstance(error, ChatError) else None
    return ErrorEvent(
        event_id=new_id("evt"),
        error=ErrorDetails(
            type=_error_type(error),
            code=error.code,
            message=error.message,
            param=chat_error.param if chat_error else None,
            event_id=(chat_error.event_id if chat_error else None) or event_id,
            x_retryable=error.retryable,
        ),
    )


def _error_type(error: ChatError | SessionsError) -> str:
    if isinstance(error, ChatError | FileError):
        return error.error_type
    return (
        "invalid_request_error" if isinstance(error, InvalidSessionId | SessionNotFound) else "server_error"
    )
