"""``make run`` and ``make serve``, as programs: what they start, what they say, and that they leave nothing behind."""

import asyncio
import re
import secrets
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from realtime_ai.env import BASE_DIR, read_env
from realtime_ai.supervisor.listener import bind, public_url
from tests.platform.support import Supervised, clean_environment, get, run_python
from tests.support.sockets import realtime
from tests.support.waiting import eventually

IN_TIME_S = 10.0


def find(run: Supervised, words: str) -> psutil.Process:
    return next(process for process in run.everything() if words in " ".join(process.cmdline()))


def test_a_first_run_and_a_second(folder: Path) -> None:
    with Supervised(folder / "var") as run:
        url = run.wait_until_up()
        assert get(f"{url}/readyz") == (200, '{"status": "ready"}')
        assert get(f"{url}/")[0] == 200
        assert get(f"{url}/static/admin/css/base.css")[0] == 200
        assert "Model: demo, built in and offline (no model's key is set)" in run.text
        password = _printed_password(run)
        file = folder / "var" / "admin-password"
        assert file.read_text().strip() == password
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

        refused = run_python("-m", "realtime_ai.supervisor", "run", VAR_DIR=str(folder / "var"))
        assert refused.returncode == 1
        assert refused.stderr.startswith(
            f"error: already running in this checkout (process {run.process.pid})"
        )
        assert refused.stderr.count("\n") == 1

        find(run, "manage.py worker").kill()
        find(run, "postgres -D").kill()
        _wait_for(run, "worker started again")
        _wait_for(run, "PostgreSQL ended; starting it again")
        _wait_until_ready(url)

        assert run.stop(signal.SIGINT) < IN_TIME_S
        assert run.process.returncode == 0
        run.wait_until_nothing_is_left(0.5)

    settings = folder / "settings"
    settings.write_text("LLM_MODEL=openai:gpt-5\nOPENAI_API_KEY=of-the-file\n")
    with Supervised(
        folder / "var", ENV_FILE=str(settings), LLM_MODEL="", OPENAI_API_KEY=""
    ) as run:  # what is empty hides the file's
        run.wait_until_up()
        assert "Model: demo, built in and offline (no model's key is set)" in run.text
        assert "Admin user: admin (password in" in run.text
        assert password not in run.text
        assert run.stop(signal.SIGHUP) < IN_TIME_S
        run.wait_until_nothing_is_left(0.5)


def test_the_run_after_a_sigkill_recovers_by_itself(folder: Path) -> None:
    with Supervised(folder / "var") as run:
        run.wait_until_up()
        postgres = find(run, "postgres -D")
        web = find(run, "realtime_ai.server")
        web.suspend()  # it cannot notice: the next run has to find it
        run.process.kill()
        run.process.wait()
        with Supervised(folder / "var") as after:
            url = after.wait_until_up()
            assert "that the last run had left behind" in after.text
            assert not web.is_running()
            assert postgres.is_running()
            assert get(f"{url}/readyz")[0] == 200
            assert after.stop(signal.SIGTERM) < IN_TIME_S
            after.wait_until_nothing_is_left(0.5)


def test_children_of_a_killed_supervisor_end_by_themselves(folder: Path, own_database: str) -> None:
    with Supervised(folder / "var", DATABASE_URL=own_database) as run:
        run.wait_until_up()
        run.process.kill()
        run.process.wait()
        run.wait_until_nothing_is_left(IN_TIME_S)


async def test_a_drain_is_as_long_as_its_setting_says(folder: Path, own_database: str) -> None:
    """An answer of 10 s: longer than the time that a stop takes at most with the drain as it comes."""
    with Supervised(
        folder / "var", DATABASE_URL=own_database, DRAIN_SECONDS="40", DEMO_DELAY_MS="50", LLM_MODEL="demo"
    ) as run:
        url = await asyncio.to_thread(run.wait_until_up)
        async with realtime(url.replace("http", "ws", 1), max_queue=None) as client:
            await client.say("count to 200")
            await client.until("response.output_text.delta")
            run.process.send_signal(signal.SIGTERM)
            assert await client.closed() == 1012
        await asyncio.to_thread(run.process.wait, 60)
        assert "killed" not in run.text
    with psycopg.connect(own_database) as link:
        ends = link.execute(
            "SELECT payload->>'status' FROM session_events WHERE event_type = 'response_done'"
        )
        assert ends.fetchall() == [("completed",)]


