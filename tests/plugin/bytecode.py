"""What is imported is compiled once, not by each of the many processes of a run.

``PYTHONDONTWRITEBYTECODE``, which many containers set, has each worker compile some 2,000 modules before its first test
(22 s of CPU time instead of 11), and so every program that is started afresh with its environment.
Loaded with ``-p`` before all others (see ``pyproject.toml``), so that their imports count as well.
"""

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
