#!/usr/bin/env bash
# google-genai 3.4.0: its reader of server-sent events takes every line that does not begin with "data: " for JSON.
#
# By the standard (https://html.spec.whatwg.org/multipage/server-sent-events.html) a stream may hold comments (": keep-alive"),
# event names, ids, and "data:" without a blank behind the colon; proxies add the first, several servers write the last.
# generate_content_stream raises for each of them, in the middle of the answer.
#
# Seen (google-genai 3.4.0, httpx2 2.16.2, Python 3.11):
#   plain: Hello
#   comment: UnknownApiResponseError
#   event: UnknownApiResponseError
#   no blank: UnknownApiResponseError
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-genai==3.4.0 httpx2==2.16.2
cat > "$folder/run.py" <<'PYTHON'
import asyncio
import json

import httpx2
from google import genai
from google.genai import types

CHUNKS = [
    {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}]} for text in ("Hel", "lo")
]
CHUNKS.append({"candidates": [{"index": 0, "finishReason": "STOP"}]})
STREAMS = {
    "plain": "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS),
    "comment": "".join(f": keep-alive\n\ndata: {json.dumps(chunk)}\n\n" for chunk in CHUNKS),
    "event": "".join(f"event: message\ndata: {json.dumps(chunk)}\n\n" for chunk in CHUNKS),
    "no blank": "".join(f"data:{json.dumps(chunk)}\n\n" for chunk in CHUNKS),
}


async def said(stream: str) -> str:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream.encode())

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    client = genai.Client(api_key="none", http_options=types.HttpOptions(httpx_async_client=http))
    try:
        chunks = await client.aio.models.generate_content_stream(model="gemini-3.8-flash", contents="Hi")
        return "".join([chunk.text or "" async for chunk in chunks])
    except Exception as error:
        return type(error).__name__


for name, stream in STREAMS.items():
    print(f"{name}: {asyncio.run(said(stream))}")
PYTHON
"$folder/venv/bin/python" "$folder/run.py" 2>/dev/null | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
plain: Hello
comment: UnknownApiResponseError
event: UnknownApiResponseError
no blank: UnknownApiResponseError
SEEN
