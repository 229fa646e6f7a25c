"""The web process as it is (`realtime_ai.server`), with `ClockProvider` among its models."""

import sys

from bench.clock_provider import ClockProvider
from chat.providers.registry import FACTORIES
from realtime_ai.server import main

FACTORIES["clock"] = ClockProvider

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
