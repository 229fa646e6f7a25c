"""openai-agents over the Responses API: a tool of the agent's own, a handoff, approvals of its own and of the server's."""

import asyncio
import json
import sys
from typing import Any

from agents import (
    Agent,
    HostedMCPTool,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

RAN: list[str] = []


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    RAN.append(f"weather {city}")
    return f"rain in {city}, all day"


@function_tool(needs_approval=True)
def refund(amount: int) -> str:
    """Give money back."""
    RAN.append(f"refund {amount}")
    return f"gave {amount} back"


def agents_of(base_url: str, approve: bool) -> dict[str, Agent[Any]]:
    client = AsyncOpenAI(api_key="guest", base_url=base_url, max_retries=0)
    model = OpenAIResponsesModel(model="gemini:gemini-3-flash", openai_client=client)
    billing = Agent(name="Billing", instructions="You know of bills.", model=model)
    theirs = HostedMCPTool(
        tool_config={
            "type": "mcp",
            "server_label": "server",
            "server_url": base_url,
            "require_approval": "always",
        },
        on_approval_request=lambda _: {"approve": approve},
    )
    return {
        "tool": Agent(name="Desk", model=model, tools=[get_weather]),
        "handoff": Agent(name="Desk", model=model, handoffs=[billing]),
        "own": Agent(name="Desk", model=model, tools=[refund]),
        "server": Agent(name="Desk", model=model, tools=[theirs]),
    }


async def finished(agent: Agent[Any], given: Any, *, stream: bool) -> Any:
    if not stream:
        return await Runner.run(agent, given, max_turns=6)
    result = Runner.run_streamed(agent, given, max_turns=6)
    async for _ in result.stream_events():
        pass
    return result


async def main(base_url: str, approve: bool, stream: bool) -> None:
    set_tracing_disabled(True)
    told: dict[str, Any] = {}
    for name, agent in agents_of(base_url, approve).items():
        result = await finished(agent, f"Use {name}", stream=stream)
        asked = [one.raw_item.name for one in result.interruptions]
        if asked:
            state = result.to_state()
            for one in result.interruptions:
                (state.approve if approve else state.reject)(one)
            result = await finished(agent, state, stream=stream)
        told[name] = {"asked": asked, "answer": result.final_output, "last": result.last_agent.name}
        if name == "server":
            # the next turn tells the question and its answer again, with all else
            again = [*result.to_input_list(), {"role": "user", "content": "And now?"}]
            told[name]["next"] = (await finished(agent, again, stream=stream)).final_output
    print(json.dumps({"told": told, "ran": RAN}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *(one == "yes" for one in sys.argv[2:])))
