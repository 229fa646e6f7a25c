"""The examples of docs/protocol.md with OpenAI's SDKs, run as they stand: over a line that breaks, nothing is missing or
there twice."""

import asyncio
import re
import sys
from pathlib import Path

from tests.protocol.test_protocol_docs import section
from tests.support.server import ServerProcess
from tests.support.tls import self_signed

from .front import Front
from .node_packages import run
from .talk import talk, text_of

CUTS = [7001, 6002]
"""Bytes of what the server sends: the answer has begun by then, and goes on."""


def example(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", section("OpenAI's SDKs"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


async def whole_answer(server: ServerProcess) -> str:
    async with talk(server.ws_url) as client:
        return text_of(await client.ask("Explain WebSocket streaming"))


async def test_the_python_example(server: ServerProcess) -> None:
    front = Front(server.port)
    front.cut_after_bytes = list(CUTS)
    async with front.serving():
        program = example("python").replace("ws://localhost:8000", f"ws://127.0.0.1:{front.port}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        stdout, stderr = await asyncio.wait_for(process.communicate(), timeout=60)
    assert process.returncode == 0, stderr.decode()
    assert front.connections == len(CUTS) + 1
    assert stdout.decode() == await whole_answer(server)


async def test_the_python_example_on_a_line_that_dies_without_a_word(server: ServerProcess) -> None:
    front = Front(server.port)
    front.swallow_after_bytes = [7001]
    async with front.serving():
        program = example("python").replace("ws://localhost:8000", f"ws://127.0.0.1:{front.port}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        stdout, stderr = await asyncio.wait_for(process.communicate(), timeout=90)
    assert process.returncode == 0, stderr.decode()
    assert front.connections == 2
    assert stdout.decode() == await whole_answer(server)


async def test_the_javascript_example(node: list[str], server: ServerProcess, tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path)
    front = Front(server.port, tls=context)
    front.cut_after_bytes = list(CUTS)
    async with front.serving():
        program = example("js").replace("chat.example.com", f"127.0.0.1:{front.port}")
        printed = await run([*node, "--input-type=module"], certificate=certificate, stdin=program)
    assert front.connections == len(CUTS) + 1
    assert printed == await whole_answer(server)
