"""Through a real server: whatever a tool does, its own session gets an answer and the one beside it streams on."""

import asyncio
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import ServerProcess
from tests.support.sockets import Frame, realtime
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("transactional_db")
COUNT = 60


@pytest.fixture(scope="module")
def flag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("naughty") / "flag"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("naughty") / "log"


@pytest.fixture(scope="module")
def naughty_server(django_db_setup: None, flag: Path, log: Path) -> Iterator[ServerProcess]:
    """A server with the naughty app; what it writes to stderr is in ``log``."""
    server = ServerProcess(
        DJANGO_SETTINGS_MODULE="tests.tools.naughty.settings",
        NAUGHTY_FLAG=str(flag),
        DEMO_DELAY_MS="5",
        GUESTS_ALLOWED="1",
        SESSION_GRACE_SECONDS="0.3",
    )
    server.log = log
    try:
        yield server.start()
        assert server.stop() in (0, -signal.SIGTERM), "the server died, or a tool kept it from stopping"
    finally:
        server.close()


def hold(flag: Path) -> None:
    """What waits for the flag waits from now on."""
    flag.unlink(missing_ok=True)


def release(flag: Path) -> None:
    flag.touch()


def logged(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


async def call_beside(server: ServerProcess, words: str) -> Frame:
    """The call's item, after another session has streamed a whole answer beside it."""
    async with realtime(server.ws_url) as neighbour, realtime(server.ws_url) as client:
        (text, beside), (_, done) = await asyncio.gather(
            neighbour.ask(f"Count to {COUNT}"), client.ask(words)
        )
        assert beside["response"]["status"] == "completed"
        assert [int(word) for word in text.replace(",", " ").replace(".", " ").split() if word.isdigit()] == [
            *range(1, COUNT + 1)
        ]
        assert done["response"]["status"] == "completed", done
        again, _ = await client.ask("What is 6 * 7?")
        assert "42" in again, "the session itself does not go on"
    item: Frame = done["response"]["output"][0]
    assert item["type"] == "mcp_call", item
    return item


@pytest.mark.parametrize("tool", ["blow_up", "blow_up_async"])
@pytest.mark.parametrize(
    "kind",
    ["value_error", "system_exit", "keyboard_interrupt", "generator_exit", "memory_error", "recursion_error"],
)
async def test_whatever_a_tool_raises_is_an_error_of_this_call_alone(
    naughty_server: ServerProcess, tool: str, kind: str
) -> None:
    item = await call_beside(naughty_server, f"Call {tool} with {kind}")
    assert item["error"]["message"].startswith(f"{tool} failed. This is a fault of the server's")
    assert "bang" not in str(item)


async def test_a_task_of_a_tools_own_that_ends_the_process_does_not(naughty_server: ServerProcess) -> None:
    item = await call_beside(naughty_server, "Call exit_in_a_task")
    assert item["x_outcome"] in ("ok", "error")
    item = await call_beside(naughty_server, "Call nap_in_async with 1")
    assert item["output"] == "rested", "async tools do not run any more"


@pytest.mark.parametrize(
    ("what", "outcome", "said"),
    [
        ("ten_mb", "ok", "of 10000000 characters; the rest is left out"),
        ("ten_mb_of_json", "ok", "characters; the rest is left out"),
        ("a_set", "ok", "[1]"),
        ("some_bytes", "ok", '"/wA="'),
        ("not_a_number", "ok", '{"value":null}'),
        ("surrogate_text", "ok", "a ? b  c"),
        ("lone_surrogate", "error", "gave a result that cannot be passed on"),
        ("cyclic", "error", "gave a result that cannot be passed on"),
        ("a_lock", "error", "gave a result that cannot be passed on"),
    ],
)
async def test_whatever_a_tool_returns_is_text_within_bounds_or_an_error(
    naughty_server: ServerProcess, what: str, outcome: str, said: str
) -> None:
    item = await call_beside(naughty_server, f"Call give with {what}")
    text = item["output"] if outcome == "ok" else item["error"]["message"]
    assert item["x_outcome"] == outcome
    assert said in text
    assert len(text) <= 5_000


async def test_a_tool_that_prints_disturbs_nobody(naughty_server: ServerProcess) -> None:
    assert (await call_beside(naughty_server, "Call shout"))["output"] == "said"


@pytest.mark.parametrize("tool", ["hang_in_thread", "ignore_cancellation", "block_the_loop"])
async def test_a_tool_that_hangs_is_given_up_while_it_still_hangs(
    naughty_server: ServerProcess, flag: Path, tool: str
) -> None:
    """It is released only afterwards: what waited for it would wait for ever."""
    hold(flag)
    item = await call_beside(naughty_server, f"Call {tool}")
    assert f"{tool} gave no result within 0.5 seconds" in item["error"]["message"]
    release(flag)


async def test_other_async_tools_run_although_one_blocks_their_loop(
    naughty_server: ServerProcess, flag: Path, log: Path
) -> None:
    hold(flag)
    await call_beside(naughty_server, "Call block_the_loop")
    await asyncio.sleep(3.2)  # as long as a loop may be blocked
    item = await call_beside(naughty_server, "Call nap_in_async with 1")
    assert item["output"] == "rested"
    assert "tool block_the_loop blocks the event loop of the tools" in logged(log)
    release(flag)


async def test_a_tool_that_blocks_is_named_in_the_log(naughty_server: ServerProcess, log: Path) -> None:
    await call_beside(naughty_server, "Call nap_in_async with 400")
    told = re.search(r"tool nap_in_async blocked the event loop 'tools' for ([\d.]+) s", logged(log))
    assert told
    assert float(told[1]) >= 0.4


async def test_a_call_that_gets_no_place_in_time_says_that_nothing_was_done(
    naughty_server: ServerProcess, flag: Path
) -> None:
    hold(flag)
    first, second = await asyncio.gather(
        call_beside(naughty_server, "Call one_at_a_time"), call_beside(naughty_server, "Call one_at_a_time")
    )
    said = sorted(item["error"]["message"] for item in (first, second))
    assert "gave no result within 1 seconds" in said[0]
    assert "was not started" in said[1]
    assert "Nothing was done" in said[1]
    release(flag)

    async def free() -> None:
        item = await call_beside(naughty_server, "Call one_at_a_time")
        assert item["output"] == "mine", "the place was not given back"

    await eventually(free, timeout_s=30)
