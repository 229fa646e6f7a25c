#!/usr/bin/env bash
# Django 5.2.19: `cache.incr()` in the database's and the file's backend gives the key a new life, of the default time-out.
#
# A counter of attempts is often written so: `cache.add(key, 0, 60)`, `cache.incr(key)`, and ends with its window. In memory
# (and in Redis or memcached, whose own INCR it is) it does. These two backends have the base class's: a `get`, and a
# `set` without a time-out, so the count lives for the backend's TIMEOUT (300 s where none is set) from its latest step
# on. A window of a second stays for minutes and never ends under traffic; one of a day ends after five minutes of quiet.
#
# Seen (Django 5.2.19, Python 3.11), two and a half seconds after a count was begun for one second and raised at once:
#   LocMemCache: None
#   DatabaseCache: 1
#   FileBasedCache: 1
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Django==5.2.19
cat > "$folder/run.py" <<'PYTHON'
import sys
import time

import django
from django.conf import settings
from django.core.cache import caches
from django.core.management import call_command

folder = sys.argv[1]
BACKENDS = {
    "LocMemCache": ("locmem.LocMemCache", "counts"),
    "DatabaseCache": ("db.DatabaseCache", "counts"),
    "FileBasedCache": ("filebased.FileBasedCache", f"{folder}/counts"),
}
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"}},
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        **{
            name: {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location}
            for name, (backend, location) in BACKENDS.items()
        },
    },
)
django.setup()
call_command("createcachetable")
for name in BACKENDS:
    caches[name].add("attempts", 0, timeout=1)
    caches[name].incr("attempts")
time.sleep(2.5)
for name in BACKENDS:
    print(f"{name}: {caches[name].get('attempts')}")
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
LocMemCache: None
DatabaseCache: 1
FileBasedCache: 1
SEEN
