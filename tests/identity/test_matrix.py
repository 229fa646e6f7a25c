"""Who may what: each role on each surface of a server that faces the world, action by action; docs/security.md shows it.

The sessions that are tried: a user's (Ada's), a guest's, and one that is nobody's.
"""

import http.client
import json
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from identity.guests import issue_guest_id, resume_token
from identity.keys import make_key, make_secret
from identity.models import Scope
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, realtime

from .conftest import as_guest, bearer, made_user, signed_in
from .issuer import Issuer

V1 = "/v1/realtime"
CSRF = "0123456789abcdefghijklmnopqrstuv"
GUEST = issue_guest_id()
USERS, GUESTS, NOBODYS = "a user's", "a guest's", "nobody's"
METRICS_TOKEN = "the-token-of-whoever-scrapes"


@dataclass(frozen=True, kw_only=True)
class May:
    begin: bool = True
    enter: frozenset[str] = frozenset()
    """Read and resume on a socket."""
    write: bool = True
    """Write, stop and approve in what may be entered."""
    see: frozenset[str] = frozenset()
    """In the list of one's sessions."""
    review: bool = False
    """All sessions in the admin, and their downloads."""
    decide: bool = False
    """Approve in the admin."""
    make_secrets: bool = False


@dataclass(kw_only=True)
class World:
    server: ServerProcess
    issuer: Issuer
    sessions: dict[str, str] = field(default_factory=dict)
    """Their ids."""

    async def key(self, username: str, scope: Scope) -> dict[str, str]:
        user = await made_user(username)
        made = await in_db_thread(make_key, user=user, label="x", scope=scope)
        return bearer(made.value)

    async def secret(self) -> dict[str, str]:
        """Of Ada's, for one user of hers: none of the sessions is theirs."""
        key = await in_db_thread(make_key, user=await made_user("ada"), label="x")
        made = await in_db_thread(make_secret, key=key.row, external_user_id="kim", seconds=600, session={})
        return bearer(made.value)

    async def staff(self, *codenames: str, **fields: Any) -> dict[str, str]:
        user = await made_user("staff", is_staff=True, **fields)
        wanted = Permission.objects.filter(codename__in=codenames, content_type__app_label="sessions_app")
        await in_db_thread(lambda: user.user_permissions.set(wanted))
        return await signed_in(self.server, user)


Come = Callable[[World], Awaitable[dict[str, str]]]


async def _nameless(_world: World) -> dict[str, str]:
    return {}


async def _login(world: World, username: str) -> dict[str, str]:
    return await signed_in(world.server, await made_user(username))


async def _guest(world: World, guest_id: str) -> dict[str, str]:
    return as_guest(world.server, guest_id)


async def _token(world: World) -> dict[str, str]:
    return bearer(world.issuer.token("a-person-of-the-issuers"))


OWN = frozenset({USERS})
ROLES: dict[str, tuple[Come, May]] = {
    "anonymous": (_nameless, May()),
    "anonymous with the secret": (_nameless, May(enter=frozenset({NOBODYS, GUESTS}))),
    "the key guest": (lambda _: _constant(bearer("guest")), May()),
    "guest": (
        lambda world: _guest(world, GUEST),
        May(enter=frozenset({GUESTS}), see=frozenset({GUESTS})),
    ),
    "another guest": (lambda world: _guest(world, issue_guest_id()), May()),
    "owner": (lambda world: _login(world, "ada"), May(enter=OWN, see=OWN)),
    "another user": (lambda world: _login(world, "bob"), May()),
    "key chat": (
        lambda world: world.key("ada", Scope.CHAT),
        May(enter=OWN, see=OWN, make_secrets=True),
    ),
    "key read": (
        lambda world: world.key("ada", Scope.READ),
        May(begin=False, enter=OWN, write=False, see=OWN),
    ),
    "key admin": (
        lambda world: world.key("ada", Scope.ADMIN),
        May(enter=OWN, see=OWN, make_secrets=True),
    ),
    "another's key": (lambda world: world.key("bob", Scope.CHAT), May(make_secrets=True)),
    "another's key with the secret": (
        lambda world: world.key("bob", Scope.CHAT),
        May(enter=frozenset({NOBODYS, GUESTS}), make_secrets=True),
    ),
    "client secret": (lambda world: world.secret(), May()),
    "access token": (_token, May()),
    "staff": (lambda world: world.staff(), May()),
    "staff who may view": (lambda world: world.staff("view_session"), May(review=True)),
    "staff who may decide": (
        lambda world: world.staff("view_session", "change_session"),
        May(review=True, decide=True),
    ),
    "superuser": (
        lambda world: world.staff(is_superuser=True),
        May(review=True, decide=True),
    ),
    "a superuser's admin key": (
        lambda world: world.key("root", Scope.ADMIN),
        May(make_secrets=True),
    ),
}


