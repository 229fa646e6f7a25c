"""One session's log as it grows, and what a client of each wire makes of it: cut off anywhere, as often as one likes, and come back.

A session's process may die in the middle: what it had shown and not stored is lost, and the next one goes on with the log.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeGuard, cast

import msgspec
from hypothesis import strategies as st

from chat.session.commands import SessionInfo
from chat.session.remote import RemoteSession
from chat.wire.agui import calls as agui
from chat.wire.agui.events import AguiProjector
from chat.wire.agui.messages import fold
from chat.wire.agui.stream import tell_run
from chat.wire.events import app as events
from chat.wire.http.exchange import Aborted, Exchange
from chat.wire.http.visit import Visit
from chat.wire.plain import PlainDialect
from chat.wire.realtime.dialect import RealtimeDialect
from chat.wire.realtime.projector import parse_event_id
from chat.wire.responses import answers
from chat.wire.responses.follow import Follower
from chat.wire.responses.lanes import Lane, Resume
from chat.wire.ui import calls as ui
from chat.wire.ui.chunks import UiProjector
from identity.principal import Kind, Principal
from sessions_app.errors import SessionElsewhere, SessionsError
from sessions_app.ids import uuid7
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.lookup import Place
from sessions_app.log.rows import encode_rows
from sessions_app.log.state import SessionState
from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.log.engine_log import logs
from tests.responses.test_agui_events import Verifier

LOST = "?"
"""What a process shows and does not store; no other text holds it."""
_HANGS_S = 20

Words = list[tuple[str, str]]
"""The texts of answers in their order, each under its id; the empty ones left out."""


class LogEnds(SessionsError):
    """No more is written."""


@dataclass(frozen=True, repr=False)
class Story:
    """Its `repr` is one line for each event."""

    records: list[ev.Record]
    """The log as it is in the end."""
    dies_at: int
    """So many of them does the first process write; all of them: it does not die."""
    lost: list[ev.Record]
    """What it showed behind them, and did not store."""
    stored: int
    """So many are in the database when somebody comes first."""
    batch: int
    """How many records a reader is given at once."""
    cuts: list[int | None]
    """After how many frames, or bytes by the 50, a connection breaks; None, and behind the last one: none does."""
    back: list[int]
    """In percent of the log, what is in the database when they come back."""

    @property
    def session_id(self) -> str:
        return self.records[0].session_id

    def kept(self) -> Words:
        return words_of(self.records)

    def __repr__(self) -> str:
        about = (self.dies_at, len(self.lost), self.stored, self.batch, self.cuts, self.back)
        return "\n".join(f"{one.seq} {one.event!r}" for one in self.records) + f"\n{about}"


@st.composite
def stories(draw: st.DrawFn) -> Story:
    session_id = uuid7()
    records = [msgspec.structs.replace(one, session_id=session_id) for one in draw(logs())]
    deaths = [
        place
        for place, one in enumerate(records)
        if isinstance(one.event, ev.SessionReopened) and one.event.cause == ev.ReopenCause.TAKEOVER
    ]
    dies_at = draw(st.sampled_from([*deaths, *deaths, len(records)]))
    return Story(
        records=records,
        dies_at=dies_at,
        lost=_lost(draw, records, dies_at),
        stored=draw(st.integers(1, dies_at)),
        batch=draw(st.integers(1, 4)),
        cuts=draw(st.lists(st.none() | st.integers(0, 60), max_size=3)),
        back=draw(st.lists(st.integers(0, 100), min_size=3, max_size=3)),
    )


def _lost(draw: st.DrawFn, records: Sequence[ev.Record], dies_at: int) -> list[ev.Record]:
    """More of the text that was given, or the beginning of one."""
    if dies_at == len(records):
        return []
    reopened = records[dies_at].event
    assert isinstance(reopened, ev.SessionReopened)
    state = SessionState(records[:dies_at])
    if state.open is None or state.open.unanswered:
        return []
    response_id = state.open.started.response_id
    begun = [delta for deltas in state.open.texts.values() for delta in deltas]
    said = [
        one.event.output_index
        for one in records[:dies_at]
        if getattr(one.event, "response_id", "") == response_id and hasattr(one.event, "output_index")
    ]
    found: list[ev.Record] = []
    for number in range(draw(st.integers(0, reopened.skipped))):
        delta = ev.AssistantDelta(
            response_id=response_id,
            item_id=begun[0].item_id if begun else "item_lost",
            output_index=begun[0].output_index if begun else max(said, default=-1) + 1,
            offset=sum(len(one.text) for one in begun) + number,
            text=LOST,
        )
        last = records[dies_at - 1]
        found.append(ev.Record(last.session_id, last.seq + number + 1, last.at, delta))
    return found


def words_of(records: Sequence[ev.Record]) -> Words:
    """Of the log itself, whatever a wire makes of it."""
    texts: dict[str, str] = {}
    for record in records:
        match record.event:
            case ev.AssistantDelta(item_id=item_id, text=text):
                texts[item_id] = texts.get(item_id, "") + text
            case ev.AssistantMessage(item_id=item_id, text=text, response_id=response_id) if response_id:
                texts[item_id] = text
    return [(item_id, text) for item_id, text in texts.items() if text]


# The server


class Room:
    """Where the log is written, by one process and after its death by another."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.stored = 0
        self.dead = story.dies_at == 0

    async def grow(self, count: int) -> None:
        """The database has at least so many records."""
        if count > self.story.dies_at:
            self.dead = True
        await in_db_thread(self._store, count)

    def _store(self, count: int) -> None:
        new = self.story.records[self.stored : count]
        if not new:
            return
        if not self.stored:
            Session.objects.create(session_id=self.story.session_id)
        SessionEvent.objects.bulk_create(map(SessionEvent.of, encode_rows(new)))
        Session.objects.filter(pk=self.story.session_id).update(last_seq=new[-1].seq)
        self.stored = count

    async def live(self) -> "Live":
        """The session in the process that holds it now."""
        if self.dead:
            await self.grow(self.story.dies_at + 1)
        return Live(self)


