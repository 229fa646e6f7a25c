"""How many workers ``-n auto`` means: the suite waits more than it computes, for servers to start and models to be silent."""

import os

import pytest

_MOST = 12


@pytest.hookimpl(tryfirst=True)  # else xdist's own answer, one for each CPU, comes first
def pytest_xdist_auto_num_workers() -> int:
    return min((os.cpu_count() or 1) + 1, _MOST)
