"""The relay between two processes, on a channel layer in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self

import pytest
from channels.layers import InMemoryChannelLayer
from django.db.models.functions import Now
from pytest_django.fixtures import Settings

from chat.session.commands import SessionInfo
from chat.session.context import Subscriber
from chat.session.relay import Relay
from chat.session.relay_messages import Closed, Detach, Message, Records, Request, decode, encode
from chat.session.remote import RemoteSession
from chat.session.session import Session
from sessions_app.errors import DatabaseAway, SessionElsewhere
from sessions_app.log import events as ev
from sessions_app.log.events import Record
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.live import LiveLog
from sessions_app.models import ServerProcess
from sessions_app.postgres.threads import in_db_thread
from tests.log.conftest import OpenLog, journal, make_journal, open_log
from tests.support.waiting import eventually

__all__ = ["journal", "make_journal", "open_log"]


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """These relays stand in no database: nobody is to take them for dead, unless a test is about that."""
    monkeypatch.setattr("chat.session.relay._CHECK_PEERS_SECONDS", 3600.0)


class Silent:
    """A conversation as the relay needs it, in which nothing happens."""

    session_id = "talk"

    def info(self) -> SessionInfo:
        return SessionInfo(session_id="talk", model="demo", config={}, last_seq=0, response_seq=None)

    def admit(self, *, is_staff: bool) -> None: ...

    async def follow(self, after: int) -> AsyncIterator[Sequence[Record]]:
        await asyncio.Event().wait()
        yield []

    def detach(self, subscriber: Subscriber, close_code: int) -> None: ...


class Tab:
    dialect = "realtime"

    def __init__(self, connection_id: str) -> None:
        self.connection_id = connection_id

    def notify(self, error: Exception) -> None: ...


def find(_session_id: str, _visitor: Visitor | None) -> Session:
    return Silent()  # type: ignore[return-value]


async def test_a_new_tab_does_not_join_a_talk_whose_end_a_slow_one_has_not_read_yet() -> None:
    layer = InMemoryChannelLayer()
    owner, follower = (Relay(layer, find=find, attach=lambda *_: None) for _ in range(2))
    channel = await owner.open()
    await follower.open()
    slow = await follower.join(Tab("slow"), "talk", Visitor(), channel)
    slow.close()
    new = await follower.join(Tab("new"), "talk", Visitor(), channel)
    assert new is not slow
    assert new is await follower.join(Tab("next"), "talk", Visitor(), channel)
    for relay in (owner, follower):
        await relay.close()


class Ending(Silent):
    """It ends as somebody joins it."""

    async def follow(self, after: int) -> AsyncIterator[Sequence[Record]]:
        for records in list[Sequence[Record]]():
            yield records


@pytest.mark.django_db(transaction=True)
async def test_who_joins_a_talk_as_it_ends_hears_of_its_end() -> None:
    """The end comes in the same message as the word that they are let in."""
    layer = InMemoryChannelLayer()
    owner, follower = (
        Relay(layer, find=lambda *_: Ending(), attach=lambda *_: None)  # type: ignore[arg-type]
        for _ in range(2)
    )
    channel = await owner.open()
    await follower.open()
    remote = await follower.join(Tab("late"), "talk", Visitor(), channel)
    async with asyncio.timeout(10):
        assert [records async for records in remote.follow(0)] == []
    for relay in (owner, follower):
        await relay.close()


async def test_who_comes_as_the_talk_has_gone_is_told_what_they_are_told_at_home() -> None:
    """A reader goes on by that, where the talk is to be had next."""

    def gone(_session_id: str, _visitor: Visitor | None) -> Session:
        raise SessionElsewhere

    layer = InMemoryChannelLayer()
    owner, follower = (Relay(layer, find=gone, attach=lambda *_: None) for _ in range(2))
    channel = await owner.open()
    await follower.open()
    with pytest.raises(SessionElsewhere):
        await follower.join(Tab("late"), "talk", Visitor(), channel)
    with pytest.raises(SessionElsewhere):
        await follower.overlook(Tab("staff"), "talk", channel)
    for relay in (owner, follower):
        await relay.close()


class Forgetful(InMemoryChannelLayer):  # type: ignore[misc]  # Channels has no types
    """Loses every word that somebody has left."""

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        if kept := [one for one in decode(message) if not _is_farewell(one)]:
            await super().send(channel, encode(kept))


def _is_farewell(message: Message) -> bool:
    return isinstance(message, Request) and isinstance(message.what, Detach)


class Counted(Silent):
    def __init__(self) -> None:
        self.left: list[str] = []

    def detach(self, subscriber: Subscriber, close_code: int) -> None:
        self.left.append(subscriber.connection_id)


@pytest.mark.django_db(transaction=True)
async def test_a_socket_whose_leaving_was_not_heard_does_not_keep_its_session_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.session.relay._CHECK_PEERS_SECONDS", 0.05)
    talk, layer = Counted(), Forgetful()
    owner, follower = (
        Relay(layer, find=lambda *_: talk, attach=lambda *_: None)  # type: ignore[arg-type]
        for _ in range(2)
    )
    channel = await owner.open()
    for name, heard_on in (("proc_owner", channel), ("proc_follower", await follower.open())):
        await in_db_thread(renew_process, process_id=name, channel=heard_on)
    gone, stays = Tab("gone"), Tab("stays")
    for tab in (gone, stays):
        remote = await follower.join(tab, "talk", Visitor(), channel)
    follower.detach(remote, gone, 1001)

    async def let_go() -> None:
        assert talk.left == ["gone"]

    await eventually(let_go)
    await asyncio.sleep(0.5)  # several roll calls more
    assert talk.left == ["gone"]
    for relay in (owner, follower):
        await relay.close()


@pytest.mark.django_db(transaction=True)
async def test_a_peer_whose_lease_ran_out_with_the_databases_outage_has_time_to_renew_it(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """All leases have run out then. Who lives and is let go of hears nothing any more, and does not know why."""
    settings.CHAT_SWEEP_PAUSE_SECONDS = 0.5
    monkeypatch.setattr("chat.session.relay._CHECK_PEERS_SECONDS", 0.05)
    talk, layer = Counted(), InMemoryChannelLayer()
    owner, follower = (
        Relay(layer, find=lambda *_: talk, attach=lambda *_: None)  # type: ignore[arg-type]
        for _ in range(2)
    )
    channels = {"proc_owner": await owner.open(), "proc_follower": await follower.open()}

    async def renew(*names: str) -> None:
        for name in names:
            await in_db_thread(renew_process, process_id=name, channel=channels[name])

    async def looked() -> None:
        before = len(looks)

        async def again() -> None:
            assert len(looks) > before + 1

        await eventually(again)

    away, looks = [True], list[bool]()

    async def look(function: Any) -> Any:
        looks.append(away[0])
        if away[0]:
            raise DatabaseAway
        return await in_db_thread(function)

    monkeypatch.setattr("chat.session.relay.in_db_thread", look)
    remote = await follower.join(Tab("stays"), "talk", Visitor(), channels["proc_owner"])
    await looked()
    await renew("proc_owner")  # the first to notice that it is back
    away[0] = False
    await looked()
    await renew("proc_follower")
    await asyncio.sleep(0.8)
    assert talk.left == []
    assert not remote.closed
    await in_db_thread(ServerProcess.objects.filter(pk="proc_follower").update, expires_at=Now())

    async def let_go() -> None:
        assert talk.left == ["stays"]

    await eventually(let_go)
    for relay in (owner, follower):
        await relay.close()


class Opened(Silent):
    """One opening of a conversation, which goes on until it is ``over``."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.subscribers: dict[str, Subscriber] = {}

    async def follow(self, after: int) -> AsyncIterator[Sequence[Record]]:
        await self.over.wait()
        for records in list[Sequence[Record]]():
            yield records

    def detach(self, subscriber: Subscriber, close_code: int) -> None:
        self.subscribers.pop(subscriber.connection_id, None)


