"""Who may open a socket, and whose session it then is."""

import secrets

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from chat.errors import OriginRefused
from chat.wire.auth import check_origin
from identity.guests import GUEST_COOKIE, issue_guest_id, resume_token, sign_guest_id
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import plain, realtime

from .conftest import StartServer


def guest_headers(server: ServerProcess, guest_id: str | None = None) -> dict[str, str]:
    return {"Cookie": f"{GUEST_COOKIE}={sign_guest_id(guest_id or issue_guest_id())}", "Origin": server.url}


async def user_headers(server: ServerProcess, username: str) -> dict[str, str]:
    def sign_in() -> str:
        user, _ = User.objects.get_or_create(username=username)
        client = Client()
        client.force_login(user)
        return client.cookies["sessionid"].value

    return {"Cookie": f"sessionid={await in_db_thread(sign_in)}", "Origin": server.url}


async def test_a_strange_origin_is_refused(server: ServerProcess) -> None:
    async with plain(server.ws_url, additional_headers={"Origin": "https://evil.example"}) as client:
        assert client.session_id.startswith("[error] origin_refused: ")
        assert await client.closed() == 4403


@pytest.mark.parametrize("origin", ["http://[", "https://", "ftp://localhost", "//", "x"])
async def test_an_origin_that_makes_no_sense_is_refused(server: ServerProcess, origin: str) -> None:
    async with plain(server.ws_url, additional_headers={"Origin": origin}) as client:
        assert await client.closed() == 4403


