#!/usr/bin/env bash
# psycopg_pool 3.3.3 (psycopg 3.3.9): a pool that gave up connecting (reconnect_timeout) begins again with the *next* request
# only. A client that waits already is not served although the database is back: it waits until its own time-out, unless
# somebody else asks or `reconnect_failed` is given and calls `pool.check()`.
#
# Seen: "waiting alone: PoolTimeout after 6.0 s; with reconnect_failed: served after 3.0 s"
#
# The connection is a stand-in: no server is needed to see it. Exits non-zero when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "psycopg[binary]==3.3.9" "psycopg-pool==3.3.3"
cat > "$folder/see.py" <<'PYTHON'
import logging
import time

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

logging.disable(logging.CRITICAL)
BACK_AFTER_S = 2.2  # the pool tries at 0, 1 and 2 s, and gives up at 2 s


class Server:
    """What a connection is to the pool, for as long as its server is up."""

    up_at = 0.0

    class pgconn:
        transaction_status = TransactionStatus.IDLE

    closed = False

    @classmethod
    def connect(cls, *_, **__):
        if time.monotonic() < cls.up_at:
            raise psycopg.OperationalError("away")
        return cls()

    def close(self):
        pass


def wait(**options):
    Server.up_at = time.monotonic() + BACK_AFTER_S
    pool = ConnectionPool(
        connection_class=Server, min_size=0, max_size=2, reconnect_timeout=2, timeout=6, open=True, **options
    )
    started = time.monotonic()
    try:
        pool.getconn()
        how = "served"
    except PoolTimeout:
        how = "PoolTimeout"
    took = time.monotonic() - started
    pool.close()
    return how, took


def again(pool):
    if pool.get_stats().get("requests_waiting"):
        pool.check()


alone, took_alone = wait()
helped, took_helped = wait(reconnect_failed=again)
print(f"waiting alone: {alone} after {took_alone:.1f} s; with reconnect_failed: {helped} after {took_helped:.1f} s")
raise SystemExit(0 if (alone, helped) == ("PoolTimeout", "served") else 1)
PYTHON
"$folder/venv/bin/python" "$folder/see.py"
