#!/usr/bin/env bash
# django-ninja 1.7.1: an operation for GET answers HEAD with 405, and says so in plain text, whatever shape the API's errors have:
# no handler of errors is asked. RFC 9110, 9.1: a general-purpose server has to support GET and HEAD.
#
# Seen (django-ninja 1.7.1, Django 5.2, Python 3.11):
#   GET: 200 application/json; charset=utf-8
#   HEAD: 405 text/html; charset=utf-8
#   PUT: 405 text/html; charset=utf-8
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check django-ninja==1.7.1 "django>=5.2,<5.3"
cat > "$folder/run.py" <<'PYTHON'
import django
from django.conf import settings

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
django.setup()

from django.http import JsonResponse
from django.test import Client
from django.urls import path
from ninja import NinjaAPI

api = NinjaAPI()
api.add_exception_handler(Exception, lambda request, error: JsonResponse({"error": str(error)}, status=400))


@api.get("/a")
def a(request) -> dict:
    return {}


urlpatterns = [path("api/", api.urls)]
for method in ("GET", "HEAD", "PUT"):
    answer = Client().generic(method, "/api/a")
    print(f"{method}: {answer.status_code} {answer.headers['Content-Type']}")
PYTHON
(cd "$folder" && venv/bin/python run.py) 2>/dev/null | tee "$folder/seen.txt"
diff - "$folder/seen.txt" <<'SEEN'
GET: 200 application/json; charset=utf-8
HEAD: 405 text/html; charset=utf-8
PUT: 405 text/html; charset=utf-8
SEEN
