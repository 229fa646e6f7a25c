#!/usr/bin/env bash
# semantic-kernel 1.45.0 (Python), OpenAIResponsesAgent, with a tool that the model calls twice, one call after the other.
#
# The agent goes on from the response before (previous_response_id), which stands for all that was said until then. One would
# expect a request to hold what is new alone: the output of the last call. It holds the turn from its beginning, in every
# round: the user's message once more, and the outputs of all calls so far. Where the server keeps the conversation, the model
# reads the question as often as there were rounds, and a server that takes one output for a call sees a second one.
#
# Output seen (29 November 2026, Python 3.11, openai 3.57.0):
#   goes on from nothing: message
#   goes on from resp_1: message, output of call_1
#   goes on from resp_2: message, output of call_1, output of call_2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check semantic-kernel==1.45.0 openai==3.57.0 >/dev/null 2>&1
cat > rounds.py <<'PY'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from openai import AsyncOpenAI
from semantic_kernel.agents import OpenAIResponsesAgent
from semantic_kernel.functions import kernel_function

bodies = []


def output(number):
    if number == 3:
        part = {"type": "output_text", "text": "Rain twice.", "annotations": []}
        return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": "Sky-look"}
    return {**call, "arguments": "{}", "status": "completed"}


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        number = len(bodies)
        body = json.dumps({
            "id": f"resp_{number}", "object": "response", "created_at": 1, "model": "m", "status": "completed",
            "output": [output(number)], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        }).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Sky:
    @kernel_function(description="Look at the sky.")
    def look(self) -> str:
        return "rain"


async def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = AsyncOpenAI(api_key="x", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0)
    agent = OpenAIResponsesAgent(ai_model_id="m", client=client, name="Desk", plugins=[Sky()])
    await agent.get_response(messages="Look twice")
    for body in bodies:
        told = [f"output of {one['call_id']}" if "call_id" in one else "message" for one in body["input"]]
        print(f"goes on from {body['previous_response_id'] or 'nothing'}: {', '.join(told)}")


asyncio.run(main())
PY
venv/bin/python rounds.py 2>errors | tee seen || { cat errors; exit 1; }
diff - seen <<'SEEN'
goes on from nothing: message
goes on from resp_1: message, output of call_1
goes on from resp_2: message, output of call_1, output of call_2
SEEN
