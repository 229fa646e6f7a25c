"""What clients come in by is in no line of the server's log, and in no row of the database, whatever goes wrong with it."""

from pathlib import Path

from django.db import connection

from identity.guests import resume_token
from identity.keys import make_secret, revoke_key
from identity.principal import KEY_SUBPROTOCOL
from sessions_app.postgres.threads import in_db_thread
from tests.sockets.conftest import StartServer
from tests.support.sockets import realtime

from .conftest import bearer, made_key
from .issuer import Issuer, Key
from .test_sockets import post

V1 = "/v1/realtime"


def whole_database() -> str:
    with connection.cursor() as cursor:
        texts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            texts += [str(row[0]) for row in cursor.fetchall()]
    return "\n".join(texts)


async def test_no_credential_is_told_to_anybody(start_server: StartServer, tmp_path: Path) -> None:
    issuer = Issuer()
    log = tmp_path / "log"
    server = start_server(log=log, LOG_LEVEL="DEBUG", SUPABASE_URL=issuer.url)
    row, key = await made_key("ada")
    revoked_row, revoked = await made_key("ada")
    await in_db_thread(revoke_key, revoked_row)
    secret = (await in_db_thread(make_secret, key=row, external_user_id="kim", seconds=600, session={})).value
    good, expired, forged = (
        issuer.token("somebody"),
        issuer.token("somebody", exp=1),
        issuer.token("somebody", key=Key()),
    )
    shown = [key, revoked, secret, good, expired, forged]
    told: list[str] = []
    for value in shown:
        async with realtime(server.ws_url, V1, additional_headers=bearer(value)) as client:
            told.append(str(client.created))
        async with realtime(server.ws_url, "/ws/session", additional_headers=bearer("guest")) as client:
            await client.send(type="session.update", session={"type": "realtime", "x_token": value})
            await client.send(
                type="session.update", session={"type": "realtime", "x_token": value, "wrong": 1}
            )
            await client.send(type="nonsense", x_token=value)
            await client.until("error")
            await client.ask("count to 3")
            told.append(str(client.frames))
        status, body = post(server, {"Authorization": f"Bearer {value}", "Sec-Fetch-Site": KEY_SUBPROTOCOL})
        told.append(str(body).replace(str(body.get("value")), ""))
        assert status in (200, 401)
    token = resume_token("019e0000-0000-7000-8000-000000000001")
    path = f"{V1}?session_id=019e0000-0000-7000-8000-000000000001&resume_token={token[:-1]}"
    async with realtime(server.ws_url, path) as client:
        told.append(str(client.created))
    server.stop()
    issuer.close()
    printed, rows = log.read_text(), await in_db_thread(whole_database)
    assert "ada" in rows
    for value in [*shown, token[:-1]]:
        for place in (printed, rows, *told):
            assert value[-40:] not in place
