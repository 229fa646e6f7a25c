"""What is imported is compiled once, not by each of the many processes of a run: a server's imports take half the CPU time.

``PYTHONDONTWRITEBYTECODE``, which many containers set, would have each of them compile some 2,000 modules again.
Loaded with ``-p`` before all others (see ``pyproject.toml``), so that their imports count as well.
"""

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