class Live(RemoteSession):
    def __init__(self, room: Room) -> None:
        self.session_id = room.story.session_id
        self.subscribers = {}
        self.answering = self.closed = False
        self._room = room
        self._dies = not room.dead

    def info(self) -> SessionInfo:
        records = self._room.story.records[: self._room.stored]
        state = SessionState(records)
        started = state.open.started if state.open else None
        seqs = [one.seq for one in records if one.event is started]
        return SessionInfo(
            session_id=self.session_id,
            model="demo",
            config={},
            last_seq=records[-1].seq,
            response_seq=seqs[0] if seqs else None,
        )

    def detach(self, subscriber: Any, close_code: int) -> None: ...

    async def follow(self, after: int) -> AsyncIterator[Sequence[ev.Record]]:
        story, room = self._room.story, self._room
        written = story.records[: story.dies_at] if self._dies else story.records
        rest = [one for one in written if one.seq > after]
        for start in range(0, len(rest), story.batch):
            batch = rest[start : start + story.batch]
            await room.grow(story.records.index(batch[-1]) + 1)
            yield batch
        if not self._dies or story.dies_at == len(story.records):
            raise LogEnds
        room.dead = self.closed = True
        if lost := [one for one in story.lost if one.seq > after]:
            yield lost
        raise SessionElsewhere


class Guest(Visit):
    """Whoever reads, on each connection anew."""

    is_nobody = False
    may_write = True
    stop: Any = None

    def __init__(self, room: Room) -> None:
        server: Any = SimpleNamespace(hub=SimpleNamespace(closing=False))
        super().__init__(server, Principal(kind=Kind.NOBODY), (), "test")
        self.visitor = Visitor(secret_of=room.story.session_id)
        self._room = room

    async def enter(self, session_id: str, *, reopen: bool = True) -> Live:
        self.session = session = await self._room.live()
        return session

    async def find_named(self, name: str, *, open_house: bool) -> str:
        return self._room.story.session_id

    def leave(self) -> None:
        self.session = None


# Its clients


class Reader:
    def __init__(self, room: Room) -> None:
        self.room = room
        self.over = False
        """There is nothing to come back for."""

    async def come(self, cut: int | None) -> None:
        """One connection, which breaks after so much."""
        raise NotImplementedError

    def words(self) -> Words:
        raise NotImplementedError


