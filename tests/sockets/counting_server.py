"""The server, which tells at SIGUSR2 how many objects a full collection of garbage finds, and after how many new ones there is one.

``NO_COLLECTIONS``: none happens by itself.
"""

import gc
import math
import os
import signal
import sys

from realtime_ai.server import main


def _tell(*_: object) -> None:
    print("garbage:", gc.collect(), math.prod(gc.get_threshold()), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _tell)
    if "NO_COLLECTIONS" in os.environ:
        gc.enable = lambda: None
    sys.exit(main(sys.argv[1:]))