async def _constant(headers: dict[str, str]) -> dict[str, str]:
    return headers


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
def facing_the_world(django_db_setup: None, issuer: Issuer) -> Iterator[ServerProcess]:
    server = ServerProcess(
        DJANGO_SETTINGS_MODULE="tests.identity.production_settings",
        SECRET_KEY=PRODUCTION_SECRET,
        ALLOWED_HOSTS="127.0.0.1",
        INSECURE_HTTP="1",
        GUESTS_ALLOWED="1",
        METRICS_TOKEN=METRICS_TOKEN,
        SUPABASE_URL=issuer.url,
        SESSION_GRACE_SECONDS="0.3",
    ).start()
    yield server
    server.close()


PRODUCTION_SECRET = "of-the-matrix-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2


@pytest.fixture
async def world(
    facing_the_world: ServerProcess, issuer: Issuer, transactional_db: None, settings: Any
) -> World:
    """With the three sessions, in each of which somebody spoke."""
    settings.SECRET_KEY = PRODUCTION_SECRET  # cookies of this process are cookies of the server's
    await made_user("root", is_staff=True, is_superuser=True)
    world = World(server=facing_the_world, issuer=issuer)
    owners = {USERS: await _login(world, "ada"), GUESTS: as_guest(world.server, GUEST), NOBODYS: {}}
    for name, headers in owners.items():
        async with realtime(world.server.ws_url, V1, additional_headers=headers) as client:
            await client.ask("count to 3")
            world.sessions[name] = client.session_id
    return world


@pytest.mark.parametrize("role", ROLES)
async def test_the_matrix(world: World, role: str) -> None:
    come, may = ROLES[role]
    headers = await come(world)
    holds_secrets = "secret" in role.split()[-1:] and "with" in role
    assert await begins(world, headers) == may.begin
    for name, session_id in world.sessions.items():
        entered = await enters(world, headers, session_id, holds_secrets)
        assert entered == (name in may.enter), name
    for name in may.enter:
        assert await writes(world, headers, world.sessions[name], holds_secrets) == may.write, name
    listed = await lists(world, headers)
    assert {name for name, session_id in world.sessions.items() if session_id in listed} == may.see
    await check_admin(world, headers, may)
    status, _ = await ask(world, "POST", "/v1/realtime/client_secrets", headers, "{}")
    assert status == (200 if may.make_secrets else 401)
    assert (await ask(world, "GET", "/metrics", headers))[0] == 404


async def test_metrics_are_for_who_has_their_token(world: World) -> None:
    assert (await ask(world, "GET", "/metrics", bearer(METRICS_TOKEN)))[0] == 200


async def begins(world: World, headers: dict[str, str]) -> bool:
    async with realtime(world.server.ws_url, V1, additional_headers=headers) as client:
        return bool(client.created["type"] == "session.created")


def path_of(session_id: str, with_secret: bool) -> str:
    secret = f"&resume_token={resume_token(session_id)}" if with_secret else ""
    return f"{V1}?session_id={session_id}&last_event_id=event_{session_id}_0{secret}"


async def enters(world: World, headers: dict[str, str], session_id: str, with_secret: bool) -> bool:
    """Who does not may ask in any way, and hears what is heard of a session that does not exist."""
    path = path_of(session_id, with_secret)
    async with realtime(world.server.ws_url, path, additional_headers=headers) as client:
        if client.created["type"] == "session.created":
            return "count to 3" in str([await client.recv() for _ in range(6)])
        refusal = (client.created["error"]["code"], await client.closed())
    for other in (f"/ws/session/{session_id}", f"{V1}?session_id=019fffff-ffff-7fff-bfff-ffffffffffff"):
        async with realtime(world.server.ws_url, other, additional_headers=headers) as client:
            again = (client.created["error"]["code"], await client.closed())
            assert again == refusal == ("session_not_found", 4404)
    return False


async def writes(world: World, headers: dict[str, str], session_id: str, with_secret: bool) -> bool:
    """All of them, or none."""
    path = path_of(session_id, with_secret).replace("last_event_id", "unread")
    async with realtime(world.server.ws_url, path, additional_headers=headers) as client:
        done = {
            await answer(client, "response.cancel") == "response_cancel_not_active",
            await answer(client, "conversation.item.create", item=YES) == "item_not_found",
            await answer(client, "conversation.item.create", item=WORDS) == "conversation.item.added",
            await answer(client, "session.update", session={"type": "realtime"}) == "session.updated",
        }
    assert len(done) == 1
    return done.pop()


YES = {"type": "mcp_approval_response", "approval_request_id": "apr_none", "approve": True}
WORDS = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


async def answer(client: Realtime, event_type: str, **fields: Any) -> str:
    """The code of the error, or the type of the first event that comes of it."""
    await client.send(type=event_type, **fields)
    while (frame := await client.recv())["type"] in ("conversation.item.done", "response.done"):
        pass
    if frame["type"] != "error":
        return str(frame["type"])
    code: str = frame["error"]["code"]
    assert code in ("response_cancel_not_active", "item_not_found", "read_only_key")
    return code


