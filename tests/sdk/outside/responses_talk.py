"""openai-agents (Responses, streamed and not, a tool, a handoff of the conversation) and LangChain's ChatOpenAI, over HTTP."""

import asyncio
import json
import sys
from typing import Any

from agents import Agent, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}, all day"


@tool
def look_outside(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}, all day"


async def agents(base_url: str) -> dict[str, Any]:
    model = OpenAIResponsesModel(model="demo", openai_client=AsyncOpenAI(api_key="guest", base_url=base_url))
    agent = Agent(name="Assistant", instructions="Be brief.", model=model, tools=[get_weather])
    counted = await Runner.run(agent, "count to 3")
    weather = await Runner.run(agent, 'get_weather in "Oslo"')
    first = await Runner.run(agent, "my name is Ada", auto_previous_response_id=True)
    second = await Runner.run(agent, "what is my name", previous_response_id=first.last_response_id)
    whole = await Runner.run(agent, [*first.to_input_list(), {"role": "user", "content": "what is my name"}])
    streamed = Runner.run_streamed(agent, "count to 4")
    types = [event.type async for event in streamed.stream_events()]
    return {
        "counted": counted.final_output,
        "weather": weather.final_output,
        "name": second.final_output,
        "whole": whole.final_output,
        "streamed": streamed.final_output,
        "types": sorted(set(types)),
    }


def langchain(base_url: str) -> dict[str, Any]:
    about: dict[str, Any] = {
        "model": "demo",
        "api_key": "guest",
        "base_url": base_url,
        "use_responses_api": True,
    }
    chat = ChatOpenAI(**about)
    history: list[Any] = [HumanMessage("my name is Ada")]
    history.append(chat.invoke(history))
    history.append(HumanMessage("what is my name"))
    chained = ChatOpenAI(**about, use_previous_response_id=True)
    called = chat.bind_tools([look_outside]).invoke('look_outside in "Oslo"')
    return {
        "counted": chat.invoke("count to 3").text,
        "streamed": "".join(chunk.text for chunk in chat.stream("count to 4")),
        "name": chat.invoke(history).text,
        "chained": chained.invoke(history).text,
        "called": [call["name"] for call in called.tool_calls],
    }


if __name__ == "__main__":
    set_tracing_disabled(True)
    print(json.dumps({"agents": asyncio.run(agents(sys.argv[1])), "langchain": langchain(sys.argv[1])}))
