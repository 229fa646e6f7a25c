"""A rolling restart under load: nobody who is talking loses a word, or hears one twice."""

import asyncio
import random
from collections import Counter

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.chaos.client import Client
from tests.chaos.router import Router
from tests.chaos.turn import Turn
from tests.support.server import ServerProcess

from .conftest import StartServer

CLIENTS = 200
WORDS = 40
ENV = {"DEMO_DELAY_MS": "150", "SESSION_GRACE_SECONDS": "60", "MAX_SOCKETS_PER_ADDRESS": "1000"}
"""About 6 s an answer: longer than a stopping process waits for it, so that some are cut off in the middle."""


def _client(router: Router, number: int) -> Client:
    """It never asks again: the server has to take up by itself what it broke off."""
    return Client(router.ws_url, rng=random.Random(number), ping_s=None, open_s=60, patience_s=180)


async def restart(server: ServerProcess, router: Router) -> None:
    router.backends.discard(server.port)
    await asyncio.to_thread(server.stop, timeout_s=30.0)
    await asyncio.to_thread(server.start)
    router.backends.add(server.port)


async def test_200_streaming_clients_get_every_answer_whole_and_once(
    start_server: StartServer, redis_url: str
) -> None:
    one, two = start_server(REDIS_URL=redis_url, **ENV), start_server(REDIS_URL=redis_url, **ENV)
    async with Router(rng=random.Random(1)) as router:
        router.backends |= {one.port, two.port}
        clients = [_client(router, number) for number in range(CLIENTS)]
        await asyncio.gather(*(client.come() for client in clients))
        turns = [Turn(f"count to {WORDS + number % 10}") for number in range(CLIENTS)]
        streaming = [_streaming(client) for client in clients]
        asking = asyncio.gather(*map(Client.ask, clients, turns))
        await asyncio.gather(*(heard.wait() for heard in streaming))
        await restart(one, router)
        await restart(two, router)
        async with asyncio.timeout(180):
            await asking
        await asyncio.gather(*(client.leave() for client in clients))
    assert [what for client in clients for what in (*client.wrong, *client.view.wrong)] == []
    assert not any(client.asked_again for client in clients)
    assert sum(client.closes[1012] for client in clients) >= CLIENTS
    assert [turn.status for turn in turns] == ["completed"] * CLIENTS
    for number, (client, turn) in enumerate(zip(clients, turns, strict=True)):
        whole = ", ".join(str(one) for one in range(1, WORDS + number % 10 + 1)) + "."
        assert turn.answer() == whole
        assert whole in client.view.texts().values()  # the deltas, joined over all connections
    assert await _times_completed() == {client.session_id: 1 for client in clients}


def _streaming(client: Client) -> asyncio.Event:
    """Set when some of its answer has come."""
    heard = asyncio.Event()
    client.on_frame = lambda frame: heard.set() if frame["type"] == "response.output_text.delta" else None
    return heard


async def _times_completed() -> Counter[str]:
    def read() -> Counter[str]:
        done = SessionEvent.objects.filter(event_type="response_done", payload__status="completed")
        return Counter(done.values_list("session_id", flat=True))

    return await in_db_thread(read)
