"""CPU time and memory of processes from outside."""

import contextlib

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