def test_behind_https_the_plain_page_of_the_same_host_is_a_stranger(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["chat.example.com"]
    plain_page = {"origin": "http://chat.example.com", "host": "chat.example.com"}
    check_origin(plain_page)
    settings.SECURE_SSL_REDIRECT = True
    with pytest.raises(OriginRefused):
        check_origin(plain_page)
    check_origin({"origin": "https://chat.example.com", "host": "chat.example.com"})


LOCAL_PAGES = [
    "null",
    "http://127.0.0.1:5500",
    "http://localhost:3000",
    "https://[::1]:8443",
    "http://localhost",
]


@pytest.mark.parametrize("origin", LOCAL_PAGES)
async def test_in_development_a_page_of_this_machine_is_a_guest(server: ServerProcess, origin: str) -> None:
    """From a file, or another server's; whose cookies the browser sends along makes no difference."""
    ada = await user_headers(server, "ada")
    async with plain(server.ws_url, "/ws/session/adas", additional_headers=ada):
        async with plain(
            server.ws_url, "/ws/session/adas", additional_headers={**ada, "Origin": origin}
        ) as client:
            assert client.session_id.startswith("[error] session_not_found: ")
        async with plain(server.ws_url, additional_headers={**ada, "Origin": origin}) as client:
            await client.send("count to 3")
            assert await client.until("3.") == "1, 2, 3."
    session = await in_db_thread(Session.objects.get, pk=client.session_id)
    assert (session.user_id, session.guest_id) == (None, "")


@pytest.mark.parametrize(
    "origin", ["http://evil.example:5500", "http://localhost.evil.example", "file://", "nullish"]
)
async def test_a_page_from_elsewhere_is_a_stranger_in_development_too(
    server: ServerProcess, origin: str
) -> None:
    async with plain(server.ws_url, additional_headers={"Origin": origin}) as client:
        assert await client.closed() == 4403


async def test_on_another_name_than_this_machines_no_local_page_is_let_in(start_server: StartServer) -> None:
    server = start_server(ALLOWED_HOSTS="chat.example.com,127.0.0.1")
    for origin in LOCAL_PAGES:
        headers = {"Origin": origin, "Host": f"chat.example.com:{server.port}"}
        async with plain(server.ws_url, additional_headers=headers) as client:
            assert await client.closed() == 4403


async def test_in_production_every_page_of_this_machine_is_a_stranger(start_server: StartServer) -> None:
    server = start_server(
        DJANGO_SETTINGS_MODULE="realtime_ai.settings.production",
        SECRET_KEY=secrets.token_urlsafe(60),
        ALLOWED_HOSTS="127.0.0.1",
        INSECURE_HTTP="1",
        GUESTS_ALLOWED="1",
    )
    for origin in LOCAL_PAGES:
        async with plain(server.ws_url, additional_headers={"Origin": origin}) as client:
            assert client.session_id.startswith("[error] origin_refused: ")
            assert await client.closed() == 4403
    async with plain(server.ws_url, additional_headers={"Origin": server.url}) as client:
        assert not client.session_id.startswith("[error]")


async def test_a_rebound_host_name_is_refused(server: ServerProcess) -> None:
    headers = {"Origin": f"http://evil.example:{server.port}", "Host": f"evil.example:{server.port}"}
    async with plain(server.ws_url, additional_headers=headers) as client:
        assert await client.closed() in (4403, 1008)


async def test_the_own_origin_and_listed_ones_are_let_in(start_server: StartServer) -> None:
    server = start_server(ALLOWED_ORIGINS="https://app.example.com")
    for origin in (server.url, f"http://localhost:{server.port}", "https://app.example.com"):
        async with plain(server.ws_url, additional_headers={"Origin": origin}) as client:
            assert not client.session_id.startswith("[error]")


async def test_cookies_without_an_origin_are_refused(server: ServerProcess) -> None:
    headers = guest_headers(server)
    del headers["Origin"]
    async with plain(server.ws_url, additional_headers=headers) as client:
        assert await client.closed() == 4403


async def test_another_users_session_answers_as_one_that_does_not_exist(server: ServerProcess) -> None:
    ada, bob = await user_headers(server, "ada"), await user_headers(server, "bob")
    async with realtime(server.ws_url, additional_headers=ada) as client:
        await client.ask("count to 3")
        session_id = client.session_id
    owner = await in_db_thread(lambda: Session.objects.get(pk=session_id).user)
    assert owner is not None
    assert owner.username == "ada"
    answers = []
    for path in (f"/ws/session?session_id={session_id}", "/ws/session?session_id=no-such-session"):
        for headers in (bob, guest_headers(server), {}):
            async with realtime(server.ws_url, path, additional_headers=headers) as client:
                error = client.created["error"]
                answers.append((error["code"], error["message"], await client.closed()))
    assert len(set(answers)) == 1
    assert answers[0][0] == "session_not_found"
    assert answers[0][2] == 4404


async def test_another_users_session_is_refused_on_the_path_as_well(server: ServerProcess) -> None:
    ada, bob = await user_headers(server, "ada"), await user_headers(server, "bob")
    async with plain(server.ws_url, "/ws/session/adas", additional_headers=ada) as client:
        assert client.session_id == "adas"
        async with plain(server.ws_url, "/ws/session/adas", additional_headers=bob) as other:
            assert other.session_id.startswith("[error] session_not_found: ")
            assert await other.closed() == 4404


async def test_a_guests_session_belongs_to_the_guests_cookie(server: ServerProcess) -> None:
    mine, theirs = guest_headers(server), guest_headers(server)
    async with realtime(server.ws_url, additional_headers=mine) as client:
        await client.ask("count to 3")
        path = f"/ws/session?session_id={client.session_id}"
    async with realtime(server.ws_url, path, additional_headers=theirs) as client:
        assert client.created["error"]["code"] == "session_not_found"
    async with realtime(server.ws_url, path, additional_headers=mine) as client:
        assert client.created["type"] == "session.created"


async def test_a_forged_guest_cookie_is_nobodys(server: ServerProcess) -> None:
    guest_id = issue_guest_id()
    mine = guest_headers(server, guest_id)
    async with realtime(server.ws_url, additional_headers=mine) as client:
        await client.ask("count to 3")
        path = f"/ws/session?session_id={client.session_id}"
    forged = {"Cookie": f"{GUEST_COOKIE}={guest_id}:forged", "Origin": server.url}
    async with realtime(server.ws_url, path, additional_headers=forged) as client:
        assert client.created["error"]["code"] == "session_not_found"


async def test_a_bare_programs_session_belongs_to_whoever_holds_its_secret(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        await client.ask("count to 3")
        by_id, back = f"/ws/session?session_id={client.session_id}", client.back
    guest, ada = guest_headers(server), await user_headers(server, "ada")
    for wrong in ("", "&resume_token=", f"&resume_token={resume_token('another')}", "&resume_token=%C3%A9"):
        for headers in ({}, guest, ada):
            async with realtime(server.ws_url, by_id + wrong, additional_headers=headers) as client:
                assert client.created["error"]["code"] == "session_not_found"
                assert await client.closed() == 4404
    async with realtime(server.ws_url, f"/ws/session?{back}") as client:
        assert client.created["type"] == "session.created"


async def test_guests_can_be_switched_off(start_server: StartServer) -> None:
    server = start_server(GUESTS_ALLOWED="0")
    for headers in ({}, guest_headers(server)):
        async with plain(server.ws_url, additional_headers=headers) as client:
            assert client.session_id.startswith("[error] invalid_credentials: ")
            assert await client.closed() == 4401
    ada = await user_headers(server, "ada")
    async with plain(server.ws_url, additional_headers=ada) as client:
        assert not client.session_id.startswith("[error]")


async def test_a_wrong_key_is_refused_and_the_guest_key_is_a_guest(server: ServerProcess) -> None:
    path = "/v1/realtime?model=demo"
    async with realtime(
        server.ws_url, path, additional_headers={"Authorization": "Bearer sk-wrong"}
    ) as client:
        assert client.created["error"]["code"] == "invalid_credentials"
        assert await client.closed() == 4401
    async with realtime(server.ws_url, path, additional_headers={"Authorization": "Bearer guest"}) as client:
        assert client.created["type"] == "session.created"
