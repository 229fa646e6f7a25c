"""Before the first request: checks, static files, the schema, the admin's user. A process of its own, run once."""

import argparse
import asyncio
import errno
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

import django
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db.utils import OperationalError

from chat.redis_trouble import redis_trouble, redis_url
from realtime_ai.embedded_postgres.server import write_private
from realtime_ai.env import Env, EnvError, load_env
from realtime_ai.processes import watch_supervisor
from realtime_ai.starting import refuse_errors
from realtime_ai.stores import explain_connection_error

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime_ai.supervisor.prepare")
    parser.add_argument("--serve", action="store_true", help="production: deployment checks, static files")
    serve = parser.parse_args(arguments).serve
    watch_supervisor()
    os.environ["DATABASE_POOL_MAX"] = "0"  # one connection is enough, and a dead database is told at once
    try:
        prepare(serve=serve)
    except (EnvError, CommandError, SystemCheckError) as error:
        return _fail(str(error))
    except OSError as error:
        if error.errno not in _DISK:
            raise
        return _fail(f"VAR_DIR: {error}. Free some space, or set VAR_DIR elsewhere.")
    except OperationalError as error:
        return _fail(explain_connection_error(error) or " ".join(str(error).split()))
    return 0


def prepare(*, serve: bool) -> None:
    _clear_metrics()  # first: whoever imports a metric opens its file
    django.setup()
    env = load_env()
    refuse_errors()  # what the worker would end with, again and again
    if serve:
        call_command("check", deploy=True, fail_level="ERROR")
        call_command("collectstatic", interactive=False, verbosity=0)
    else:
        call_command("check", tags=["sessions"], fail_level="ERROR")
    _check_redis()
    _migrate()
    _ensure_admin(env, show_password=not serve)
    print(f"Model: {_model_in_use(env)}")


def _clear_metrics() -> None:
    """Files of processes that are gone would be counted on."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir(parents=True)


def _check_redis() -> None:
    """Raises `CommandError` for what will not pass by itself; a Redis that is away is told of, and may come."""
    url = redis_url()
    trouble = asyncio.run(redis_trouble(url)) if url else None
    if trouble and trouble.refused:
        raise CommandError(trouble.message)
    if trouble:
        print(f"WARNING: {trouble.message} Until it is there, processes do not hear of each other.")


def _migrate() -> None:
    """Also with nothing to apply: ``post_migrate`` closes new tables to others' roles."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if pending:
        print(f"Applying {pending} migrations ...")
    call_command("migrate", interactive=False, verbosity=0)


def _ensure_admin(env: Env, *, show_password: bool) -> None:
    """Make the superuser when there is none of that name. An existing one keeps its password."""
    from django.contrib.auth import get_user_model

    users: Any = get_user_model()._default_manager
    file = env.var_dir / "admin-password"
    if users.filter(username=env.admin_username).exists():
        hint = f" (password in {file})" if file.exists() and not env.admin_password else ""
        print(f"Admin user: {env.admin_username}{hint}")
        return
    password = env.admin_password or secrets.token_urlsafe(12)
    if env.admin_password:
        users.create_superuser(env.admin_username, password=password)
        file.unlink(missing_ok=True)
        print(f"Admin user: {env.admin_username}, made with ADMIN_PASSWORD")
        return
    write_private(file, password + "\n")  # first: a user whose password could not be kept would let nobody in
    users.create_superuser(env.admin_username, password=password)
    shown = f", password {password} (shown this once; kept" if show_password else ", password (kept"
    print(f"Admin user: {env.admin_username}{shown} in {file})")


def _model_in_use(env: Env) -> str:
    from chat.llm.catalog import default_model_spec

    spec = default_model_spec()
    if env.chat.llm_fallbacks:
        return f"{spec}; if it fails, {', then '.join(env.chat.llm_fallbacks)}"
    if spec != "demo":
        return spec
    return "demo, built in and offline" + ("" if env.chat.llm_model else " (no model's key is set)")


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
