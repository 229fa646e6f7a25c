"""What is said of a Redis that cannot be used: which of the many reasons it is, without its address or its password."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.test import AsyncClient

from chat.redis_trouble import redis_trouble
from realtime_ai import probes
from realtime_ai.processes import FD_VARIABLE
from tests.support.server import ROOT, ServerProcess
from tests.support.tls import self_signed
from tests.support.waiting import eventually

PASSWORD = "open-sesame-41"


class Doors(NamedTuple):
    plain: int
    tls: int
    certificate: Path
    silent: int


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def doors(redis_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """A Redis with a password that listens in plain text and with TLS, and a port where nobody says a word."""
    folder = tmp_path_factory.mktemp("redis")
    _, certificate = self_signed(folder)
    plain, tls = _free_ports(2)
    command = [redis_program, "--port", str(plain), "--tls-port", str(tls), "--tls-auth-clients", "no"]
    command += ["--tls-cert-file", str(certificate), "--tls-key-file", str(folder / "key.pem")]
    command += ["--requirepass", PASSWORD, "--save", "", "--dir", str(folder), "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not all(_listens(port) for port in (plain, tls)):
            if process.poll() is not None:
                pytest.skip("this redis-server was built without TLS")
            assert time.monotonic() < deadline, "the redis-server did not start"
            time.sleep(0.02)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield Doors(plain, tls, certificate, silent.getsockname()[1])
    finally:
        process.kill()
        process.wait(5)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


CASES = {
    "no password": ("redis://127.0.0.1:{plain}", True, "wants one"),
    "a wrong password": ("redis://:wrong-41@127.0.0.1:{plain}", True, "user or password"),
    "an unknown user": ("redis://nobody:wrong-41@127.0.0.1:{plain}", True, "user or password"),
    "an unknown certificate": (
        "rediss://:{password}@127.0.0.1:{tls}",
        True,
        "not trusted (self-signed certificate)",
    ),
    "no such file": (
        "rediss://:{password}@127.0.0.1:{tls}?ssl_ca_certs=/none.pem",
        True,
        "file of certificates",
    ),
    "plain where TLS is spoken": ("redis://:{password}@127.0.0.1:{tls}", True, "rediss://"),
    "TLS where plain is spoken": ("rediss://:{password}@127.0.0.1:{plain}", True, "redis://"),
    "a database that it has not": ("redis://:{password}@127.0.0.1:{plain}/99", True, "out of range"),
    "an unknown host": ("redis://:{password}@redis.invalid:6379", False, "host is not known"),
    "nobody there": ("redis://:{password}@127.0.0.1:1", False, "nothing listens"),
    "no such socket": ("unix:///nonexistent/redis.sock", False, "no such socket"),
    "a silent port": ("redis://:{password}@127.0.0.1:{silent}", False, "no answer"),
    "a silent port, with TLS": ("rediss://:{password}@127.0.0.1:{silent}", False, "no answer"),
}


def url_of(case: str, doors: Doors) -> str:
    return CASES[case][0].format(password=PASSWORD, **doors._asdict())


@pytest.mark.parametrize("case", CASES)
async def test_the_reason_is_told(case: str, doors: Doors) -> None:
    trouble = await redis_trouble(url_of(case, doors))
    assert trouble is not None
    _, refused, words = CASES[case]
    assert words in trouble.message
    assert trouble.refused is refused
    for secret in (PASSWORD, "wrong-41", "127.0.0.1", "redis.invalid"):
        assert secret not in trouble.message


async def test_nothing_is_told_of_a_redis_that_can_be_used(doors: Doors) -> None:
    for url in (
        f"redis://:{PASSWORD}@127.0.0.1:{doors.plain}",
        f"rediss://:{PASSWORD}@127.0.0.1:{doors.tls}?ssl_ca_certs={doors.certificate}",
    ):
        assert await redis_trouble(url) is None


@pytest.fixture
def redis_at(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    async def fine() -> list[probes.Reason]:
        return []

    def at(url: str) -> None:
        probes.forget()
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "none", "CONFIG": {"hosts": [{"address": url}]}}}

    monkeypatch.setattr(probes, "_database_reasons", fine)
    yield at
    probes.forget()


async def test_readyz_refuses_until_what_was_set_has_been_right_once(redis_at: Any, doors: Doors) -> None:
    redis_at(url_of("a wrong password", doors))
    answer = await AsyncClient().get("/readyz")
    assert answer.status_code == 503
    [reason] = answer.json()["reasons"]
    assert reason["code"] == "redis_refused"
    assert "user or password" in reason["message"]


async def test_readyz_says_that_redis_is_gone_and_stays_ready(redis_at: Any, doors: Doors) -> None:
    """It is a hint only: to take all processes out of service for it would be the outage."""
    redis_at(url_of("nobody there", doors))
    answer = await AsyncClient().get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert "nothing listens" in " ".join(answer.json()["notices"])
    proxied = await AsyncClient().get("/readyz", headers={"x-forwarded-for": "1.2.3.4"})
    assert "notices" not in proxied.json()


async def test_a_password_that_stops_being_right_takes_no_process_out_of_service(
    redis_at: Any, doors: Doors, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_at(f"redis://:{PASSWORD}@127.0.0.1:{doors.plain}")
    assert (await AsyncClient().get("/readyz")).json() == {"status": "ready"}
    monkeypatch.setattr(probes, "FRESH_S", 0.0)
    url = url_of("a wrong password", doors)
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "none", "CONFIG": {"hosts": [{"address": url}]}}}
    answer = await AsyncClient().get("/readyz")
    assert answer.status_code == 200
    assert "user or password" in " ".join(answer.json()["notices"])


@pytest.mark.django_db(transaction=True)
async def test_a_server_says_it_when_it_starts(doors: Doors, tmp_path: Path) -> None:
    server = ServerProcess(REDIS_URL=url_of("plain where TLS is spoken", doors))
    server.log = tmp_path / "log"
    try:
        await asyncio.to_thread(server.start)

        async def told() -> None:
            assert "this Redis wants TLS" in server.log.read_text()  # type: ignore[union-attr]

        await eventually(told)
        assert PASSWORD not in server.log.read_text()
    finally:
        server.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("case", "status"), [("a wrong password", 1), ("nobody there", 0)])
def test_the_preparation_stops_for_what_will_not_pass_by_itself(
    case: str, status: int, doors: Doors, tmp_path: Path
) -> None:
    server = ServerProcess(
        REDIS_URL=url_of(case, doors), VAR_DIR=str(tmp_path), ADMIN_PASSWORD="for-the-test"
    )
    command = [sys.executable, "-m", "realtime_ai.supervisor.prepare"]
    env = {name: value for name, value in server.env.items() if name != FD_VARIABLE}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    server.close()
    assert done.returncode == status, done.stderr
    assert CASES[case][2] in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
