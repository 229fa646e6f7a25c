"""LiveKit's Realtime plugin with text: three turns, a past that it is given, and a reconnect of its own."""

import asyncio
import json
import sys

import aiohttp
from livekit.agents import llm
from livekit.plugins.openai import realtime


async def ask(session: realtime.RealtimeSession, question: str) -> str:
    """As its agents do: the question into the chat context, then a reply."""
    context = session.chat_ctx.copy()
    context.add_message(role="user", content=question)
    await session.update_chat_ctx(context)
    generation = await session.generate_reply()
    return "".join(
        [piece async for message in generation.message_stream async for piece in message.text_stream]
    )


async def main(base_url: str) -> None:
    async with aiohttp.ClientSession() as http:
        model = realtime.RealtimeModel(
            base_url=base_url, api_key="guest", model="gpt-realtime", modalities=["text"], http_session=http
        )
        session = model.session()
        past = llm.ChatContext.empty()
        past.add_message(role="user", content="My name is Ada.")
        past.add_message(role="assistant", content="Nice to meet you, Ada.")
        await session.update_chat_ctx(past)
        answers = [await ask(session, question) for question in QUESTIONS]
        said = [(item.role, item.text_content) for item in session.chat_ctx.items if item.type == "message"]
        await session.aclose()
        await model.aclose()
    print(json.dumps({"answers": answers, "said": said}))


QUESTIONS = ["count to 3", "count to 4", "What is my name?"]

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