class SocketLine:
    """A socket, as a dialect and as a lane see it."""

    connection_id = "conn_1"
    may_write = True
    assistant = resume_token = ""
    expires_at = None
    lost_for_s = None

    def __init__(self, guest: Guest, cut: int | None, **query: str) -> None:
        self.query = query
        self.frames: list[Any] = []
        self.gone = asyncio.Event()
        self.told: Exception | None = None
        self.ended = asyncio.Event()
        self._guest, self._cut = guest, cut

    async def send_frame(self, frame: str) -> None:
        if self._cut is not None and len(self.frames) >= self._cut:
            self.gone.set()
            raise ConnectionAbortedError
        self.frames.append(frame)

    send = send_frame

    def visit(self) -> Guest:
        return self._guest

    def made(self, response_id: str) -> None: ...

    def over(self, lane: Lane) -> None:
        self.ended.set()

    async def tell(self, error: Exception, stream_id: str | None, *, midway: bool) -> None:
        self.told = error


class RealtimeReader(Reader):
    history = ""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._frames: list[Any] = []

    async def come(self, cut: int | None) -> None:
        live = await self.room.live()
        places = [frame["event_id"] for frame in self._frames]
        place = next(reversed(places), f"event_{live.session_id}_0")
        query = {"history": self.history} if self.history else {}
        line = SocketLine(Guest(self.room), cut, last_event_id=place, **query)
        dialect: Any = RealtimeDialect(cast("Any", line))
        try:
            await dialect.send_log(await dialect.opened(live))
        except LogEnds:
            self.over = True
        except (SessionElsewhere, ConnectionAbortedError):
            pass
        for frame in map(json.loads, line.frames):
            if frame["type"] == "session.created":
                self._take_back(places, frame["x_stream"].get("truncated_to"))
            elif frame["event_id"].startswith("event_"):
                self._frames.append(frame)

    def _take_back(self, places: list[str], kept_to: str | None) -> None:
        if kept_to:
            seqs = [parse_event_id(self.room.story.session_id, one).seq for one in places]
            last = parse_event_id(self.room.story.session_id, kept_to).seq
            self._frames = [frame for seq, frame in zip(seqs, self._frames, strict=True) if seq <= last]

    def words(self) -> Words:
        return joined(
            (frame["item_id"], frame["delta"])
            for frame in self._frames
            if frame["type"] == "response.output_text.delta"
        )


class JoinedReader(RealtimeReader):
    history = "joined"


class PlainReader(Reader):
    """It does not come back to a place: who comes is told what is said from now on."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._texts: list[str] = []

    async def come(self, cut: int | None) -> None:
        line = SocketLine(Guest(self.room), None)
        dialect: Any = PlainDialect(cast("Any", line))
        live = await self.room.live()
        await dialect.opened(live)
        try:
            await dialect.send_log(0)
        except LogEnds:
            self.over = True
        except SessionElsewhere:
            pass
        self._texts = [frame for frame in line.frames[1:] if not frame.startswith("[")]

    def words(self) -> Words:
        return [("", "".join(self._texts))]


class Body:
    """The answer to one HTTP request, as far as it came."""

    def __init__(self, cut: int | None) -> None:
        self._bytes = b""
        self._left = None if cut is None else cut * _BYTES
        self.broken = False

    def exchange(self, path: str = "/", headers: dict[str, str] | None = None) -> Exchange:
        given = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"method": "GET", "path": path, "headers": given, "query_string": b""}
        return Exchange(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        raise AssertionError("nothing is received")

    async def _send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", getattr(self, "status", 0))
        body = message.get("body", b"")
        fits = body if self._left is None else body[: self._left]
        self._bytes += fits
        if self._left is not None:
            self._left -= len(fits)
            if len(fits) < len(body):
                self.broken = True
                raise OSError

    def events(self) -> Iterator[dict[str, str]]:
        """Those that came whole."""
        for block in self._bytes.decode(errors="replace").split("\n\n")[:-1]:
            if not block.startswith(":"):
                yield dict(line.split(": ", 1) for line in block.split("\n"))

    def data(self) -> list[Any]:
        return [json.loads(event["data"]) for event in self.events() if event["data"] != "[DONE]"]

    def json(self) -> Any:
        return json.loads(self._bytes)


_BYTES = 50


class EventsReader(Reader):
    """The browser's own `EventSource`."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._events: list[Any] = []
        self._last = ""

    async def come(self, cut: int | None) -> None:
        body, guest = Body(cut), Guest(self.room)
        one = body.exchange(headers={"last-event-id": self._last} if self._last else None)
        with suppress(Aborted):
            await events.stream(one, guest, self.room.story.session_id)
        self.over = body.status == 204 or not body.broken
        for event in body.events():
            self._last = event["id"]
            told = json.loads(event["data"])
            first = told.get("first_seq", told["seq"])
            self._events = [*(one for one in self._events if one["seq"] < first), told]

    def words(self) -> Words:
        told = [one for one in self._events if one["type"] == "assistant_delta"]
        return joined((one["item_id"], one["text"]) for one in told)


