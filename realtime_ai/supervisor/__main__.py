"""``python -m realtime_ai.supervisor run|serve``."""

import argparse
import sys

from realtime_ai.embedded_postgres import EmbeddedPostgresError
from realtime_ai.env import EnvError, load_env
from realtime_ai.processes import Stopped
from realtime_ai.supervisor.plan import AlreadyTold, SupervisorError
from realtime_ai.supervisor.run import Supervisor


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime_ai.supervisor", description=__doc__)
    parser.add_argument("mode", choices=["run", "serve"])
    parser.add_argument(
        "--no-worker", action="store_true", help="the worker runs elsewhere: manage.py worker"
    )
    options = parser.parse_args(arguments)
    try:
        return Supervisor(load_env(), serve=options.mode == "serve", with_worker=not options.no_worker).run()
    except AlreadyTold:
        return 1
    except (EnvError, SupervisorError, EmbeddedPostgresError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Stopped:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