async def test_a_guest_of_the_next_opening_is_let_go_of_with_those_of_the_last_one() -> None:
    """Else it would keep the session from its end for ever: no roll call names it any more."""
    openings, layer = [Opened()], InMemoryChannelLayer()

    def attach(session: Any, subscriber: Subscriber) -> None:
        session.subscribers[subscriber.connection_id] = subscriber

    owner, follower = (
        Relay(layer, find=lambda *_: openings[-1], attach=attach)  # type: ignore[arg-type]
        for _ in range(2)
    )
    channel = await owner.open()
    await follower.open()
    await follower.join(Tab("before"), "talk", Visitor(), channel)
    openings.append(Opened())
    tab = Tab("after")
    remote = await follower.join(tab, "talk", Visitor(), channel)
    openings[0].over.set()

    async def ended() -> None:
        assert remote.closed

    await eventually(ended)
    follower.detach(remote, tab, 1000)

    async def let_go() -> None:
        assert not openings[1].subscribers

    await eventually(let_go)
    for relay in (owner, follower):
        await relay.close()


class Talking(Silent):
    """A conversation with a real log."""

    def __init__(self, log: LiveLog) -> None:
        self.session_id, self.log = log.session_id, log
        self.follow = log.follow  # type: ignore[method-assign]

    def info(self) -> SessionInfo:
        return SessionInfo(
            session_id=self.session_id,
            model="demo",
            config={},
            last_seq=self.log.visible_seq,
            response_seq=self.log.open_response_seq,
        )

    def attach(self, _conversation: Session, _subscriber: Subscriber) -> None: ...