class ResponseReader(Reader):
    """Of one response."""

    def __init__(self, room: Room, place: Place) -> None:
        super().__init__(room)
        self.place = place
        self.frames: list[Any] = []

    @property
    def ended(self) -> list[str]:
        """The texts whose ends it was told, by their ids."""
        ends = {"response.output_text.done": "item_id", "TEXT_MESSAGE_END": "messageId", "text-end": "id"}
        return [frame[ends[frame["type"]]] for frame in self.frames if frame["type"] in ends]

    def expected(self) -> Words:
        ids = chain(self.room.story.records, self.place.response_id)
        return words_of(
            [one for one in self.room.story.records if getattr(one.event, "response_id", "") in ids]
        )


class ResponsesReader(ResponseReader):
    """``starting_after``."""

    async def come(self, cut: int | None) -> None:
        body = Body(cut)
        after = self.frames[-1]["sequence_number"] if self.frames else -1
        try:
            reading = answers.Wanted.READING
            await answers.stream(
                body.exchange(), Guest(self.room), self.place, reading, after=after, stored=False
            )
            self.over = not body.broken
        except Aborted:
            self.over = True
        self.frames += body.data()

    def words(self) -> Words:
        """What ends a text is what counts of it."""
        texts: dict[str, str] = {}
        for frame in self.frames:
            if frame["type"] == "response.output_text.delta":
                texts[frame["item_id"]] = texts.get(frame["item_id"], "") + frame["delta"]
            if frame["type"] == "response.output_text.done":
                assert texts.get(frame["item_id"], "").replace(LOST, "") == frame["text"].replace(LOST, "")
                texts[frame["item_id"]] = frame["text"]
        return [(item_id, text) for item_id, text in texts.items() if text]


class LaneReader(ResponsesReader):
    """The WebSocket of the Responses API, gone on with by ``resume``."""

    async def come(self, cut: int | None) -> None:
        line = SocketLine(Guest(self.room), cut)
        after = self.frames[-1]["sequence_number"] if self.frames else -1
        Lane(cast("Any", line), "s").put(Resume(place=self.place, after=after))
        await line.ended.wait()
        self.over = not line.gone.is_set()
        self.frames += map(json.loads, line.frames)


class AguiReader(ResponseReader):
    """A run, and from then on ``connect``."""

    newer = True

    def __init__(self, room: Room, place: Place) -> None:
        super().__init__(room, place)
        self.messages: list[dict[str, Any]] = []
        self.came_back = False

    async def come(self, cut: int | None) -> None:
        body, guest = Body(cut), Guest(self.room)
        if self.frames or self.came_back:
            self.came_back = True
            asked = {"threadId": "t", "runId": "r2", "messages": [], "protocolVersion": self._version}
            await agui.connect(body.exchange(), guest, "default", json.dumps(asked).encode())
        else:
            run = AguiProjector("t", "r", newer=self.newer)
            await tell_run(body.exchange(), guest, Follower(guest, self.place), run)
        told = body.data()
        self.over = not body.broken and self.came_back
        self._check_order(told)
        self.frames += told
        for event in told:
            self._fold(event)

    @property
    def _version(self) -> str:
        return "1.0" if self.newer else "0.0.59"

    def _check_order(self, told: Sequence[Any]) -> None:
        verifier = Verifier()
        for event in told:
            if event["type"] == "RUN_STARTED":
                verifier = Verifier()
            verifier.take(event)

    def _fold(self, event: dict[str, Any]) -> None:
        """As a client does: a message that is begun again goes on."""
        if event["type"] == "MESSAGES_SNAPSHOT":
            self.messages = event["messages"]
            return
        begun = event["type"] == "TEXT_MESSAGE_START"
        if not (begun and any(one["id"] == event["messageId"] for one in self.messages)):
            fold(self.messages, event)

    def words(self) -> Words:
        """Of answers: a client may have put a message of the assistant's there."""
        told = {one.event.item_id for one in self.room.story.records if is_told(one.event)}
        said = [one for one in self.messages if one["role"] == "assistant" and one.get("content")]
        return [(one["id"], one["content"]) for one in said if one["id"] not in told]


