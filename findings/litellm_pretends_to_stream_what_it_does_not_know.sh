#!/usr/bin/env bash
# litellm 1.110.2 (Python): litellm.responses(stream=True), against a server that speaks the Responses API.
#
# One would expect a request with "stream": true, whatever the model is called: the caller asked for it, and the server decides.
# A name that is not in LiteLLM's list of models is taken for a model that cannot stream. The request is sent without "stream",
# the whole answer is waited for, and then cut into pieces that are told as if they had just been said. Nothing warns of it.
# A name of the list, or register_model(... "supports_native_streaming": True), makes it ask for a stream.
#
# Output seen (29 November 2026, Python 3.11, openai 3.3.0):
#   openai/our-model: asked for a stream: None; pieces: ['Good ', 'morni', 'ng']
#   openai/gpt-4.1: asked for a stream: True; pieces: ['Good morning']
#   openai/our-model, registered: asked for a stream: True; pieces: ['Good morning']
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check litellm==1.110.2 openai==3.3.0 >/dev/null 2>&1
cat > streams.py <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm

TEXT = "Good morning"
bodies = []


def response(status, output):
    return {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status, "output": output,
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}  # fmt: skip


PART = {"type": "output_text", "text": TEXT, "annotations": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
EVENTS = [
    {"type": "response.created", "response": response("in_progress", [])},
    {"type": "response.output_item.added", "output_index": 0, "item": {**MESSAGE, "status": "in_progress", "content": []}},
    {"type": "response.content_part.added", **PLACE, "part": {**PART, "text": ""}},
    {"type": "response.output_text.delta", **PLACE, "delta": TEXT, "logprobs": []},
    {"type": "response.output_text.done", **PLACE, "text": TEXT, "logprobs": []},
    {"type": "response.content_part.done", **PLACE, "part": PART},
    {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE},
    {"type": "response.completed", "response": response("completed", [MESSAGE])},
]


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        if bodies[-1].get("stream"):
            kind = "text/event-stream"
            lines = [json.dumps({**event, "sequence_number": number}) for number, event in enumerate(EVENTS)]
            body = "".join(f"data: {line}\n\n" for line in lines)
        else:
            kind, body = "application/json", json.dumps(response("completed", [MESSAGE]))
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()


def ask(title, model):
    base = f"http://127.0.0.1:{server.server_port}/v1"
    stream = litellm.responses(model=model, input="Hi", stream=True, api_base=base, api_key="x")
    pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
    print(f"{title}: asked for a stream: {bodies[-1].get('stream')}; pieces: {pieces}")


ask("openai/our-model", "openai/our-model")
ask("openai/gpt-4.1", "openai/gpt-4.1")
known = {"litellm_provider": "openai", "mode": "responses", "supports_native_streaming": True}
litellm.register_model({"openai/our-model": known})
ask("openai/our-model, registered", "openai/our-model")
PY
LITELLM_LOCAL_MODEL_COST_MAP=True venv/bin/python streams.py 2>errors | tee seen || { cat errors; exit 1; }
diff - seen <<'SEEN'
openai/our-model: asked for a stream: None; pieces: ['Good ', 'morni', 'ng']
openai/gpt-4.1: asked for a stream: True; pieces: ['Good morning']
openai/our-model, registered: asked for a stream: True; pieces: ['Good morning']
SEEN