class Faulty(InMemoryChannelLayer):  # type: ignore[misc]  # Channels has no types
    """A layer that is taken away from a moment on, or that loses what ``loses`` says."""

    def __init__(self) -> None:
        super().__init__()
        self.away = asyncio.Event()
        self.loses: Callable[[Records], bool] = lambda _: False

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        if self.away.is_set():
            return
        lost = [one for one in decode(message) if isinstance(one, Records) and self.loses(one)]
        if kept := [one for one in decode(message) if one not in lost]:
            await super().send(channel, encode(kept))

    async def receive(self, channel: str) -> dict[str, Any]:
        heard = asyncio.ensure_future(super().receive(channel))
        away = asyncio.ensure_future(self.away.wait())
        await asyncio.wait([heard, away], return_when=asyncio.FIRST_COMPLETED)
        if heard.done():
            away.cancel()
            return heard.result()  # type: ignore[no-any-return]
        heard.cancel()
        raise ConnectionError("Connection closed by server.")


class Pair:
    """Two relays on one layer: one holds the talk, and through the other it is followed."""

    def __init__(self, layer: InMemoryChannelLayer, talk: Talking) -> None:
        self.talk = talk
        self.holder = Relay(layer, find=lambda *_: talk, attach=talk.attach)  # type: ignore[arg-type]
        self.follower = Relay(layer, find=find, attach=lambda *_: None)

    async def __aenter__(self) -> Self:
        self.channel = await self.holder.open()
        await self.follower.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for relay in (self.holder, self.follower):
            await relay.close()

    async def join(self, name: str = "tab") -> RemoteSession:
        return await self.follower.join(Tab(name), self.talk.session_id, Visitor(), self.channel)


async def caught_up(remote: RemoteSession, *, seq: int, readers: int = 1) -> None:
    """All of them have read so far, and have begun to wait."""

    async def waiting() -> None:
        assert remote._read_seq == seq
        assert [future.done() for future in remote._waiting] == [False] * readers

    await eventually(waiting)


async def read(remote: RemoteSession, upto: int) -> list[int]:
    seqs: list[int] = []
    async for records in remote.follow(0):
        seqs += [record.seq for record in records]
        if seqs[-1] >= upto:
            break
    return seqs