def test_a_stop_in_the_middle_of_the_start_leaves_nothing_either(folder: Path) -> None:
    for pause_s in (0.3, 1.5):
        with Supervised(folder / "var") as run:
            time.sleep(pause_s)
            assert run.stop(signal.SIGTERM) < IN_TIME_S
            run.wait_until_nothing_is_left(0.5)


def test_serve_runs_production_settings_in_several_processes(
    folder: Path, own_database: str, redis_url: str
) -> None:
    with Supervised(
        folder / "var",
        "serve",
        DATABASE_URL=own_database,
        REDIS_URL=redis_url,
        WEB_PROCESSES="2",
        SECRET_KEY=secrets.token_urlsafe(60),
        ALLOWED_HOSTS="127.0.0.1",
        INSECURE_HTTP="1",
        ADMIN_PASSWORD="not-printed",
    ) as run:
        url = run.wait_until_up()
        assert "WARNING: INSECURE_HTTP=1" in run.text
        assert "not-printed" not in run.text
        assert not (folder / "var" / "admin-password").exists()
        servers = [process for process in run.everything() if "realtime_ai.server" in process.cmdline()]
        assert len(servers) == 2
        status, page = get(f"{url}/admin/login/")
        assert status == 200
        style = re.search(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', page)
        assert style
        assert get(url + style[1])[0] == 200
        assert "Traceback" not in get(f"{url}/no-such-page")[1]
        assert (
            "process_start_time" not in get(f"{url}/metrics")[1]
        )  # several processes: their sum, not one of them
        assert run.stop(signal.SIGTERM) < IN_TIME_S
        run.wait_until_nothing_is_left(0.5)


async def test_a_killed_process_leaves_no_figures_behind(
    folder: Path, own_database: str, redis_url: str
) -> None:
    with Supervised(
        folder / "var", DATABASE_URL=own_database, REDIS_URL=redis_url, WEB_PROCESSES="2", LLM_MODEL="demo"
    ) as run:
        url = await asyncio.to_thread(run.wait_until_up)
        ws_url = url.replace("http", "ws", 1)
        async with realtime(ws_url), realtime(ws_url), realtime(ws_url):
            await eventually(lambda: _assert_sockets(url, 3))
            for process in run.everything():
                if "realtime_ai.server" in process.cmdline():
                    process.kill()
        await asyncio.to_thread(_wait_for, run, "web 1 started again")
        await asyncio.to_thread(_wait_for, run, "web 2 started again")
        await asyncio.to_thread(_wait_until_ready, url)
        await eventually(lambda: _assert_sockets(url, 0))


async def _assert_sockets(url: str, count: int) -> None:
    _, text = await asyncio.to_thread(get, f"{url}/metrics")
    found = re.findall(r"^chat_sockets\{.*\} ([0-9.]+)$", text, re.MULTILINE)
    assert sum(map(float, found)) == count


def test_a_port_in_use_is_one_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _assert_refused(folder, f"PORT={port}: something else listens on 127.0.0.1", PORT=str(port))


def test_a_full_disk_is_one_line(folder: Path) -> None:
    """Stood in for by a bound of zero bytes a file: a name can be made, and nothing written."""
    command = [sys.executable, "-m", "realtime_ai.supervisor", "run"]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *command],
        cwd=BASE_DIR,
        env=clean_environment(VAR_DIR=str(folder / "var")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: VAR_DIR: cannot write to {folder / 'var'} (")
    assert done.stderr.count("\n") == 1


def test_a_file_in_the_place_of_the_databases_folder_is_one_line(folder: Path) -> None:
    (folder / "var").mkdir()
    (folder / "var" / "postgres").touch()
    _assert_refused(folder, "the embedded PostgreSQL cannot be started: [Errno 17] File exists")


def test_a_bad_value_is_one_line(folder: Path) -> None:
    _assert_refused(folder, "SESSION_GRACE_SECONDS='soon'", SESSION_GRACE_SECONDS="soon")


def test_an_unknown_host_is_one_line(folder: Path) -> None:
    _assert_refused(folder, "HOST=192.0.2.1: no address of this machine", HOST="192.0.2.1")
    _assert_refused(folder, "HOST=db..example.com: no such host", HOST="db..example.com")


def test_several_processes_without_redis_are_refused(folder: Path) -> None:
    _assert_refused(folder, "WEB_PROCESSES=2", WEB_PROCESSES="2")


def test_a_dead_database_url_is_one_line(folder: Path) -> None:
    _assert_refused(
        folder, "DATABASE_URL: cannot connect", DATABASE_URL="postgresql://joe:hunter2@127.0.0.1:1/postgres"
    )


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"LLM_MODEL": "openai:gpt-5"}, "LLM_MODEL=openai:gpt-5: OPENAI_API_KEY is not set."),
        ({"LLM_MODEL": "gpt-5"}, "LLM_MODEL=gpt-5: there is no provider 'gpt-5'. You may mean openai:gpt-5."),
        ({"LLM_FALLBACKS": "groq"}, "LLM_FALLBACKS=groq: GROQ_API_KEY is not set."),
    ],
)
def test_a_model_that_cannot_be_asked_is_one_line(
    folder: Path, own_database: str, variables: dict[str, str], words: str
) -> None:
    _assert_refused(folder, words, DATABASE_URL=own_database, **variables)


