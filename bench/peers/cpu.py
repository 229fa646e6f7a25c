"""CPU time and memory of processes from outside."""

import contextlib
import os
from collections.abc import Collection, Iterator

import psutil


def cpu_s(pid: int) -> float:
    """User and system, of the process alone."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def tree_cpu_s(pid: int) -> float:
    """User and system of the process, of its children that live, and of those that it has waited for."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(child.cpu_times()[:2])
    return float(total)


def resident_kib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss / 1024)


@contextlib.contextmanager
def core_of_its_own(pid: int, others: Collection[int]) -> Iterator[None]:
    """One core for the process, the rest for the ``others`` and their children; without effect where that cannot be said
    (macOS), or where there is one core."""
    if not hasattr(os, "sched_setaffinity") or len(all_cores := os.sched_getaffinity(0)) < 2:
        yield
        return
    its, *rest = sorted(all_cores)
    elsewhere = [
        found for one in others for found in (one, *(child.pid for child in psutil.Process(one).children()))
    ]
    try:
        _place([pid], {its})
        _place(elsewhere, set(rest))
        yield
    finally:
        _place([pid, *elsewhere], all_cores)


def _place(pids: Collection[int], cores: Collection[int]) -> None:
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            for thread in psutil.Process(pid).threads():
                os.sched_setaffinity(thread.id, cores)
