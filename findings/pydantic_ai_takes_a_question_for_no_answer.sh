#!/usr/bin/env bash
# pydantic-ai-slim 2.38.0 (Python), OpenAIResponsesModel: a tool of the server's asks whether it may run (mcp_approval_request).
#
# Pydantic AI has approvals of its own: a deferred tool call ends the run with DeferredToolRequests, where the agent has that as
# an output type. One would expect such an output here, or an exception. The question is left out of the response without a
# word; a response without anything in it is no answer, so the model is asked again, and what it is asked is the same once more
# with the sentence that it should return text. The server sees a user who does not answer its question and complains.
#
# Output seen (29 November 2026, Python 3.11, openai 3.3.0):
#   the run's output: Fine, I leave it.
#   asked twice; the second time: ['Pay', 'Validation feedback: Please return text. Fix the errors and try again.']
#   parts of the response that asked: []; warnings: 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "pydantic-ai-slim[openai]==2.38.0" openai==3.3.0 >/dev/null 2>&1
cat > asks.py <<'PY'
import json
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

QUESTION = {"type": "mcp_approval_request", "id": "ask_1", "server_label": "bank", "name": "pay", "arguments": "{}"}
PART = {"type": "output_text", "text": "Fine, I leave it.", "annotations": []}
WORDS = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
bodies = []


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        response = {"id": f"resp_{len(bodies)}", "object": "response", "created_at": 1, "model": "m", "status": "completed",
                    "output": [QUESTION if len(bodies) == 1 else WORDS], "parallel_tool_calls": True,
                    "tool_choice": "auto", "tools": []}  # fmt: skip
        body = json.dumps(response).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def said(item):
    content = item["content"]
    return " ".join((content if isinstance(content, str) else content[0]["text"]).split())


server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
provider = OpenAIProvider(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="x")
agent = Agent(OpenAIResponsesModel("m", provider=provider), output_type=[str, DeferredToolRequests])
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    result = agent.run_sync("Pay")
told = [one for one in warned if "pydantic_ai" in str(one.filename) and issubclass(one.category, UserWarning)]
print(f"the run's output: {result.output}")
print(f"asked {'twice' if len(bodies) == 2 else len(bodies)}; the second time: {[said(one) for one in bodies[-1]['input']]}")
print(f"parts of the response that asked: {list(result.all_messages()[1].parts)}; warnings: {len(told)}")
PY
venv/bin/python asks.py 2>errors | tee seen || { cat errors; exit 1; }
diff - seen <<'SEEN'
the run's output: Fine, I leave it.
asked twice; the second time: ['Pay', 'Validation feedback: Please return text. Fix the errors and try again.']
parts of the response that asked: []; warnings: 0
SEEN
