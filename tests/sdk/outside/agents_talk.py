"""openai-agents' Realtime runner with its defaults, which speak of audio: text in, text out, a tool of ours, one of its own."""

import asyncio
import json
import sys
from typing import Any

from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}, all day"


async def main(base_url: str) -> None:
    set_tracing_disabled(True)
    agent = RealtimeAgent(name="Assistant", instructions="Be brief.", tools=[get_weather])
    url = base_url.replace("http", "ws", 1) + "/realtime"
    told: dict[str, Any] = {"answers": [], "errors": [], "raw": []}
    async with await RealtimeRunner(agent).run(model_config={"api_key": "guest", "url": url}) as session:
        for question in QUESTIONS:
            await session.send_message(question)
            told["answers"].append(await answer(session, told))
    print(json.dumps(told))


async def answer(session: Any, told: dict[str, Any]) -> str:
    """The words of the next response that says some."""
    async with asyncio.timeout(60):
        async for event in session:
            if event.type == "error":
                told["errors"].append(str(event.error))
            if event.type != "raw_model_event" or event.data.type != "raw_server_event":
                continue
            frame = event.data.data
            told["raw"].append(frame["type"])
            if frame["type"] == "session.updated":
                told["session"] = frame
            if frame["type"] == "response.done":
                texts = [
                    item["content"][0]["text"]
                    for item in frame["response"]["output"]
                    if item["type"] == "message"
                ]
                if texts:
                    return "".join(texts)
    return ""


QUESTIONS = ["count to 3", "What is 6*7?", 'get_weather in "Berlin"']

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
