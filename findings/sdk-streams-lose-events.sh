#!/usr/bin/env bash
# openai 3.54.0 and anthropic 2.12.0 lose events of a stream without a word.
#
# Both read server-sent events with a decoder of their own. An event behind a byte order mark (which the standard tells a
# reader to skip) is dropped. openai yields None for "data: null", so a loop `while (chunk := await anext(stream, None))` takes it
# for the end. anthropic drops every event whose name is not on an "event:" line, though "type" in its data says it.
#
# Seen (openai 3.54.0, anthropic 2.12.0, Python 3.11):
#   openai, plain: ['a', 'b']
#   openai, byte order mark: ['b']
#   openai, null between: ['a', None, 'b']
#   anthropic, plain: ['message_start', 'message_stop']
#   anthropic, byte order mark: ['message_stop']
#   anthropic, no event lines: []
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openai==3.54.0 anthropic==2.12.0 httpx2==2.16.2
cat > "$folder/run.py" <<'PYTHON'
import json

import anthropic
import httpx2
import openai

BOM = "\ufeff"


def http(stream: str) -> httpx2.Client:
    head = {"content-type": "text/event-stream"}
    return httpx2.Client(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, headers=head, content=stream.encode()))
    )


def by_openai(stream: str) -> list:
    client = openai.OpenAI(api_key="none", http_client=http(stream))
    chunks = client.chat.completions.create(model="m", stream=True, messages=[{"role": "user", "content": "Hi"}])
    return [chunk and chunk.choices[0].delta.content for chunk in chunks]


def by_anthropic(stream: str) -> list:
    client = anthropic.Anthropic(api_key="none", http_client=http(stream))
    events = client.messages.create(
        model="m", stream=True, max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
    )
    return [event.type for event in events]


def chunk(text: str) -> str:
    body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**body, 'choices': [{'index': 0, 'delta': {'content': text}}]})}\n\n"


message = {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
start = {"type": "message_start", "message": {**message, "usage": {"input_tokens": 1, "output_tokens": 1}}}
data = [f"data: {json.dumps(one)}\n\n" for one in (start, {"type": "message_stop"})]
named = f"event: message_start\n{data[0]}event: message_stop\n{data[1]}"

print("openai, plain:", by_openai(chunk("a") + chunk("b")))
print("openai, byte order mark:", by_openai(BOM + chunk("a") + chunk("b")))
print("openai, null between:", by_openai(chunk("a") + "data: null\n\n" + chunk("b")))
print("anthropic, plain:", by_anthropic(named))
print("anthropic, byte order mark:", by_anthropic(BOM + named))
print("anthropic, no event lines:", by_anthropic("".join(data)))
PYTHON
"$folder/venv/bin/python" "$folder/run.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
openai, plain: ['a', 'b']
openai, byte order mark: ['b']
openai, null between: ['a', None, 'b']
anthropic, plain: ['message_start', 'message_stop']
anthropic, byte order mark: ['message_stop']
anthropic, no event lines: []
SEEN