class OlderAguiReader(AguiReader):
    newer = False


class UiReader(ResponseReader):
    """The chat of `useChat`, which begins again with the history."""

    def __init__(self, room: Room, place: Place) -> None:
        super().__init__(room, place)
        self.messages: dict[str, list[list[str]]] = {}
        self.came_back = False

    async def come(self, cut: int | None) -> None:
        guest, body = Guest(self.room), Body(cut)
        try:
            if self.came_back:
                given = Body(None)
                await ui.history(given.exchange(), guest, "chat")
                said = [one for one in given.json()["messages"] if one["role"] == "assistant"]
                self.messages = {one["id"]: texts_of(one) for one in said}
                await ui.resume(body.exchange(), guest, "chat")
            else:
                chunks = UiProjector(self.place.response_id)
                await ui._stream(body.exchange(), guest, [self.place], chunks)
        except Aborted:
            pass
        if not (self.came_back and body.status == 204):
            self._take(body.data())
        self.over = self.came_back and not body.broken
        self.came_back = True

    def _take(self, chunks: Sequence[Any]) -> None:
        self.frames += chunks
        parts: list[list[str]] = []
        for chunk in chunks:
            match chunk["type"]:
                case "start":
                    parts = self.messages[chunk["messageId"]] = []
                case "text-start":
                    parts.append([chunk["id"], ""])
                case "text-delta":
                    next(part for part in parts if part[0] == chunk["id"])[1] += chunk["delta"]

    def words(self) -> Words:
        """Of all messages that it has, without their ids: the history has none."""
        return [("", text) for parts in self.messages.values() for _, text in parts if text]


def is_told(event: ev.Event) -> TypeGuard[ev.AssistantMessage]:
    return isinstance(event, ev.AssistantMessage) and not event.response_id


def texts_of(message: dict[str, Any]) -> list[list[str]]:
    return [["", part["text"]] for part in message["parts"] if part["type"] == "text"]


def joined(pieces: Iterable[tuple[str, str]]) -> Words:
    texts: dict[str, str] = {}
    for item_id, text in pieces:
        texts[item_id] = texts.get(item_id, "") + text
    return [(item_id, text) for item_id, text in texts.items() if text]


def chain(records: Sequence[ev.Record], response_id: str) -> set[str]:
    """The response, and those that were tried in its place because a process had died."""
    ids, broken_off = {response_id}, set[str]()
    for record in records:
        event = record.event
        if isinstance(event, ev.ResponseDone) and event.reason == ev.Reason.INTERRUPTED:
            broken_off.add(event.response_id)
        if isinstance(event, ev.ResponseStarted) and event.attempt > 1 and event.retry_of in ids & broken_off:
            ids.add(event.response_id)
    return ids


async def read(reader: Reader) -> None:
    """It comes as often as it is cut off, and when all is there once more."""
    room, story = reader.room, reader.room.story
    for cut, back in zip(story.cuts, story.back, strict=False):
        await one_visit(reader, cut)
        await room.grow(max(room.stored, back * len(story.records) // 100))
    await room.grow(len(story.records))
    reader.over = False
    while not reader.over:
        await one_visit(reader, None)


async def one_visit(reader: Reader, cut: int | None) -> None:
    async with asyncio.timeout(_HANGS_S):
        await reader.come(cut)
