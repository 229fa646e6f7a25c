"""The server without automatic collections of garbage: at SIGUSR2 it tells how many objects one would have found."""

import gc
import signal
import sys

from realtime_ai.server import main


def _tell(*_: object) -> None:
    print("garbage:", gc.collect(), flush=True)


if __name__ == "__main__":
    gc.disable()
    signal.signal(signal.SIGUSR2, _tell)
    sys.exit(main(sys.argv[1:]))
