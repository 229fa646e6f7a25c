"""No task and no thread without an owner who hears of its death: docs/decisions/0025-nothing-dies-unheard.md.

What begins one is written down here, with who hears; everything else goes through `chat.supervision`, which logs it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_ai.env import BASE_DIR

BEGINS = {"create_task", "ensure_future", "Thread", "run_coroutine_threadsafe"}

OWNED = {
    "chat/jobs/worker.py:Worker._run_jobs create_task": "it awaits both",
    "chat/runtime.py:carried_out run_coroutine_threadsafe": "the thread waits for its result",
    "chat/session/response.py:Response.run create_task": "run awaits it at once",
    "chat/supervision.py:heard create_task": "logs what it dies of",
    "chat/terminal/sitting.py:Sitting.run create_task": "the group hears, and ends the other",
    "chat/tools/beside.py:Lane.submit Thread": "what a call raises is the call's result",
    "chat/tools/beside.py:_LoopCall.run run_coroutine_threadsafe": "run awaits it at once",
    "chat/tools/beside.py:ToolLoop.__init__ Thread": "the loop logs what ends it, and goes on",
    "chat/tools/mcp/connection.py:Connection._from_first_to_last create_task": "it catches and logs what it meets",
    "chat/tools/mcp/servers.py:McpServers.start run_coroutine_threadsafe": "it catches and logs what it meets",
    "chat/tools/mcp/servers.py:McpServers.stop run_coroutine_threadsafe": "stop waits for it",
    "chat/tools/runner.py:_within_limit ensure_future": "waits for it, or holds it as cut off and logs its end",
    "chat/tools/runner.py:run_tools create_task": "it takes each one's result",
    "realtime_ai/devserver/beside.py:WorkerBeside.__init__ Thread": "it ends with the server that it looks after",
    "realtime_ai/front/daphne.py:_spawn ensure_future": "it catches and logs what it meets",
    "realtime_ai/processes.py:watch_supervisor Thread": "it does one thing: to end the process",
    "realtime_ai/probes.py:unready_reasons create_task": "each probe awaits it",
    "sessions_app/log/journal.py:Journal.__init__ Thread": "what it dies of ends the process",
}


def begun(tree: ast.AST, within: str = "") -> Iterator[str]:
    """``Class.function name`` of each call that begins a task or a thread."""
    for node in ast.iter_child_nodes(tree):
        inside = within
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inside = f"{within}.{node.name}" if within else node.name
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in BEGINS:
                yield f"{within} {name}"
        yield from begun(node, inside)


def test_each_task_and_thread_has_an_owner() -> None:
    found: dict[str, int] = {}
    for room in ("chat", "identity", "sessions_app", "realtime_ai"):
        for path in sorted((BASE_DIR / room).rglob("*.py")):
            for one in begun(ast.parse(path.read_text(encoding="utf-8"))):
                place = f"{path.relative_to(BASE_DIR)}:{one}"
                found[place] = found.get(place, 0) + 1
    unowned = sorted(found.keys() - OWNED.keys())
    assert unowned == [], "use `heard` or `Tasks` of chat.supervision, or say here who hears of its death"
    assert sorted(OWNED.keys() - found.keys()) == [], "nothing is begun there any more: take them out"
    assert {place: times for place, times in found.items() if times > 1} == {
        "chat/jobs/worker.py:Worker._run_jobs create_task": 2
    }


@pytest.mark.parametrize(
    "code",
    [
        "asyncio.create_task(work())",
        "loop.create_task(work())",
        "asyncio.ensure_future(work())",
        "threading.Thread(target=work).start()",
        "Thread(target=work).start()",
        "asyncio.run_coroutine_threadsafe(work(), loop)",
    ],
)
def test_what_begins_one_is_seen(code: str) -> None:
    source = f"class Some:\n    async def method(self):\n        {code}\n"
    assert [one.split()[0] for one in begun(ast.parse(source))] == ["Some.method"]


def test_a_child_of_a_task_group_is_begun_as_well() -> None:
    """It has an owner, and is seen all the same: the reader of the list above decides."""
    assert list(begun(ast.parse(Path(__file__).read_text(encoding="utf-8")))) == []
    assert list(begun(ast.parse("def f(group):\n    group.create_task(work())"))) == ["f create_task"]