def said(number: int) -> ev.Event:
    return ev.UserMessage(item_id=f"item_{number}", text="Hello")


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what a hint, or a word that they are gone, does not bring about never comes."""
    for name in ("_POLL_SECONDS", "_POLL_ANSWERING_SECONDS"):
        monkeypatch.setattr(f"chat.session.remote.{name}", 3600.0)


async def test_a_reader_that_waits_is_told_when_hints_are_gone(open_log: OpenLog, no_polls: None) -> None:
    layer, log = Faulty(), await open_log()
    async with Pair(layer, Talking(log)) as pair, asyncio.timeout(30):
        remote = await pair.join()
        reading = asyncio.create_task(read(remote, upto=2))
        log.append(said(1))
        await caught_up(remote, seq=1)
        layer.away.set()
        log.append(said(2))
        assert await reading == [1, 2]


async def test_a_hint_wakes_all_readers(open_log: OpenLog, no_polls: None) -> None:
    log = await open_log()
    async with Pair(Faulty(), Talking(log)) as pair, asyncio.timeout(30):
        remote = await pair.join()
        reading = [asyncio.create_task(read(remote, upto=20)) for _ in range(3)]
        for number in range(1, 21):
            await caught_up(remote, seq=number - 1, readers=3)
            log.append(said(number))
        assert [await one for one in reading] == [list(range(1, 21))] * 3


async def test_a_lost_hint_is_missed_by_nobody(open_log: OpenLog, no_polls: None) -> None:
    """The one behind it tells of the gap."""
    layer, log = Faulty(), await open_log()
    layer.loses = lambda hint: any(row.seq in (2, 3) for row in hint.rows)
    async with Pair(layer, Talking(log)) as pair, asyncio.timeout(30):
        remote = await pair.join()
        reading = [asyncio.create_task(read(remote, upto=5)) for _ in range(2)]
        for number in range(1, 6):
            log.append(said(number))
            await log.durable()
        assert [await one for one in reading] == [[1, 2, 3, 4, 5]] * 2


async def test_a_lost_hint_with_none_behind_it_is_found_in_the_log(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soon where an answer is under way: its end may be what got lost."""
    monkeypatch.setattr("chat.session.remote._POLL_SECONDS", 3600.0)
    monkeypatch.setattr("chat.session.remote._POLL_ANSWERING_SECONDS", 0.05)
    layer, log = Faulty(), await open_log()
    layer.loses = lambda hint: any(row.seq == 2 for row in hint.rows)
    async with Pair(layer, Talking(log)) as pair, asyncio.timeout(30):
        remote = await pair.join()
        reading = asyncio.create_task(read(remote, upto=2))
        log.append(ev.ResponseStarted(response_id="resp", provider="demo", model="demo"))
        await caught_up(remote, seq=1)
        assert remote.answering
        log.append(ev.ResponseDone(response_id="resp", status=ev.ResponseStatus.COMPLETED))
        assert await reading == [1, 2]
        assert not remote.answering


async def test_what_the_last_holder_still_says_is_not_heard_of_the_next_one(open_log: OpenLog) -> None:
    layer = Faulty()
    last, following = Talking(await open_log()), Talking(await open_log("moved"))
    last.session_id = "moved"
    async with Pair(layer, last) as before, Pair(layer, following) as after, asyncio.timeout(30):
        old = await before.join("first")
        after.follower = before.follower
        new = await after.join("second")
        with pytest.raises(SessionElsewhere):
            await read(old, upto=1)
        end = Records(session_id="moved", holder=before.channel, rows=[], closed=Closed.ENDED)
        await layer.send(before.follower.channel, encode([end]))
        following.log.append(said(1))
        assert await read(new, upto=1) == [1]
        assert not new.closed


class Counting(Faulty):
    """Counts the messages that carry records, and holds back the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self.messages = 0
        self.held_back = asyncio.Event()

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        if any(isinstance(one, Records) for one in decode(message)):
            self.messages += 1
            await self.held_back.wait()
        await super().send(channel, message)


async def test_what_all_sessions_say_while_a_message_is_on_its_way_is_the_next_one(
    open_log: OpenLog, no_polls: None
) -> None:
    layer, logs = Counting(), [await open_log() for _ in range(10)]
    talks = {log.session_id: Talking(log) for log in logs}
    holder = Relay(layer, find=lambda one, _: talks[one], attach=lambda *_: None)  # type: ignore[arg-type,return-value]
    follower = Relay(layer, find=find, attach=lambda *_: None)
    async with asyncio.timeout(30):
        channel = await holder.open()
        await follower.open()
        remotes = [await follower.join(Tab(one), one, Visitor(), channel) for one in talks]
        reading = [asyncio.create_task(read(remote, upto=3)) for remote in remotes]
        for remote in remotes:
            await caught_up(remote, seq=0)
        for number in range(1, 4):
            for log in logs:
                log.append(delta(number))
            await asyncio.sleep(0.02)
        layer.held_back.set()
        assert [await one for one in reading] == [[1, 2, 3]] * 10
        assert layer.messages == 2
        for relay in (holder, follower):
            await relay.close()


def delta(number: int) -> ev.AssistantDelta:
    return ev.AssistantDelta(response_id="r", item_id="i", output_index=0, offset=number - 1, text="a")