async def lists(world: World, headers: dict[str, str]) -> set[str]:
    status, body = await ask(world, "GET", "/api/sessions", headers)
    assert status == 200
    return {one["id"] for one in json.loads(body)["sessions"]}


async def check_admin(world: World, headers: dict[str, str], may: May) -> None:
    """Who is no staff is sent to the sign-in; staff without the permission are refused."""
    for name, session_id in world.sessions.items():
        base = f"/admin/sessions_app/session/{session_id}"
        for path in (
            f"{base}/change/",
            f"{base}/events/",
            f"{base}/transcript.json",
            f"{base}/transcript.md",
        ):
            status, body = await ask(world, "GET", path, headers)
            assert (status == 200) == may.review, (name, path)
            assert status in (200, 302, 403)
            assert ("count to 3" in body) == may.review, (name, path)
        form = urllib.parse.urlencode({"approve": "yes", "csrfmiddlewaretoken": CSRF})
        status, _ = await ask(world, "POST", f"{base}/approvals/apr_none/", headers, form)
        decided = status == 302 and may.decide
        assert decided == may.decide
        assert status in ((302,) if may.decide else (302, 403))
    status, _ = await ask(world, "GET", "/admin/sessions_app/session/", headers)
    assert (status == 200) == may.review


async def ask(
    world: World, method: str, path: str, headers: dict[str, str], body: str | None = None
) -> tuple[int, str]:
    """No redirect is followed."""

    def answer() -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", world.server.port, timeout=20)
        kind = "application/json" if path.startswith("/v1/") else "application/x-www-form-urlencoded"
        sent = {**headers, "Content-Type": kind}
        if "Cookie" in sent:
            sent["Cookie"] += f"; csrftoken={CSRF}"
        else:
            sent["Cookie"] = f"csrftoken={CSRF}"
        connection.request(method, path, body=body, headers=sent)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    return await in_db_thread(answer)


async def test_asking_makes_no_row(world: World) -> None:
    before = await in_db_thread(lambda: set(Session.objects.values_list("pk", flat=True)))
    made_up = "019e0000-0000-7000-8000-000000000001"
    users = [await _login(world, "bob"), await world.key("bob", Scope.READ), as_guest(world.server), {}]
    for headers in users:
        for path in (
            f"{V1}?session_id={made_up}",
            f"{V1}?session_id=demo123",
            f"/ws/session/{made_up}",
            f"/ws/session?session_id={made_up}&resume_token=x",
        ):
            async with realtime(world.server.ws_url, path, additional_headers=headers) as client:
                code = client.created["error"]["code"]
                assert code in ("session_not_found", "chosen_id_refused")
                assert (code == "chosen_id_refused") == (not headers and "demo123" in path)
        for path in (f"/s/{made_up}", "/s/demo123"):
            assert (await ask(world, "GET", path, headers))[0] == 200
    assert await in_db_thread(lambda: set(Session.objects.values_list("pk", flat=True))) == before
    assert await in_db_thread(lambda: User.objects.filter(username="bob").count()) == 1


async def test_a_chosen_name_is_ones_own(world: World) -> None:
    """Nobody's name meets another's: asking for one tells nothing of theirs, and takes it from nobody."""

    async def come(headers: dict[str, str], path: str) -> str:
        async with realtime(world.server.ws_url, path, additional_headers=headers) as client:
            if client.session_id:
                await client.ask("count to 3")
            return client.session_id or str(client.created["error"]["code"])

    ada, bob = await world.key("ada", Scope.CHAT), await world.key("bob", Scope.CHAT)
    guest, kim = as_guest(world.server), await world.secret()
    name = "/ws/session/order-1"
    ids = [await come(headers, name) for headers in (ada, bob, guest, kim)]
    assert all(one.startswith("order-1~") for one in ids)
    assert len(set(ids)) == 4
    assert [await come(headers, name) for headers in (ada, bob, guest, kim)] == ids
    assert await come(ada, f"/ws/session/{ids[0]}") == ids[0]
    assert await come(bob, f"/ws/session/{ids[0]}") not in ids
    assert await come(bob, f"{V1}?session_id={ids[0]}") == "session_not_found"
    assert await come({}, name) == "chosen_id_refused"
    assert await come({}, f"/ws/session/{ids[0]}") == "chosen_id_refused"
    long = "x" * 128
    assert await come(ada, f"/ws/session/{long}") == await come(ada, f"/ws/session/{long}") != long


async def test_a_name_of_before_is_found_by_its_owner(world: World) -> None:
    ada, bob = await world.key("ada", Scope.CHAT), await world.key("bob", Scope.CHAT)
    user = await made_user("ada")
    await in_db_thread(lambda: Session.objects.create(session_id="of-before", user=user, status="ended"))
    for headers, found in ((ada, True), (bob, False)):
        async with realtime(
            world.server.ws_url, "/ws/session/of-before", additional_headers=headers
        ) as client:
            assert (client.session_id == "of-before") == found
