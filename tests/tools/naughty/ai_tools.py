"""What goes wrong, by name. What hangs does so until the file that ``NAUGHTY_FLAG`` names is there."""

import asyncio
import contextlib
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NoReturn

from chat.tools import tool


def _released() -> bool:
    return Path(os.environ["NAUGHTY_FLAG"]).exists()


def _outlive() -> NoReturn:
    while not _released():
        time.sleep(0.05)
    os._exit(0)


@tool
def leave_a_child(way: Literal["os_fork", "multiprocessing", "subprocess", "os_system"]) -> int:
    """Start a process that lives on until the flag is there; its pid."""
    wait = f"while [ ! -e {os.environ['NAUGHTY_FLAG']} ]; do sleep 0.05; done"
    match way:
        case "os_fork":
            return os.fork() or _outlive()
        case "multiprocessing":
            process = multiprocessing.get_context("fork").Process(target=_outlive, daemon=True)
            process.start()
            return process.pid or 0
        case "subprocess":
            return subprocess.Popen(["/bin/sh", "-c", wait], close_fds=False).pid
    os.system(f"({wait}) & echo $! > $NAUGHTY_FLAG.pid")
    return int(Path(os.environ["NAUGHTY_FLAG"] + ".pid").read_text())


@tool(timeout_s=0.5)
def hang_in_thread() -> str:
    """Wait for the flag, in a thread."""
    while not _released():
        time.sleep(0.05)
    return "released"


@tool(timeout_s=0.5)
async def ignore_cancellation() -> str:
    """Wait for the flag, whatever comes."""
    while not _released():
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue
    return "released"


@tool(timeout_s=0.5)
async def block_the_loop() -> str:
    """Wait for the flag without ever giving the loop back."""
    while not _released():
        time.sleep(0.05)  # noqa: ASYNC251 - that is the point
    return "released"


@tool
async def nap_in_async(ms: int) -> str:
    """Block the loop for so many milliseconds."""
    time.sleep(ms / 1000)  # noqa: ASYNC251 - that is the point
    return "rested"


Bang = Literal[
    "value_error", "system_exit", "keyboard_interrupt", "generator_exit", "memory_error", "recursion_error"
]


@tool
def blow_up(kind: Bang) -> None:
    """Raise."""
    _raise(kind)


@tool
async def blow_up_async(kind: Bang) -> None:
    """Raise."""
    _raise(kind)


@tool
async def exit_in_a_task() -> None:
    """Raise SystemExit in a task of its own."""

    async def leave() -> None:
        raise SystemExit(3)

    task = asyncio.create_task(leave())
    await asyncio.wait([task])


def _raise(kind: str) -> None:
    if kind == "recursion_error":
        _raise(kind)
    errors: dict[str, BaseException] = {
        "value_error": ValueError("bang"),
        "system_exit": SystemExit("bang"),
        "keyboard_interrupt": KeyboardInterrupt("bang"),
        "generator_exit": GeneratorExit("bang"),
        "memory_error": MemoryError("bang"),
    }
    raise errors[kind]


def _cyclic() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


_RESULTS: dict[str, Callable[[], Any]] = {
    "ten_mb": lambda: "x" * 10_000_000,
    "ten_mb_of_json": lambda: [{"key": "y" * 90}] * 100_000,
    "a_set": lambda: {1},
    "some_bytes": lambda: b"\xff\x00",
    "not_a_number": lambda: {"value": float("nan")},
    "lone_surrogate": lambda: {"text": "\ud800"},
    "surrogate_text": lambda: "a \ud800 b \x00 c",
    "cyclic": _cyclic,
    "a_lock": threading.Lock,
}


@tool
def give(
    what: Literal[
        "ten_mb",
        "ten_mb_of_json",
        "a_set",
        "some_bytes",
        "not_a_number",
        "lone_surrogate",
        "surrogate_text",
        "cyclic",
        "a_lock",
    ],
) -> Any:
    """Return what is hard to pass on."""
    return _RESULTS[what]()


@tool
def shout() -> str:
    """Print a lot."""
    for stream in (sys.stdout, sys.stderr):
        print("noise " * 20_000, file=stream, flush=True)
    return "said"


@tool(max_concurrent=1, timeout_s=1.0)
async def one_at_a_time() -> str:
    """Wait for the flag, alone, and keep the place although cancelled."""
    while not _released():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)
    return "mine"
