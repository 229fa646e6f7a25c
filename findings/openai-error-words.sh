#!/usr/bin/env bash
# openai 3.54.0: an error's words are in the exception only where the body is {"error": {"message": ...}}.
#
# Every gateway and local server with OpenAI's API has errors of its own shape (FastAPI's {"detail"}, Google's list, HTML).
# str(error) then is "Error code: 400" and no more; whoever logs the exception learns nothing. The body is in error.body, or in
# error.response.text. (Older versions put the whole body into the message.)
#
# Seen (openai 3.54.0, httpx2 2.16.2, Python 3.11):
#   object: Error code: 400 - the prompt is too long
#   list: Error code: 400
#   detail: Error code: 400
#   message: Error code: 400 - the prompt is too long
#   text: Error code: 400
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openai==3.54.0 httpx2==2.16.2
cat > "$folder/run.py" <<'PYTHON'
import json

import httpx2
import openai

WORDS = "the prompt is too long"
BODIES = {
    "object": json.dumps({"error": {"message": WORDS}}),
    "list": json.dumps([{"error": {"message": WORDS}}]),
    "detail": json.dumps({"detail": WORDS}),
    "message": json.dumps({"message": WORDS}),
    "text": WORDS,
}
for name, body in BODIES.items():
    transport = httpx2.MockTransport(lambda _, body=body: httpx2.Response(400, content=body.encode()))
    client = openai.OpenAI(api_key="none", max_retries=0, http_client=httpx2.Client(transport=transport))
    try:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    except openai.BadRequestError as error:
        print(f"{name}: {error}")
PYTHON
"$folder/venv/bin/python" "$folder/run.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
object: Error code: 400 - the prompt is too long
list: Error code: 400
detail: Error code: 400
message: Error code: 400 - the prompt is too long
text: Error code: 400
SEEN