def test_serve_refuses_it_too_and_tells_what_it_lacks(folder: Path, own_database: str) -> None:
    production = {"SECRET_KEY": secrets.token_urlsafe(60), "ALLOWED_HOSTS": ".example.com"}
    production |= {
        "DATABASE_URL": own_database,
        "LLM_MODEL": "gpt-5",
        "SUPABASE_KEY": "of-the-project",
    }
    done = run_python("-m", "realtime_ai.supervisor", "serve", VAR_DIR=str(folder / "var"), **production)
    assert done.returncode == 1
    assert done.stderr.startswith("error: LLM_MODEL=gpt-5:")
    assert done.stderr.count("\n") == 1
    assert "WARNING: TRUST_PROXY is not set" in done.stdout
    assert "WARNING: set and not used: SUPABASE_KEY (DATABASE_URL is enough)." in done.stdout


@pytest.mark.parametrize(
    ("variables", "serve", "url"),
    [
        ({}, False, "http://127.0.0.1:{port}"),
        ({"ALLOWED_HOSTS": "chat.test"}, False, "http://chat.test:{port}"),
        ({"ALLOWED_HOSTS": "chat.test,127.0.0.1"}, False, "http://127.0.0.1:{port}"),
        ({"ALLOWED_HOSTS": "chat.example.com"}, True, "https://chat.example.com"),
        ({"ALLOWED_HOSTS": ".example.com,127.0.0.1"}, True, "https://example.com"),
        ({"ALLOWED_HOSTS": "localhost", "INSECURE_HTTP": "1"}, True, "http://localhost:{port}"),
    ],
)
def test_the_printed_address_is_one_that_can_be_opened(
    variables: dict[str, str], serve: bool, url: str
) -> None:
    env = read_env(variables | {"PORT": "0"})
    with bind(env) as listener:
        assert public_url(env, listener, serve=serve) == url.format(port=listener.getsockname()[1])


@pytest.mark.parametrize(
    "command", [["worker"], ["runserver", "127.0.0.1:0"], ["runserver", "--noreload", "0"]]
)
def test_worker_and_runserver_refuse_it_in_the_same_line(command: list[str]) -> None:
    done = run_python("manage.py", *command, LLM_MODEL="openai:gpt-5", SYSTEM_PROMPT="hunter2")
    assert done.returncode == 1
    warning, error = done.stderr.splitlines()
    assert warning == "WARNING: set and not used: SYSTEM_PROMPT (set CHAT_INSTRUCTIONS)."
    assert error.startswith("error: LLM_MODEL=openai:gpt-5: OPENAI_API_KEY is not set.")


def test_a_vendors_package_that_is_missing_is_the_same_line(folder: Path) -> None:
    """As on an installation without the extra: a folder before the installed packages that has no such package."""
    hook = folder / "sitecustomize.py"
    hook.write_text("import sys\nsys.modules['anthropic'] = None\n")
    done = run_python(
        "manage.py", "worker", LLM_MODEL="anthropic", ANTHROPIC_API_KEY="k", PYTHONPATH=str(folder)
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: LLM_MODEL=anthropic: The package anthropic is not installed.")


def _assert_refused(folder: Path, words: str, **variables: str) -> None:
    done = run_python("-m", "realtime_ai.supervisor", "run", VAR_DIR=str(folder / "var"), **variables)
    assert done.returncode == 1, done.stdout
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"error: {words}")
    assert "hunter2" not in done.stdout + done.stderr


def _printed_password(run: Supervised) -> str:
    found = re.search(r"Admin user: admin, password (\S+) \(shown this once", run.text)
    assert found, run.text
    return found[1]


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while (answer := get(f"{url}/readyz"))[0] != 200:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def _wait_for(run: Supervised, words: str) -> None:
    deadline = time.monotonic() + 15
    while words not in run.text:
        assert time.monotonic() < deadline, run.text
        time.sleep(0.05)
