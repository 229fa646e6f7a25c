"""A connection of `client.responses.connect()` that is cut: the SDK's callback asks for the rest, from the same process or, where
that was killed, from another."""

import asyncio
import json
import signal
import socket
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from openai.types.websocket_reconnection import ReconnectingEvent, ReconnectingOverrides
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.responses.conftest import Client
from tests.responses.sdk import text_of
from tests.responses.socket_sdk import ENDS, checked_frame, until_over
from tests.responses.test_killed import ENV
from tests.sockets.conftest import StartServer
from tests.support.log import committed
from tests.support.server import ServerProcess
from tests.support.waiting import eventually


class Lanes:
    """What a client keeps of the responses that its connection gives, by which it resumes them."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.frames: dict[str, list[Any]] = {}
        """By lane."""
        self._running: dict[str, str] = {}

    def take(self, event: Any) -> None:
        checked_frame(event)
        lane = getattr(event, "stream_id", None) or ""
        self.frames.setdefault(lane, []).append(event)
        if event.type == "response.created":
            self._running[lane] = event.response.id
        self.last[self._running[lane]] = event.sequence_number
        if event.type in ENDS and not self._goes_on(event):
            del self._running[lane]

    @staticmethod
    def _goes_on(event: Any) -> bool:
        details = getattr(event.response, "incomplete_details", None)
        return bool(details and details.reason == "steered")

    def query(self) -> dict[str, str]:
        ids = list(self._running.values())
        return {"resume": ",".join(ids), "starting_after": ",".join(str(self.last[one]) for one in ids)}


def resumes(lanes: Lanes, codes: list[int]) -> Callable[[ReconnectingEvent], ReconnectingOverrides]:
    def on_reconnecting(event: ReconnectingEvent) -> ReconnectingOverrides:
        codes.append(event.close_code)
        return {"extra_query": lanes.query()}

    return on_reconnecting


async def whole_of(client: Any, response_id: str) -> list[Any]:
    return [one.to_dict() async for one in await client.responses.retrieve(response_id, stream=True)]


def without_lane(events: list[Any]) -> list[Any]:
    return [{name: one for name, one in event.to_dict().items() if name != "stream_id"} for event in events]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_two_lanes_come_to_their_end_though_their_server_dies(
    start_server: StartServer, client_of: Client, end: signal.Signals
) -> None:
    """The callback's query leads to the rest of both, each in its lane; the address is the one of a proxy before two servers."""
    one = start_server(**ENV)
    lanes = Lanes()
    codes: list[int] = []
    client = client_of(one)
    two = start_server(**ENV)

    def moves(event: ReconnectingEvent) -> ReconnectingOverrides:
        client.base_url = f"{two.url}/v1"
        return resumes(lanes, codes)(event)

    async with client.responses.connect(on_reconnecting=moves) as connection:
        for stream_id in ("a", "b"):
            await connection.response.create(model="demo", input="count to 120", stream_id=stream_id)
        ends = 0
        ended = False
        async for event in connection:
            lanes.take(event)
            if not ended and all(len(lanes.frames.get(lane, ())) >= 15 for lane in ("a", "b")):
                await committed("response_started", sessions=2)
                one.signal(end)
                ended = True
            ends += event.type in ENDS
            if ends == 2:
                break
    assert set(codes) <= {1006, 1012}
    for frames in lanes.frames.values():
        assert frames[-1].type == "response.completed"
        numbers = [event.sequence_number for event in frames]
        assert numbers == sorted(set(numbers))
        done = frames[-1].response
        assert done.output[-1].content[0].text.endswith("119, 120.")
        assert text_of(
            [one for one in frames if getattr(one, "output_index", 0) == len(done.output) - 1]
        ) == (done.output[-1].content[0].text)


async def test_any_cut_and_resume_gives_exactly_the_rest(server: ServerProcess, client_of: Client) -> None:
    """Through what was said into it, too: what follows by itself belongs to the rest."""
    client = client_of(server)
    async with client.responses.connect() as connection:
        await connection.response.create(model="demo", input="count to 2000", stream_id="one")
        told = await until_over(connection, until=lambda event: event.type == "response.output_text.delta")
        await connection.response.steer(previous_response_id=told[0].response.id, input="count to 5")
        told += await until_over(connection)
        told += await until_over(connection)
    told = [event for event in told if not event.type.startswith("response.steer.")]
    first = told[0].response.id
    ended = next(place for place, event in enumerate(told) if event.type == "response.incomplete")
    for place, event in enumerate(told):
        response_id = first if place <= ended else told[-1].response.id
        async with client.responses.connect(
            extra_query={"resume": response_id, "starting_after": event.sequence_number}
        ) as again:
            rest = told[place + 1 :]
            seen = [checked_frame(await again.recv()) for _ in rest]
        assert [one.to_dict() for one in seen] == [one.to_dict() for one in rest]


async def test_a_connection_that_breaks_is_resumed_before_its_answer_is_stopped(
    server: ServerProcess, client_of: Client
) -> None:
    client = client_of(server)
    lanes = Lanes()
    codes: list[int] = []
    async with client.responses.connect(on_reconnecting=resumes(lanes, codes)) as connection:
        await connection.response.create(model="demo", input="count to 300")
        cut = False
        async for event in connection:
            lanes.take(event)
            if len(lanes.frames[""]) == 20 and not cut:
                cut = True
                connection._connection.transport.abort()
            if event.type in ENDS:
                break
    assert codes == [1006]
    assert without_lane(lanes.frames[""]) == await whole_of(client, lanes.frames[""][0].response.id)
    assert lanes.frames[""][-1].type == "response.completed"


