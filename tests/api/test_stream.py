"""A session's log as server-sent events: live and later, cut and gone on with, and to nobody else."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User

from chat.wire.events.follow import LogFollower
from identity.guests import issue_guest_id, resume_token
from identity.keys import make_key, make_secret
from sessions_app.errors import JournalFenced, SessionElsewhere, SessionNotFound
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.lookup import goes_on
from sessions_app.log.rows import encode_rows
from sessions_app.models import EraseActor, Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.erase import By, erase_session
from tests.admin.rows import records_of, turn, user_says, write_session
from tests.api.conftest import bearer
from tests.api.talk import GUEST, ask, follow, whole
from tests.identity.conftest import as_guest, signed_in
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess

KEY = dict[str, str]


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=60) as client:
        yield client


def counted(n: int) -> str:
    return ", ".join(str(number) for number in range(1, n + 1)) + "."


async def test_an_answer_is_followed_to_its_end_and_then_there_is_nothing(
    server: ServerProcess, client: httpx2.AsyncClient, key: KEY
) -> None:
    session_id = await ask(server, "count to 100", key)
    told = await follow(client, server.url, session_id, key)
    assert told.clean
    assert told.text == counted(100)
    assert told.types[0] == "session_started"
    assert {"user_message", "response_started", "assistant_message", "response_done"} <= set(told.types)
    assert told.ids == [str(event["seq"]) for event in told.events]
    assert told.headers["x-accel-buffering"] == "no"
    assert "no-transform" in told.headers["cache-control"]
    again = await follow(client, server.url, session_id, {**key, "Last-Event-ID": told.ids[-1]})
    assert again.status == 204


async def test_cut_anywhere_the_rest_is_exactly_the_rest(
    server: ServerProcess, client: httpx2.AsyncClient, key: KEY
) -> None:
    session_id = await ask(server, "count to 60", key)
    events = []
    last: dict[str, str] = {}
    for enough in (1, 2, 7, 20, 10**9):
        told = await follow(client, server.url, session_id, {**key, **last}, enough=enough)
        events += told.events
        last = {"Last-Event-ID": told.ids[-1]}
    assert told.clean
    later = await follow(client, server.url, session_id, key)
    stored = await whole(client, server.url, session_id, key)
    assert events == later.events == stored[: len(events)]


async def test_what_follows_upon_a_seq_may_be_asked_for_in_the_address(
    server: ServerProcess, client: httpx2.AsyncClient, key: KEY
) -> None:
    session_id = await ask(server, "count to 3", key)
    told = await follow(client, server.url, session_id, key)
    rest = await follow(client, server.url, session_id, key, after=told.ids[2])
    known = told.events[3:]
    assert rest.events[: len(known)] == known
    assert [event["type"] for event in rest.events[len(known) :]] in ([], ["session_ended"])
    behind = await follow(client, server.url, session_id, {**key, "Last-Event-ID": told.ids[-2]}, after=0)
    assert behind.events[:1] == told.events[-1:]
    assert [event["type"] for event in behind.events[1:]] in ([], ["session_ended"])
    for cursor in ("x", "-1", "1.5", "9" * 16):
        assert (await follow(client, server.url, session_id, key, after=cursor)).status == 400


async def test_an_answer_that_comes_to_its_end_between_two_looks_is_told(
    monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    """At 204 an `EventSource` stays away for good."""

    def ends(*, session_id: str) -> bool:
        rest = records_of(session_id, turn(0))[2:]
        if Session.objects.filter(pk=session_id, last_seq=2).update(last_seq=rest[-1].seq):
            SessionEvent.objects.bulk_create(map(SessionEvent.of, encode_rows(rest)))
        return goes_on(session_id=session_id)

    monkeypatch.setattr("chat.wire.events.follow.goes_on", ends)
    nobody: Any = None
    first, other = [await in_db_thread(lambda: write_session(turn(0)[:2])) for _ in range(2)]
    assert not await LogFollower(nobody, first.pk, after=2).nothing_is_left()
    pages = [page async for page in LogFollower(nobody, other.pk, after=0).events()]
    assert [record.event for page in pages for record in page] == turn(0)


async def test_a_place_behind_the_end_of_the_log_is_its_end(
    server: ServerProcess, client: httpx2.AsyncClient, key: KEY
) -> None:
    """Where a log that was restored from a backup ends sooner than its reader knows: what comes is told all the same."""
    session_id = await ask(server, "count to 100", key)
    told = await follow(client, server.url, session_id, key, after=10**9)
    assert told.clean
    assert counted(100).endswith(told.text)
    assert told.types[-1] in ("response_done", "session_ended")
    assert (await follow(client, server.url, session_id, key, after=10**9)).status == 204


async def test_two_answers_that_wait_are_followed_to_the_end_of_the_last(
    server: ServerProcess, client: httpx2.AsyncClient, key: KEY
) -> None:
    session_id = await ask(server, "count to 30", key)
    await ask(server, "count to 20", key, session=session_id)
    told = await follow(client, server.url, session_id, key)
    assert told.text == counted(30) + counted(20)
    assert told.types.count("response_done") == 2


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_another_process_goes_on_with_it(
    start_server: StartServer, client: httpx2.AsyncClient, key: KEY, end: signal.Signals
) -> None:
    env = {"REDIS_URL": "", "DEMO_DELAY_MS": "30", "SESSION_LEASE_SECONDS": "1", "DRAIN_SECONDS": "0.1"}
    one, two = start_server(**env), start_server(**env)
    session_id = await ask(one, "count to 300", key)

    async def until_cut() -> list[str]:
        first = await follow(client, one.url, session_id, key, enough=30)
        begun = asyncio.Event()
        cut = asyncio.create_task(
            follow(client, one.url, session_id, {**key, "Last-Event-ID": first.ids[-1]}, begun=begun)
        )
        await asyncio.wait_for(begun.wait(), 30)
        one.signal(end)
        rest = await cut
        assert not rest.clean, rest.events[-3:]
        return [*first.ids, *rest.ids]

    seen = await until_cut()
    told = await follow(client, two.url, session_id, {**key, "Last-Event-ID": seen[-1]})
    assert told.clean
    reopened = next(event for event in told.events if event["type"] == "session_reopened")
    kept = [seq for seq in map(int, seen) if seq < reopened.get("first_seq", reopened["seq"])]
    assert told.events[-1]["type"] == "response_done"
    later = await follow(client, two.url, session_id, key)
    assert [*kept, *map(int, told.ids)] == [*map(int, later.ids)]
    assert later.text.endswith(counted(300))


async def test_who_does_not_read_is_cut_off_and_can_go_on(
    start_server: StartServer, client: httpx2.AsyncClient, ada: User, key: KEY
) -> None:
    server = start_server(SOCKET_SEND_SECONDS="0.5")
    said = [user_says("word " * 4000, f"item_{number}") for number in range(400)]
    session_id = (await in_db_thread(write_session, said, user=ada, status="ended")).session_id
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    head = f"GET /api/sessions/{session_id}/stream HTTP/1.1\r\nHost: localhost\r\n"
    writer.write(f"{head}Authorization: {key['Authorization']}\r\n\r\n".encode())
    begun = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in begun.splitlines()[0]

    await asyncio.sleep(3)
    rest = await reader.read(-1)
    assert not rest.endswith(b"0\r\n\r\n")  # cut, and not brought to its end
    ids = [int(line[4:]) for line in rest.splitlines() if line.startswith(b"id: ")]
    assert len(ids) < 400
    told = await follow(client, server.url, session_id, {**key, "Last-Event-ID": str(ids[-2])})
    assert [event["seq"] for event in told.events] == list(range(ids[-2] + 1, 401))
    writer.close()


async def test_it_is_its_owners_alone(
    server: ServerProcess, client: httpx2.AsyncClient, key: KEY, reading_key: KEY, ada: User
) -> None:
    session_id = await ask(server, "count to 3", key)
    bob = await in_db_thread(lambda: make_key(user=User.objects.create_user("bob"), label="x").value)
    adas = await in_db_thread(make_key, user=ada, label="a shop's")
    customer = await in_db_thread(make_secret, key=adas.row, external_user_id="kim", seconds=60, session={})
    login = await signed_in(server, ada)
    cases: list[tuple[KEY, dict[str, Any], int]] = [
        (reading_key, {}, 200),
        (login, {}, 200),
        ({"Cookie": login["Cookie"]}, {}, 200),  # as a page of ours sends it with a GET
        (bearer(bob), {}, 404),
        (bearer(customer.value), {}, 404),
        ({}, {"token": customer.value}, 404),
        ({}, {"token": adas.value}, 401),  # no API key in an address
        ({}, {"token": "ek_x"}, 401),
        (bearer("rta_x"), {}, 401),
        (GUEST, {}, 401),
        ({}, {}, 401),
        (as_guest(server), {}, 404),
        ({}, {"resume_token": resume_token(session_id)}, 404),  # it is somebody's
        ({**key, "Origin": "https://elsewhere.example"}, {}, 403),
    ]
    for headers, query, status in cases:
        told = await follow(client, server.url, session_id, headers, **query)
        assert told.status == status, (headers, query)
    assert (await follow(client, server.url, "no-such-session", key)).status == 404
    assert (await follow(client, server.url, "not%20an%20id", key)).status == 404


async def test_a_client_secret_is_taken_in_the_address(
    server: ServerProcess, client: httpx2.AsyncClient, ada: User
) -> None:
    adas = await in_db_thread(make_key, user=ada, label="a shop's")
    made = await in_db_thread(make_secret, key=adas.row, external_user_id="kim", seconds=60, session={})
    session_id = await ask(server, "count to 100", bearer(made.value))
    told = await follow(client, server.url, session_id, {}, token=made.value)
    assert told.text == counted(100)


async def test_a_guests_and_nobodys(server: ServerProcess, client: httpx2.AsyncClient) -> None:
    mine = as_guest(server, issue_guest_id())
    session_id = await ask(server, "count to 100", mine)
    assert (await follow(client, server.url, session_id, mine)).text == counted(100)
    assert (await follow(client, server.url, session_id, as_guest(server))).status == 404
    nobodys = await ask(server, "count to 200", GUEST)
    assert (await follow(client, server.url, nobodys, GUEST)).status == 401
    secret = resume_token(nobodys)
    assert (await follow(client, server.url, nobodys, {}, resume_token=secret)).text == counted(200)


async def test_an_erased_one_is_told_of_to_nobody(
    server: ServerProcess, client: httpx2.AsyncClient, key: KEY
) -> None:
    session_id = await ask(server, "count to 300", key)
    begun = asyncio.Event()
    reading = asyncio.create_task(follow(client, server.url, session_id, key, begun=begun))
    await asyncio.wait_for(begun.wait(), 30)
    gone = await client.delete(f"{server.url}/api/sessions/{session_id}", headers=key)
    assert gone.status_code == 204
    told = await reading
    assert not told.clean
    assert (
        await follow(client, server.url, session_id, {**key, "Last-Event-ID": told.ids[-1]})
    ).status == 404


@pytest.mark.parametrize("refusal", [JournalFenced, SessionElsewhere])
async def test_what_an_erasure_left_of_it_is_told_to_nobody_who_was_reading(
    transactional_db: None, refusal: type[Exception]
) -> None:
    """The session's holder may find out by its next append, before it hears of it."""

    class Holder:
        def info(self) -> Any:
            return SimpleNamespace(last_seq=2)

        async def follow(self, after: int) -> AsyncIterator[Any]:
            await in_db_thread(erase_session, session_id=row.pk, by=By(actor=EraseActor.OWNER))
            for records in nothing:
                yield records
            raise refusal

    async def enter(session_id: str, *, reopen: bool) -> Holder:
        return Holder()

    row = await in_db_thread(lambda: write_session(turn(0)[:2]))
    hub = SimpleNamespace(closing=False)
    visitor = Visitor(secret_of=row.pk)
    visit: Any = SimpleNamespace(
        enter=enter, leave=lambda: None, server=SimpleNamespace(hub=hub), visitor=visitor
    )
    nothing: list[Any] = []
    told: list[Any] = []

    async def read() -> None:
        async for records in LogFollower(visit, row.pk, after=0).events():
            told.extend(record.event for record in records)

    with pytest.raises(SessionNotFound):
        await read()
    assert told == turn(0)[:2]


async def test_the_connections_of_one_person_are_counted(
    start_server: StartServer, client: httpx2.AsyncClient, key: KEY
) -> None:
    server = start_server(MAX_SOCKETS_PER_USER="1", DEMO_DELAY_MS="30")
    session_id = await ask(server, "count to 200", key)
    begun = asyncio.Event()
    reading = asyncio.create_task(follow(client, server.url, session_id, key, enough=60, begun=begun))
    await asyncio.wait_for(begun.wait(), 30)
    refused = await follow(client, server.url, session_id, key)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    await reading
    await in_db_thread(Session.objects.get, pk=session_id)
