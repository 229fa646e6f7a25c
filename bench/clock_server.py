"""The web process as it is (`realtime_ai.server`), with `ClockProvider` among its models."""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import sys

from bench.clock_provider import ClockProvider
from chat.llm.catalog import register_provider
from realtime_ai.server import main

if __name__ == "__main__":
    register_provider("clock", ClockProvider)
    sys.exit(main(sys.argv[1:]))
