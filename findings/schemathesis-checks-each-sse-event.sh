#!/usr/bin/env bash
# schemathesis 4.32.5: the schema of an answer of text/event-stream is taken for that of each event, as an object with "data", "id"
# and "event". OpenAPI 3.1 has it describe the whole body, a text: such a schema is said to be violated by every event.
#
# Seen (schemathesis 4.32.5, Python 3.11):
#   a string: violated
#   an object with data: kept
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5
cat > "$folder/run.py" <<'PYTHON'
import schemathesis
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import response_schema_conformance


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return [b"id: 1\ndata: {}\n\n"]


def said(schema):
    content = {"text/event-stream": {"schema": schema}}
    responses = {"200": {"description": "OK", "content": content}}
    raw = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/": {"get": {"responses": responses}}}}
    (found,) = schemathesis.openapi.from_dict(raw).get_all_operations()
    case = found.ok().Case()
    try:
        case.validate_response(case.call(app=app), checks=[response_schema_conformance])
    except FailureGroup:
        return "violated"
    return "kept"


print("a string:", said({"type": "string"}))
print("an object with data:", said({"type": "object", "required": ["data"]}))
PYTHON
"$folder/venv/bin/python" "$folder/run.py" | tee "$folder/seen.txt"
diff - "$folder/seen.txt" <<'SEEN'
a string: violated
an object with data: kept
SEEN
