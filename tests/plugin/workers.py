"""How many workers ``-n auto`` means: the suite waits more than it computes, for servers to start and models to be silent.

And a word where nothing ran: exit code 5 alone looks like success to whoever reads the last line.
"""

import gc
import os
import signal
from collections.abc import Generator

import pytest

_MOST = 12


@pytest.hookimpl(tryfirst=True)  # else xdist's own answer, one for each CPU, comes first
def pytest_xdist_auto_num_workers() -> int:
    return min((os.cpu_count() or 1) * 2 + 1, _MOST)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    """A shell that runs this in the background has it ignore Ctrl-C, and every program that a test starts would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        terminalreporter.write_line("error: no test ran: nothing fits what was asked for.", red=True)


def pytest_collection_finish() -> None:
    """All that was collected stays until the end: no collection of garbage looks through it again (0.3 s each time)."""
    gc.collect()
    gc.freeze()