@pytest.mark.parametrize(
    "query",
    [
        "resume={one},{two}&starting_after=,{last}",
        "resume[]={one}&resume[]={two}&starting_after[]=&starting_after[]={last}",
    ],
)
async def test_a_number_that_is_left_out_is_not_that_of_the_next_response(
    server: ServerProcess, client_of: Client, query: str
) -> None:
    """Of the first nothing was seen."""
    client = client_of(server)
    one, two = [await client.responses.create(model="demo", input="count to 5") for _ in range(2)]
    last = [event["sequence_number"] for event in await whole_of(client, two.id)][-2]
    address = f"{server.ws_url}/v1/responses?{query.format(one=one.id, two=two.id, last=last)}"
    wanted = [*await whole_of(client, one.id), (await whole_of(client, two.id))[-1]]
    async with connect(address, additional_headers={"Authorization": "Bearer guest"}) as connection:
        assert [json.loads(await connection.recv()) for _ in wanted] == wanted


async def test_as_many_are_resumed_as_may_be_however_few_turns_may_wait(
    start_server: StartServer, client_of: Client
) -> None:
    server = start_server(MAX_QUEUED_TURNS="1")
    client = client_of(server)
    ids = [(await client.responses.create(model="demo", input="count to 3")).id for _ in range(3)]
    async with client.responses.connect(extra_query={"resume": ",".join(ids)}) as connection:
        told = [(await until_over(connection))[-1].response.id for _ in ids]
    assert told == ids


@pytest.mark.filterwarnings(
    "ignore:connect.. must be used as a context manager:DeprecationWarning"
)  # the SDK's own way
def test_the_client_that_is_not_async_says_more_and_comes_back(
    shared_server: ServerProcess, transactional_db: None
) -> None:
    lanes = Lanes()
    codes: list[int] = []
    with (
        OpenAI(api_key="guest", base_url=f"{shared_server.url}/v1") as client,
        client.responses.connect(on_reconnecting=resumes(lanes, codes)) as connection,
    ):
        connection.response.create(model="demo", input="count to 2000")
        steered = cut = False
        event: Any
        for event in connection:
            if event.type.startswith("response.steer."):
                assert checked_frame(event).type == "response.steer.accepted"
                continue
            lanes.take(event)
            if event.type == "response.output_text.delta" and not steered:
                steered = True
                connection.response.steer(
                    previous_response_id=lanes.frames[""][0].response.id, input="count to 90"
                )
            follows = [one for one in lanes.frames[""] if one.type == "response.created"][1:]
            if follows and event.type == "response.output_text.delta" and not cut:
                cut = True
                connection._connection.socket.shutdown(socket.SHUT_RDWR)
            if event.type == "response.completed":
                break
        assert codes == [1006]
        following = lanes.frames[""][lanes.frames[""].index(follows[0]) :]
        whole = client.responses.retrieve(follows[0].response.id, stream=True)
        assert without_lane(following) == [one.to_dict() for one in whole]
        assert event.response.output_text.endswith("89, 90.")


async def test_with_the_setting_an_answer_goes_on_without_its_connection(
    start_server: StartServer, client_of: Client
) -> None:
    client = client_of(start_server(ANSWERS_OUTLIVE_CONNECTIONS="true", DEMO_DELAY_MS="5"))
    async with client.responses.connect() as connection:
        await connection.response.create(model="demo", input="count to 100")
        first = checked_frame(await connection.recv())

    async def done() -> None:
        assert (await client.responses.retrieve(first.response.id)).status == "completed"

    await eventually(done)


async def test_nobody_elses_is_resumed(server: ServerProcess, client_of: Client, key: str) -> None:
    mine = await client_of(server, key).responses.create(model="demo", input="count to 3")
    with pytest.raises(InvalidStatus) as refused:
        async with client_of(server).responses.connect(extra_query={"resume": mine.id}):
            pass
    assert refused.value.response.status_code == 404


async def test_a_name_that_no_database_can_look_for_makes_no_sense(
    server: ServerProcess, client_of: Client
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with client_of(server).responses.connect(extra_query={"resume": "resp_\x00"}):
            pass
    assert refused.value.response.status_code == 400


async def test_a_reader_that_does_not_read_is_cut_off_and_resumes(
    start_server: StartServer, client_of: Client
) -> None:
    """It asks eight times for an answer whose events repeat long instructions: more than the sockets of both sides hold."""
    server = start_server(SOCKET_SEND_SECONDS="1", MAX_MESSAGE_CHARS="1000000")
    client = client_of(server)
    made = await client.responses.create(model="demo", input="count to 5", instructions="x" * 900_000)
    response_id = made.id
    whole = await whole_of(client, response_id)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", server.port))
    lazy = await client.responses.connect(
        extra_query={"resume": ",".join([response_id] * 8)},
        websocket_connection_options={"sock": raw, "max_queue": 1, "ping_interval": None},
    ).enter()
    await eventually(lambda: _nobody_there(server), timeout_s=60)
    told: list[Any] = []
    with pytest.raises(ConnectionClosedError) as closed:  # noqa: PT012 - what is read until then counts
        while True:
            async with asyncio.timeout(10):
                told.append((await lazy.recv()).to_dict())
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1013
    assert len(told) < 8 * len(whole)
    async with client.responses.connect(
        extra_query={"resume": response_id, "starting_after": told[-1]["sequence_number"]}
    ) as again:
        seen = told[-1]
        while seen["type"] != "response.completed":
            seen = (await again.recv()).to_dict()
            told.append(seen)
    assert told == [whole[place % len(whole)] for place in range(len(told))]


async def _nobody_there(server: ServerProcess) -> None:
    async with httpx2.AsyncClient() as http:
        lines = (await http.get(f"{server.url}/metrics")).text.splitlines()
    assert 'chat_sockets{dialect="responses"} 0.0' in lines
