"""Two gates of ``make lint`` that are Django commands: migrations complete, production settings sound.

They run without a database, and with an environment of their own: the developer's ``.env`` has no say.
"""

import os
import secrets
import subprocess
import sys

from realtime_ai.env import BASE_DIR

_PRODUCTION = {"ALLOWED_HOSTS": "chat.example.com", "SECRET_KEY": secrets.token_urlsafe(60)}
GATES: tuple[tuple[list[str], dict[str, str]], ...] = (
    (["makemigrations", "--check", "--dry-run"], {"DJANGO_SETTINGS_MODULE": "realtime_ai.settings.test"}),
    (
        ["check", "--deploy", "--fail-level", "WARNING"],
        {"DJANGO_SETTINGS_MODULE": "realtime_ai.settings.production"} | _PRODUCTION,
    ),
)


def main() -> int:
    for command, variables in GATES:
        print(f"manage.py {' '.join(command)}", flush=True)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        environment = kept | {"ENV_FILE": os.devnull, "VAR_DIR": os.devnull} | variables
        # a missing database is expected here, and Django warns about it
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "manage.py", *command],
            cwd=BASE_DIR,
            env=environment,
            check=False,
        )
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
