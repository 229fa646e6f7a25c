"""A chat as Chainlit's documentation writes one: the model's tokens are streamed into a message, which is kept at its end."""

import os

import chainlit as cl
from chainlit.data.sql_alchemy import SQLAlchemyDataLayer
from google import genai
from google.genai import types

client = genai.Client(
    api_key="fake-gemini-key", http_options=types.HttpOptions(base_url=os.environ["CHAINLIT_MODEL_URL"])
)


@cl.data_layer
def data_layer() -> SQLAlchemyDataLayer:
    return SQLAlchemyDataLayer(conninfo=os.environ["CHAINLIT_DATABASE"])


@cl.on_message
async def answer(message: cl.Message) -> None:
    contents = [
        types.Content(
            role="user" if said["role"] == "user" else "model", parts=[types.Part(text=said["content"])]
        )
        for said in cl.chat_context.to_openai()
    ]
    reply = cl.Message(content="")
    config = types.GenerateContentConfig(system_instruction="You are a helpful assistant.")
    stream = await client.aio.models.generate_content_stream(
        model="gemini-3.8-flash", contents=contents, config=config
    )
    async for chunk in stream:
        if chunk.text:
            await reply.stream_token(chunk.text)
    await reply.send()
