"""How many workers ``-n auto`` means: the suite waits more than it computes, for servers to start and models to be silent."""

import os

_MOST = 12


def pytest_xdist_auto_num_workers() -> int:
    return min(2 * (os.cpu_count() or 1), _MOST)
