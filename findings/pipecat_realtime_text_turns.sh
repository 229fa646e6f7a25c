#!/usr/bin/env bash
# pipecat-ai 1.14.0 (PyPI): OpenAIRealtimeLLMService with output_modalities ["text"] and Pipecat's own
# LLMContextAggregatorPair, against a server that speaks the OpenAI Realtime API (here: forty lines that do).
#
# One would expect that a user's message which is appended to the context (LLMMessagesAppendFrame, run_llm=True), as
# in every other Pipecat pipeline, is sent and answered. It is for the first context alone. From then on the service
# takes tool results, and nothing else, from the context frames of the user's aggregator: a later text turn never
# leaves Pipecat. Nothing is logged and nothing raised. What the user types later has to be sent by hand
# (send_client_event with ConversationItemCreateEvent, then ResponseCreateEvent).
#
# Output seen (28 November 2026, Python 3.11):
#   user items sent: ['first']
#   response.create sent: 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "pipecat-ai[openai]==1.14.0" 2>/dev/null
cat > "$work/turns.py" <<'PY'
import asyncio
import json

from pipecat.frames.frames import LLMMessagesAppendFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from websockets.asyncio.server import serve

got = []
answered = asyncio.Event()


async def realtime(socket):
    async def say(kind, **fields):
        await socket.send(json.dumps({"type": kind, "event_id": f"e{len(got)}", **fields}))

    session = {"type": "realtime", "object": "realtime.session", "id": "sess_1", "model": "m"}
    await say("session.created", session=session)
    async for frame in socket:
        event = json.loads(frame)
        got.append(event)
        if event["type"] == "session.update":
            await say("session.updated", session={**session, **event["session"]})
        elif event["type"] == "conversation.item.create":
            item = {"object": "realtime.item", "status": "completed", **event["item"]}
            await say("conversation.item.added", previous_item_id=None, item=item)
        elif event["type"] == "response.create":
            response = {"object": "realtime.response", "id": "resp_1", "status": "completed", "status_details": None, "output": []}
            await say("response.created", response={**response, "status": "in_progress"})
            await say("response.output_text.delta", response_id="resp_1", item_id="i", output_index=0, content_index=0, delta="Yes.")
            await say("response.done", response=response)
            answered.set()


async def main():
    async with serve(realtime, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        llm = OpenAIRealtimeLLMService(
            api_key="none",
            base_url=f"ws://127.0.0.1:{port}",
            settings=OpenAIRealtimeLLMService.Settings(
                session_properties=events.SessionProperties(output_modalities=["text"])
            ),
        )
        pair = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "first"}]))
        task = PipelineTask(Pipeline([pair.user(), llm, pair.assistant()]))
        running = asyncio.create_task(PipelineRunner(handle_sigint=False).run(task))
        await task.queue_frames([LLMRunFrame()])
        await asyncio.wait_for(answered.wait(), 30)
        await asyncio.sleep(1)
        await task.queue_frames([LLMMessagesAppendFrame([{"role": "user", "content": "second"}], run_llm=True)])
        await asyncio.sleep(5)
        await task.cancel()
        await asyncio.gather(running, return_exceptions=True)
    items = [event["item"] for event in got if event["type"] == "conversation.item.create"]
    print("user items sent:", [item["content"][0]["text"] for item in items if item["role"] == "user"])
    print("response.create sent:", sum(event["type"] == "response.create" for event in got))


asyncio.run(main())
PY
"$work/venv/bin/python" -W ignore "$work/turns.py" 2>/dev/null | grep "sent:" | tee "$work/seen"
diff "$work/seen" - <<'SEEN'
user items sent: ['first']
response.create sent: 1
SEEN
