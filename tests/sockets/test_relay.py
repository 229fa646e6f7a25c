"""The relay between two processes, on a channel layer in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer

from chat.engine.commands import SessionInfo
from chat.engine.conversation import Conversation, Subscriber
from chat.engine.relay import Relay
from chat.engine.relay_messages import Detach, Request, decode
from sessions_app.events import Record
from sessions_app.leases import renew_process
from sessions_app.lifecycle import Visitor
from sessions_app.threads import in_db_thread
from tests.support.waiting import eventually


class Silent:
    """A conversation as the relay needs it, in which nothing happens."""

    session_id = "talk"

    def info(self) -> SessionInfo:
        return SessionInfo(session_id="talk", model="demo", config={}, last_seq=0, response_seq=None)

    async def follow(self, after: int) -> AsyncIterator[Sequence[Record]]:
        await asyncio.Event().wait()
        yield []

    def detach(self, subscriber: Subscriber, close_code: int) -> None: ...


class Tab:
    dialect = "realtime"

    def __init__(self, connection_id: str) -> None:
        self.connection_id = connection_id

    def notify(self, error: Exception) -> None: ...


def find(_session_id: str, _visitor: Visitor | None) -> Conversation:
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


class Forgetful(InMemoryChannelLayer):  # type: ignore[misc]  # Channels has no types
    """Loses every word that somebody has left."""

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        decoded = decode(message)
        if not (isinstance(decoded, Request) and isinstance(decoded.what, Detach)):
            await super().send(channel, message)


class Counted(Silent):
    def __init__(self) -> None:
        self.left: list[str] = []

    def detach(self, subscriber: Subscriber, close_code: int) -> None:
        self.left.append(subscriber.connection_id)


@pytest.mark.django_db(transaction=True)
async def test_a_socket_whose_leaving_was_not_heard_does_not_keep_its_session_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat.engine.relay._CHECK_PEERS_SECONDS", 0.05)
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
