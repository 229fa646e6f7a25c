"""A server that is down, slow, crashes, floods or lies is a notice, and its tools answer in words."""

import asyncio
import gc
import logging
import sys
import threading
import time

import pytest

from tests.mcp.conftest import SECRET, Notebook, Run, alive
from tests.mcp.raw_server import NAMES
from tests.support.waiting import eventually


async def test_tools_are_offered_and_called(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw()) as running:
        outcome = await running.call("raw__echo")
        assert (outcome.outcome, outcome.output) == ("ok", "echo: hi")
        tool = running.registry.get("raw__echo")
        assert tool
        assert (tool.server_label, tool.spec.description) == ("raw", "echo.")
    assert running.names() == [], "gone with the servers"


async def test_a_result_that_is_an_error_is_one(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw()) as running:
        outcome = await running.call("raw__error_result")
        assert (outcome.outcome, outcome.output) == ("error", "error_result: hi")


async def test_a_refused_call_is_told_without_our_secrets(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw(env={"TOKEN": SECRET})) as running:
        outcome = await running.call("raw__protocol_error")
        assert outcome.outcome == "error"
        assert "refused the call of protocol_error: no such page: ***" in outcome.output


async def test_start_waits_for_no_server(
    run: Run, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # one that this user may not read would be told of instead
    began = time.monotonic()
    async with run(wait=False, raw=notebook.raw("silent"), none={"command": "no-such-command"}) as running:
        assert time.monotonic() - began < 5
        assert running.names() == []

        async def told() -> None:
            assert "cannot start no-such-command: No such file" in running.status("none").problem

        await eventually(told, timeout_s=30)
        assert not running.status("raw").connected


async def test_a_server_that_crashes_in_a_call_is_started_again(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw()) as running:
        outcome = await running.call("raw__die")
        assert outcome.outcome == "error"
        assert (
            "The server 'raw' went away while it ran die. Whether it took effect is unknown" in outcome.output
        )

        async def down() -> None:
            assert len(notebook.pids()) == 2 or "ended with status 7" in running.status().problem

        await eventually(down)
        await running.connected()

        async def again() -> None:
            assert (await running.call("raw__echo")).output == "echo: hi"

        await eventually(again, timeout_s=30)
        assert len(notebook.pids()) == 2


async def test_a_call_while_the_server_is_away_says_that_nothing_was_done(
    run: Run, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.tools.mcp.connection.FIRST_RETRY_SECONDS", 600)
    monkeypatch.setattr("chat.tools.mcp.connection.LAST_RETRY_SECONDS", 600)
    async with run(raw=notebook.raw(timeout_s=1)) as running:
        await running.call("raw__die")
        outcome = await running.call("raw__echo")
        assert outcome.outcome == "error"
        assert "cannot be reached at the moment. Nothing was done" in outcome.output
        assert "raw__echo" in running.names(), "the model would be told that the tool never was"


async def test_a_call_that_is_given_up_is_cancelled_at_the_server(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw(timeout_s=0.5)) as running:
        outcome = await running.call("raw__hang")
        assert "gave no result within 0.5 seconds" in outcome.output
        call = next(line for line in notebook.words() if line.startswith("call hang"))

        async def cancelled() -> None:
            assert f"cancelled {call.split()[-1]}" in notebook.words()

        await eventually(cancelled)
        assert (await running.call("raw__echo")).output == "echo: hi"


async def test_a_server_that_answers_one_request_after_another_is_not_ended_in_a_call(
    run: Run, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.tools.mcp.connection.CHECK_SECONDS", 0.2)
    monkeypatch.setattr("chat.tools.mcp.connection.REQUEST_SECONDS", 2.0)
    async with run(raw=notebook.raw(timeout_s=20)) as running:
        outcome = await running.call("raw__busy")
        assert (outcome.outcome, outcome.output) == ("ok", "busy: hi")
        assert len(notebook.pids()) == 1


async def test_cancelling_the_turn_cancels_the_call_at_the_server(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw()) as running:
        task = asyncio.create_task(running.call("raw__hang"))

        async def begun() -> None:
            assert any(line.startswith("call hang") for line in notebook.words())

        await eventually(begun)
        task.cancel()

        async def cancelled() -> None:
            assert any(line.startswith("cancelled") for line in notebook.words())

        await eventually(cancelled)


async def test_tools_that_come_later_are_offered(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw()) as running:
        await running.call("raw__add_tool")

        async def offered() -> None:
            assert "raw__added" in running.names()

        await eventually(offered)


async def test_a_tool_that_cannot_be_read_hides_no_other(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw("odd")) as running:
        odd = ["no_arguments", "null_arguments", "odd_extras", "odd_hints"]
        assert running.names() == [f"raw__{name}" for name in [*NAMES, *odd]]
        assert set(running.status().left_out) == {
            "'odd_schema': its inputSchema cannot be read",
            "'?': its name cannot be read",
        }
        asks = {tool.name: tool.requires_approval for tool in running.registry}
        assert (asks["raw__odd_extras"], asks["raw__odd_hints"]) == (False, True)


async def test_a_list_whose_pages_have_no_end_is_read_once(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw("pages")) as running:
        assert running.names() == [f"raw__{name}" for name in NAMES]
        assert (running.status().tools, running.status().left_out) == (len(NAMES), ())
        assert notebook.words().count("list") == 2


async def test_a_server_that_never_stops_announcing_changes_is_not_asked_each_time(
    run: Run, notebook: Notebook
) -> None:
    async with run(raw=notebook.raw("restless")) as running:
        await asyncio.sleep(2)
        assert (await running.call("raw__echo")).outcome == "ok"
        assert 2 <= notebook.words().count("list") < 30


async def test_garbage_disturbs_no_call(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw()) as running:
        assert (await running.call("raw__garbage")).output == "garbage: hi"
        assert (await running.call("raw__echo")).output == "echo: hi"
        assert running.status().connected


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("promised_structure", "42 left"),
        ("other_structure", '42 left\n{"left":"many"}'),
        ("structure_alone", '{"left":42}'),
        ("list_structure", '{"result":[1,2]}'),
        (
            "unknown_block",
            "before\n[a block of kind 'hologram': not shown]\n[a block of kind 'text': not shown]\nbehind",
        ),
    ],
)
async def test_what_can_be_read_of_an_odd_result_is_read(
    run: Run, notebook: Notebook, tool: str, text: str
) -> None:
    async with run(raw=notebook.raw()) as running:
        outcome = await running.call(f"raw__{tool}")
        assert (outcome.outcome, outcome.output) == ("ok", text)


async def test_a_result_that_cannot_be_read_is_an_error(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw()) as running:
        outcome = await running.call("raw__bad_result")
        assert (outcome.outcome, "gave something that cannot be read" in outcome.output) == ("error", True)
        assert (await running.call("raw__echo")).output == "echo: hi"


async def test_a_line_without_end_ends_the_server_and_nothing_else(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw(timeout_s=60)) as running:
        outcome = await running.call("raw__endless")
        assert "went away" in outcome.output
        first = notebook.pids()[0]

        async def gone() -> None:
            assert not alive(first)

        await eventually(gone)
        await running.connected()


async def test_of_all_tools_those_are_offered_that_the_settings_choose(
    run: Run, notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    async with run(raw=notebook.raw(tools=["echo", "hang", "ehco"])) as running:
        assert running.names() == ["raw__echo", "raw__hang"]
        assert running.status().left_out == ("'ehco': the server has no such tool",)
        assert "not offered is the tool 'ehco': the server has no such tool" in caplog.text


async def test_a_misspelt_tool_whose_calls_were_to_wait_for_a_yes_is_told(
    run: Run, notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    async with run(raw=notebook.raw(tools=["echo"], requires_approval=["hang", "dei"])) as running:
        assert running.names() == ["raw__echo"]
        assert running.status().left_out == ("'dei': the server has no such tool",)
        assert "the tool 'dei': the server has no such tool" in caplog.text


async def test_two_servers_have_tools_of_one_name(run: Run, notebook: Notebook) -> None:
    async with run(one=notebook.raw(tools=["echo"]), two=notebook.raw(tools=["echo"])) as running:
        assert sorted(running.names()) == ["one__echo", "two__echo"]
        assert (await running.call("two__echo")).output == "echo: hi"


async def test_so_many_calls_of_one_server_at_once(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw(max_concurrent=2, timeout_s=1)) as running:
        outcomes = await asyncio.gather(*(running.call("raw__hang") for _ in range(5)))
        said = sorted(outcome.output for outcome in outcomes)
        assert ["was not started" in one for one in said] == [False, False, True, True, True]
        assert len([line for line in notebook.words() if line.startswith("call hang")]) == 2


async def test_a_stubborn_server_does_not_keep_us_from_stopping(run: Run, notebook: Notebook) -> None:
    async with run(raw=notebook.raw("stubborn")):
        began = time.monotonic()
    assert time.monotonic() - began < 8

    async def gone() -> None:
        assert not alive(notebook.pids()[0])

    await eventually(gone, timeout_s=30)


async def test_stopping_in_the_middle_of_winding_down_leaves_nothing_behind(
    run: Run, notebook: Notebook
) -> None:
    async with run(wait=False, raw=notebook.raw("refuses")):

        async def winds_down() -> None:
            assert "end of stdin" in notebook.words()

        await eventually(winds_down, timeout_s=60)

    async def gone() -> None:
        assert not [thread for thread in threading.enumerate() if thread.name == "mcp"]

    await eventually(gone, timeout_s=60)
    gc.collect()  # complains of a process or a pipe that nobody closed


async def test_without_the_sdk_it_is_said(
    run: Run, notebook: Notebook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "chat.tools.mcp.connection", None)
    async with run(wait=False, raw=notebook.raw()):

        async def told() -> None:
            assert "Install the extra `mcp`" in caplog.text

        await eventually(told)


async def test_the_sdks_server_is_understood_and_its_secrets_are_not_logged(
    run: Run, notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="chat")
    async with run(notes=notebook.notes(timeout_s=60)) as running:
        tools = {tool.name: tool for tool in running.registry}
        reading, writing, archiving = (
            tools[f"notes__{one}"] for one in ("read_note", "write_note", "archive")
        )
        assert (reading.requires_approval, reading.side_effects, reading.idempotent) == (False, False, True)
        assert (writing.requires_approval, writing.side_effects, writing.idempotent) == (True, True, False)
        assert (archiving.requires_approval, archiving.side_effects, archiving.idempotent) == (
            True,
            True,
            True,
        )

        assert (await running.call("notes__count_notes", "")).output == '{\n  "notes": 3\n}'
        assert (await running.call("notes__show_all", "")).output.splitlines() == [
            "Three notes.",
            "[image of type image/png, about 9 bytes: not shown]",
            "[resource first: notes://1 (the oldest)]",
            "[resource notes://2]",
            "Call the plumber.",
        ]
        failed = await running.call("notes__fail", "")
        assert (failed.outcome, "The notebook is locked" in failed.output) == ("error", True)
        assert (await running.call("notes__flood", "")).output == "flooded"
        long = await running.call("notes__ten_megabytes", "")
        assert "of 10000000 characters; the rest is left out" in long.output
        given = (await running.call("notes__environment", "")).output.split()
        assert {"NOTES_JOURNAL", "PATH"} <= {*given}
        assert not {"SECRET_KEY", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"} & {*given}

        assert (await running.call("notes__say_the_secret", "")).output == "said"

        async def heard() -> None:
            assert "the token is ***" in caplog.text

        await eventually(heard)
        assert (await running.call("notes__grow", "")).output == "grown"

        async def grown() -> None:
            assert "notes__late_tool" in running.names()

        await eventually(grown)
    assert SECRET not in caplog.text
    assert notebook.words()[-1] == "ended", "its stdin was closed, and it ended by itself"
