"""The relay between two processes, on a channel layer in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from channels.layers import InMemoryChannelLayer

from chat.engine.commands import SessionInfo
from chat.engine.conversation import Conversation, Subscriber
from chat.engine.relay import Relay
from sessions_app.events import Record
from sessions_app.lifecycle import Visitor


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
