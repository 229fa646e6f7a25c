"""How large the product is, and how much of it one "hello" goes through: the figures of docs/decisions/.

Lines are those of git's files, comments and blank ones with them, without migrations. "Hello" is one message on the
Realtime wire to the demo model, from the frame that asks to ``response.done``, on a server that has answered once; what the
server enters while nobody says anything (its lease, the look for orphans) is not counted.

    python -m bench size
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import ast
import asyncio
import os
import statistics
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import grimp
import msgspec
from channels.testing import WebsocketCommunicator
from django.conf import settings

from bench.support import proxied_database, table
from tests.support.database import database_url

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("realtime_ai", "chat", "identity", "sessions_app")
SMALL, LARGE = 30, 600
_IDLE_S = 6.0
"""Longer than the slowest beat of a server."""


def product_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return [ROOT / name for name in listed if name.startswith(PACKAGES) and "/migrations/" not in name]


def sizes() -> list[list[str]]:
    lines = {path: len(path.read_text().splitlines()) for path in product_files()}
    counted = {path: count for path, count in lines.items() if path.name != "__init__.py"}
    functions = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in lines
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    small = sorted(str(path.relative_to(ROOT)) for path, count in counted.items() if count < SMALL)
    large = sorted(str(path.relative_to(ROOT)) for path, count in counted.items() if count > LARGE)
    return [
        ["lines of product Python", f"{sum(lines.values()):,}"],
        ["files; median lines of one", f"{len(counted)}; {statistics.median(counted.values()):.0f}"],
        ["functions; median lines of one", f"{len(functions):,}; {statistics.median(functions):.0f}"],
        [f"files under {SMALL} lines", f"{len(small)}: {', '.join(small)}"],
        [f"files over {LARGE} lines", ", ".join(large) or "none"],
    ]


def rooms() -> list[list[str]]:
    graph = grimp.build_graph(*PACKAGES, include_external_packages=False)
    lines: Counter[str] = Counter()
    for path in product_files():
        parts = path.relative_to(ROOT).with_suffix("").parts
        lines[".".join(parts[:2]) if len(parts) > 2 else parts[0]] += len(path.read_text().splitlines())
    circles = sum(
        len(graph.nominate_cycle_breakers(package) or ())
        for package in [*PACKAGES, *(f"{one}" for one in lines if "." in one)]
        if package in graph.modules
    )
    biggest = ", ".join(f"{room} {count:,}" for room, count in lines.most_common(12))
    return [["largest rooms, lines", biggest], ["imports to cut so that no circle is left", str(circles)]]


class Walk:
    """Counts the product's files and functions that are entered, in every thread that begins after it was made."""

    def __init__(self) -> None:
        self.on = False
        self.functions: set[tuple[str, str]] = set()
        threading.setprofile(self._entered)
        sys.setprofile(self._entered)

    def _entered(self, frame: FrameType, event: str, _arg: Any) -> None:
        if self.on and event == "call" and frame.f_code.co_filename.startswith(str(ROOT)):
            path = Path(frame.f_code.co_filename).relative_to(ROOT)
            if path.parts[0] in PACKAGES:
                self.functions.add((str(path), frame.f_code.co_qualname))


async def hello(walk: Walk) -> None:
    from chat.runtime import shutdown, startup
    from realtime_ai.asgi import application

    await startup()
    socket = WebsocketCommunicator(application, "/v1/realtime", headers=[(b"host", b"127.0.0.1")])
    try:
        assert (await socket.connect(timeout=20))[0]
        for turn in range(2):
            if turn == 1:
                walk.on = True
                await asyncio.sleep(_IDLE_S)
                idle, walk.functions = walk.functions, set()
            for frame in (
                {
                    "type": "conversation.item.create",
                    "item": {
                        "type": "message",
                        "role": "user",
                        "content": [{"type": "input_text", "text": "hello"}],
                    },
                },
                {"type": "response.create"},
            ):
                await socket.send_to(text_data=msgspec.json.encode(frame).decode())
            while '"response.done"' not in await socket.receive_from(timeout=20):
                pass
        walk.on = False
        walk.functions -= idle
    finally:
        await socket.disconnect()
        await shutdown()


def walk_through() -> None:
    settings.CHAT_DEMO_DELAY_MS = 0
    walk = Walk()
    asyncio.run(hello(walk))
    sys.setprofile(None)
    print(msgspec.json.encode(sorted(walk.functions)).decode())


def main() -> None:
    with proxied_database():  # in a process of its own, which closes what it has opened
        walked = subprocess.run(
            [sys.executable, "-m", "bench.size", "walk"],
            env={**os.environ, "DATABASE_URL": database_url()},
            stdout=subprocess.PIPE,
            check=True,
        )
    functions = msgspec.json.decode(walked.stdout.splitlines()[-1], type=list[tuple[str, str]])
    files = sorted({path for path, _ in functions})
    went = [["files; functions that a hello enters", f"{len(files)}; {len(functions)}"]]
    print(table(["what", "figure"], [*sizes(), *rooms(), *went]))
    print("\nA hello goes through " + ", ".join(files) + ".")


if __name__ == "__main__":
    walk_through() if "walk" in sys.argv else main()
